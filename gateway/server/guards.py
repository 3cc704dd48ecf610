"""Makes what guards the server from the settings: admission, TLS and the audit log."""

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
from gateway.settings import AuthSettings, Settings

if TYPE_CHECKING:
    from gateway.access.certificates import AllowedCertificates
    from gateway.access.jwt import JwtVerifier
    from gateway.server.tls import ServerTls

__all__ = ["Guards", "account_file", "make_guards"]


@dataclass(frozen=True, slots=True)
class Guards:
    """What guards the server."""

    admission: Admission
    audit: AuditLog
    audit_file: AuditQueue | None
    tls: ServerTls | None


def make_guards(settings: Settings, simulator: Basic | None = None) -> Guards:
    """Reads the files that the settings name. `simulator` is the account of the embedded vCenter, where there is one.

    Raises ValueError with a sentence for a file that cannot be used.
    """
    auth, tls = settings.auth, settings.tls
    server_tls = None
    if tls.cert_file and tls.key_file:
        # Only here, like everything that takes megabytes and is not used by everybody.
        from gateway.server.tls import ServerTls

        server_tls = ServerTls(tls.cert_file, tls.key_file, tls.client_ca_file)
    try:
        file = AuditQueue(AuditFile(settings.log.audit_file)) if settings.log.audit_file else None
    except OSError as error:
        raise UnusableFileError(
            f"the audit log {settings.log.audit_file} cannot be written: {error.strerror}"
        ) from None
    policy = ReloadedFile(auth.policy_file, parse_policy) if auth.policy_file else None
    admission = Admission(_identify(settings, simulator), policy.current if policy else None)
    audit = AuditLog(file.write if file else audit_writer(), must_record=settings.log.audit_on_failure == "refuse")
    return Guards(admission, audit, file, server_tls)


def account_file(auth: AuthSettings) -> ReloadedFile[Basic] | None:
    """The service account with the password that is in its file now, None where there is none.

    Raises ValueError with a sentence for a file that cannot be used.
    """
    user = auth.user
    if not (user and auth.password_file):
        return None
    return ReloadedFile(auth.password_file, lambda content: Basic(user, _password(content)))


def _identify(settings: Settings, simulator: Basic | None) -> Identify:
    auth = settings.auth
    if auth.mode == "passthrough":
        return passthrough(simulator if settings.anonymous_allowed else None)
    callers = _callers(auth) if auth.callers_are_known else None
    if account := account_file(auth):
        return service_account(account.current, callers)
    # Without a vCenter of its own, the simulator's account is the service account.
    stand_in = simulator or Basic("nobody", "")
    return service_account(lambda: stand_in, callers)


def _callers(auth: AuthSettings) -> Callers:
    tokens = StaticTokens(auth.tokens_file) if auth.tokens_file else None
    return Callers(certificates=_allowed_certificates(auth), tokens=tokens, jwt=_jwt_verifier(auth))


def _allowed_certificates(auth: AuthSettings) -> AllowedCertificates | None:
    if not auth.certificates:
        return None
    from gateway.access.certificates import AllowedCertificates

    return AllowedCertificates(auth.certificates)


def _jwt_verifier(auth: AuthSettings) -> JwtVerifier | None:
    if auth.jwks_file is None:
        return None
    from gateway.access.jwt import JwtVerifier

    return JwtVerifier(
        auth.jwks_file,
        issuer=auth.jwt_issuer or "",
        audience=auth.jwt_audience or "",
        algorithms=auth.jwt_algorithms,
        claim=auth.jwt_claim,
    )


def _password(content: bytes) -> str:
    """The password in a file. The line end that editors and shells add is not part of it."""
    try:
        password = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("the password is not UTF-8 text") from None
    if not password:
        raise ValueError("it holds no password")
    return password
