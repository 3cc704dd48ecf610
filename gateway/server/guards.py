"""Creates the server's guards from the settings: admission, TLS and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.access import (
    Admission,
    AuditFile,
    AuditLog,
    AuditQueue,
    Callers,
    parse_policy,
    passthrough,
    service_account,
)
from gateway.access.admission import Identify
from gateway.access.tokens import StaticTokens
from gateway.calls import Basic
from gateway.files import ReloadedFile, UnusableFileError
from gateway.logs import audit_writer
from gateway.settings import AuthSettings, IssuerSettings, Settings

if TYPE_CHECKING:
    from gateway.access.certificates import AllowedCertificates
    from gateway.access.fetched_keys import FetchedKeys, Issuers
    from gateway.access.jwt import IssuerKeys, JwtVerifier
    from gateway.server.tls import ServerTls

__all__ = ["Guards", "account_file", "make_guards"]


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of the server."""

    admission: Admission
    audit: AuditLog
    audit_file: AuditQueue | None
    tls: ServerTls | None


def make_guards(settings: Settings, simulator: Basic | None = None) -> Guards:
    """Reads the files in the settings. `simulator` is the account of the embedded simulator, if there is one. Raises
    ValueError with a readable message if a file cannot be used.
    """
    auth, tls = settings.auth, settings.tls
    server_tls = None
    if tls.cert_file and tls.key_file:
        # Imported here, like everything that needs megabytes and is rarely used.
        from gateway.server.tls import ServerTls

        server_tls = ServerTls(tls.cert_file, tls.key_file, tls.client_ca_file)
    try:
        file = AuditQueue(AuditFile(settings.log.audit_file)) if settings.log.audit_file else None
    except OSError as error:
        raise UnusableFileError(
            f"the audit log {settings.log.audit_file} cannot be written: {error.strerror}"
        ) from None
    policy = ReloadedFile(auth.policy_file, parse_policy) if auth.policy_file else None
    identify, issuers = _identify(settings, simulator)
    admission = Admission(identify, policy.current if policy else None, issuers)
    audit = AuditLog(file.write if file else audit_writer(), must_record=settings.log.audit_on_failure == "refuse")
    return Guards(admission, audit, file, server_tls)


def account_file(auth: AuthSettings) -> ReloadedFile[Basic] | None:
    """The service account with the current password in its file, None if there is none. Raises ValueError with a
    readable message if the file cannot be used.
    """
    user = auth.user
    if not (user and auth.password_file):
        return None
    return ReloadedFile(auth.password_file, lambda content: Basic(user, _password(content)))


def _identify(settings: Settings, simulator: Basic | None) -> tuple[Identify, Issuers | None]:
    auth = settings.auth
    if auth.mode == "passthrough":
        return passthrough(simulator if settings.anonymous_allowed else None), None
    callers, issuers = _callers(auth) if auth.callers_are_known else (None, None)
    if account := account_file(auth):
        return service_account(account.current, callers), issuers
    # With the simulator, its account is the service account.
    stand_in = simulator or Basic("nobody", "")
    return service_account(lambda: stand_in, callers), issuers


def _callers(auth: AuthSettings) -> tuple[Callers, Issuers | None]:
    tokens = StaticTokens(auth.tokens_file) if auth.tokens_file else None
    verifier, issuers = _jwt_verifier(auth)
    return Callers(certificates=_allowed_certificates(auth), tokens=tokens, jwt=verifier), issuers


def _allowed_certificates(auth: AuthSettings) -> AllowedCertificates | None:
    if not auth.certificates:
        return None
    from gateway.access.certificates import AllowedCertificates

    return AllowedCertificates(auth.certificates)


def _jwt_verifier(auth: AuthSettings) -> tuple[JwtVerifier | None, Issuers | None]:
    if not auth.issuers:
        return None, None
    from gateway.access.jwt import FileKeys, Issuer, JwtVerifier

    fetched: list[FetchedKeys] = []
    issuers = []
    for entry in auth.issuers:
        if entry.jwks_file:
            source: IssuerKeys = FileKeys(entry.issuer or "", entry.jwks_file)
        else:
            source = _fetched_keys(entry, auth.jwt.refresh_seconds)
            fetched.append(source)
        audience = entry.audience or ("vcenter-gateway",)
        issuers.append(Issuer(source, audience, entry.algorithms, entry.claim, entry.identity_prefix, entry.own_names))
    if not fetched:
        return JwtVerifier(issuers), None
    from gateway.access.fetched_keys import Issuers

    return JwtVerifier(issuers), Issuers(fetched)


def _fetched_keys(entry: IssuerSettings, refresh_seconds: float) -> FetchedKeys:
    from gateway.access.fetched_keys import FetchedKeys
    from gateway.access.issuer_client import IssuerClient, IssuerOptions

    return FetchedKeys(IssuerClient(IssuerOptions.of(entry)), refresh_seconds)


def _password(content: bytes) -> str:
    """The password in a file, without the line end that editors and shells add."""
    try:
        password = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("the password is not UTF-8 text") from None
    if not password:
        raise ValueError("it contains no password")
    return password
