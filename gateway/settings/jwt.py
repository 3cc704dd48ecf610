"""Settings of JWT issuers: whose tokens are accepted, and where the keys come from."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from gateway.address import checked_key_url
from gateway.documents import read_yaml
from gateway.settings.section import SECONDS, SWITCH, Address, ReadableFile, Section, Words, setting

__all__ = ["Algorithms", "IssuerSettings", "JwtSettings", "algorithms_setting", "claim_setting"]

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""The supported algorithms, all asymmetric: with a shared secret, anyone who can verify a token can forge one."""
_ONE_OF = "one of discovery, kubernetes, jwks_url and jwks_file"


def _check_algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or (unknown := set(value) - set(_ALGORITHMS)):
        raise ValueError(f"{', '.join(sorted(unknown))} is not allowed" if value else "it is empty")
    return value


def _read(value: Any) -> Any:
    return read_yaml(value) if isinstance(value, str) else value


Algorithms = Annotated[Words, AfterValidator(_check_algorithms)]
"""One or more of `_ALGORITHMS`."""
KeyUrl = Annotated[str, AfterValidator(checked_key_url)]
"""A URL from which keys may be fetched: over HTTPS, or on this machine."""


def algorithms_setting(description: str) -> Any:
    """The setting of the algorithms with which an issuer may sign."""
    return setting(("RS256", "ES256"), description, f"one or more of {', '.join(_ALGORITHMS)}")


def claim_setting(description: str) -> Any:
    """The setting of the claim that names the caller."""
    return setting("sub", description, "the name of a claim")


class IssuerSettings(Section):
    """One issuer of JWTs."""

    issuer: str | None = setting(
        None,
        "The issuer: a token's claim `iss` must be exactly this. With `kubernetes`, the default is what the cluster "
        "reports.",
        "the value of the claim iss",
    )
    audience: Words = setting(
        (),
        "Accepted audiences: a token must be for one of them. With `kubernetes`, the default is `vcenter-gateway`.",
        "one or more values of the claim aud",
    )
    discovery: bool = setting(
        False,
        "Finds the keys by OpenID Connect discovery: reads the document at `ISSUER/.well-known/openid-configuration`, "
        "which must name the same issuer, and fetches the keys from its `jwks_uri`.",
        SWITCH,
    )
    kubernetes: bool = setting(
        False,
        "The issuer is the Kubernetes cluster that the gateway runs in, and callers are its ServiceAccounts. The "
        "gateway fetches the keys from the API server, with the pod's own token.",
        SWITCH,
    )
    jwks_url: KeyUrl | None = setting(None, "Fetches the keys from this URL, without discovery.", "an https URL")
    jwks_file: ReadableFile | None = setting(None, "Reads the keys from this file and fetches nothing.", "a JWKS file")
    discovery_url: KeyUrl | None = setting(
        None, "URL of the discovery document, if it is not below the issuer.", "an https URL"
    )
    ca_file: ReadableFile | None = setting(
        None,
        "Authorities to trust instead of the system's. With `kubernetes`, the default is the cluster's own.",
        "a file with certificates in PEM format",
    )
    token_file: ReadableFile | None = setting(
        None,
        "A bearer token that is sent with each request for keys, but only to the first host. With `kubernetes`, the "
        "default is the pod's own.",
        "a file that contains only the token",
    )
    proxy: Address | None = setting(
        None,
        "HTTP proxy through which the gateway fetches the keys. When unset, it fetches them directly and ignores "
        "proxies in the environment.",
        "HOST:PORT",
    )
    algorithms: Algorithms = algorithms_setting("Accepted signature algorithms.")
    claim: str = claim_setting("Claim with the caller's name.")
    identity_prefix: str = setting(
        "",
        "Prefix of the names that this issuer assigns, so that issuers cannot assign each other's names. Each issuer "
        "needs a different one.",
        "text, for example `corp:`",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        ways = [self.discovery, self.kubernetes, bool(self.jwks_url), bool(self.jwks_file)]
        if sum(ways) != 1:
            raise ValueError(f"an issuer's keys come from {_ONE_OF}")
        if not self.kubernetes and not (self.issuer and self.audience):
            raise ValueError("JWTs are checked for an issuer and an audience: give both")
        if self.discovery_url and not self.discovery:
            raise ValueError("discovery_url requires discovery")
        if self.discovery and not self.discovery_url:
            checked_key_url(self.issuer or "")
        if self.jwks_file and (self.ca_file or self.token_file or self.proxy):
            raise ValueError("ca_file, token_file and proxy apply only to fetched keys, not to jwks_file")
        return self

    @property
    def own_names(self) -> str:
        """The prefix of all names that this issuer assigns, and that no other issuer may assign."""
        return self.identity_prefix + ("system:serviceaccount:" if self.kubernetes else "")


class JwtSettings(Section):
    """The issuers, in addition to the one of `auth.jwks_file`."""

    issuers: Annotated[tuple[IssuerSettings, ...], BeforeValidator(_read)] = setting(
        (),
        "Issuers of the JWTs with which callers authenticate. docs/reference/configuration.md lists the keys of an "
        "entry.",
        "a list; in flags and variables as JSON or YAML",
    )
    refresh_seconds: float = setting(
        300.0,
        "How often the gateway fetches the keys of the issuers again. For a token that was signed with an unknown key, "
        "it fetches them immediately, but at most once a minute.",
        f"{SECONDS}; 60 or more",
        ge=60,
        le=86400,
    )
