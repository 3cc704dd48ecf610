"""Settings about callers: whose vCenter identity is used, how callers authenticate, and what they may do."""

from __future__ import annotations

from typing import Literal

from gateway.settings.jwt import Algorithms, IssuerSettings, JwtSettings, algorithms_setting, claim_setting
from gateway.settings.section import SWITCH, ReadableFile, Section, Words, setting

__all__ = ["AuthSettings"]


class AuthSettings(Section):
    """Callers and what they may do."""

    mode: Literal["passthrough", "service-account"] = setting(
        "passthrough",
        "Whose identity vCenter sees. `passthrough`: that of the caller, whose calls carry vCenter credentials. "
        "`service-account`: that of `auth.user`; callers authenticate themselves to the gateway.",
        "passthrough or service-account",
    )
    user: str | None = setting(None, "User name of the service account at vCenter.", "a user name")
    password_file: ReadableFile | None = setting(
        None,
        "Password of the service account. A changed file is reloaded within a second.",
        "a file that contains only the password",
    )
    certificates: Words = setting(
        (),
        "Accepts callers with a client certificate that has one of these names; `*` matches any text. `dns:`, `uri:`, "
        "`email:`, `ip:` and `cn:` restrict a pattern to one type of name; without it, a pattern matches DNS names, "
        "URIs such as SPIFFE ids, and the common name. The common name counts only in certificates without a "
        "subjectAltName.",
        "comma-separated names",
    )
    tokens_file: ReadableFile | None = setting(
        None,
        "Accepts callers with a bearer token whose SHA-256 is in this file.",
        "a YAML file of identities and hashes",
    )
    jwks_file: ReadableFile | None = setting(
        None, "Accepts callers with a JWT signed by one of these keys.", "a JWKS file"
    )
    jwt_issuer: str | None = setting(None, "Required issuer of a JWT.", "the value of the claim iss")
    jwt_audience: str | None = setting(None, "Required audience of a JWT.", "a value of the claim aud")
    jwt_algorithms: Algorithms = algorithms_setting("Accepted signature algorithms of JWTs.")
    jwt_claim: str = claim_setting("Claim with the caller's identity.")
    jwt: JwtSettings = JwtSettings()
    policy_file: ReadableFile | None = setting(
        None,
        "Which identities may call which rpcs on which machines. A policy denies everything that it does not allow.",
        "a YAML file of rules",
    )
    allow_anyone: bool = setting(
        False,
        "Lets callers on other machines use the service account without authentication. For experiments only.",
        SWITCH,
    )

    @property
    def issuers(self) -> tuple[IssuerSettings, ...]:
        """All JWT issuers, including that of `jwks_file`."""
        if self.jwks_file is None:
            return self.jwt.issuers
        of_file = IssuerSettings.model_construct(
            issuer=self.jwt_issuer,
            audience=(self.jwt_audience,) if self.jwt_audience else (),
            jwks_file=self.jwks_file,
            algorithms=self.jwt_algorithms,
            claim=self.jwt_claim,
        )
        return (of_file, *self.jwt.issuers)

    @property
    def callers_are_known(self) -> bool:
        """Whether callers can authenticate."""
        return bool(self.certificates or self.tokens_file or self.jwks_file or self.jwt.issuers)
