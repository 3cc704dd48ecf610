"""Settings about callers: whose vCenter identity is used, how callers prove who they are, and what they may do."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from gateway.settings.section import SWITCH, ReadableFile, Section, Words, setting

__all__ = ["AuthSettings"]

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What may be allowed: asymmetric algorithms. With a shared secret, whoever can check a token can make one."""


class AuthSettings(Section):
    """Callers and what they may do."""

    mode: Literal["passthrough", "service-account"] = setting(
        "passthrough",
        "Whose identity vCenter sees. `passthrough`: each call brings the caller's own. `service-account`: that of "
        "`auth.user`, and callers prove to the gateway who they are.",
        "passthrough or service-account",
    )
    user: str | None = setting(None, "User name of the service account at vCenter.", "a user name")
    password_file: ReadableFile | None = setting(
        None, "Its password. A new content is in use within a second.", "a file with the password alone"
    )
    certificates: Words = setting(
        (),
        "Callers with a client certificate that has one of these names; `*` stands for any text. `dns:`, `uri:`, "
        "`email:`, `ip:` and `cn:` ask for names of one type; without it, DNS names, URIs such as SPIFFE ids and the "
        "common name are meant. The common name counts only where there is no subjectAltName.",
        "names with commas between them",
    )
    tokens_file: ReadableFile | None = setting(
        None, "Callers with a bearer token whose SHA-256 is in this file.", "a YAML file of identities and hashes"
    )
    jwks_file: ReadableFile | None = setting(
        None, "Callers with a JWT that was signed by one of these keys.", "a JWKS file"
    )
    jwt_issuer: str | None = setting(None, "The issuer that a JWT must have.", "the value of the claim iss")
    jwt_audience: str | None = setting(None, "The audience that a JWT must be for.", "a value of the claim aud")
    jwt_algorithms: Words = setting(
        ("RS256", "ES256"), "How a JWT may be signed.", f"one or more of {', '.join(_ALGORITHMS)}"
    )
    jwt_claim: str = setting("sub", "The claim that is a caller's identity.", "the name of a claim")
    policy_file: ReadableFile | None = setting(
        None,
        "Which identities may call which rpcs on which machines. With a policy, what it does not allow is denied.",
        "a YAML file of rules",
    )
    allow_anyone: bool = setting(
        False,
        "Lets callers use the service account from other machines without proving who they are. For experiments.",
        SWITCH,
    )

    @field_validator("jwt_algorithms")
    @classmethod
    def _check_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or (unknown := set(value) - set(_ALGORITHMS)):
            raise ValueError(f"{', '.join(sorted(unknown))} is not allowed" if value else "it is empty")
        return value

    @property
    def callers_are_known(self) -> bool:
        """Whether there is a way for callers to prove who they are."""
        return bool(self.certificates or self.tokens_file or self.jwks_file)
