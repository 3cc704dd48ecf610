"""Explains vCenter's certificate: its names, whether it is trusted, and what to do if it is not.

The certificate is first read without verification, and then verified, to find the problem. Everything here blocks;
`check` uses it, and the gateway if it rejected a certificate.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.address import join_address
from gateway.vcenter.options import VCenterOptions, ssl_context
from gateway.vcenter.proxy import open_socket

__all__ = ["CertificateFindingError", "check_certificate", "described", "ends_soon"]

_SOON = timedelta(days=30)
# For a port that may wait for a whole line, which a greeting in the other protocol does not contain.
_PROBE_SECONDS = 5.0

# OpenSSL's error codes for certificates.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 27})
_WRONG_NAME = frozenset({62, 64})


class CertificateFindingError(Exception):
    """A problem with the certificate, and the remedy. If it is `usable`, vCenter can be called anyway."""

    def __init__(self, text: str, advice: str, *, usable: bool = False) -> None:
        super().__init__(text)
        self.text, self.advice, self.usable = text, advice, usable


def check_certificate(options: VCenterOptions, host: str, port: int) -> str:
    """A description of the certificate. Raises CertificateFindingError if it is not trusted, or should be replaced."""
    if not options.url.startswith("https:"):
        if _speaks_tls(options, host, port):
            raise CertificateFindingError(
                f"port {port} uses TLS, but the URL says http",
                f"Use https://{join_address(host, None if port == 443 else port)}.",
            )
        raise CertificateFindingError(
            "not used: the URL is http",
            "Anyone on the network path can read passwords. Use https for a real vCenter.",
            usable=True,
        )
    version, certificate = _presented(options, host, port)
    thumbprint = certificate.fingerprint(hashes.SHA256()).hex(":")
    text = f"{version}, {described(certificate)}, SHA-256 thumbprint {thumbprint}"
    if options.thumbprint is not None:
        if thumbprint.replace(":", "") != options.thumbprint:
            raise CertificateFindingError(
                f"the certificate has the SHA-256 thumbprint {thumbprint}, which is not the configured one",
                "If vCenter's certificate was renewed, compare this thumbprint with what vCenter's console shows, "
                "and configure it. If it was not renewed, another server answers in vCenter's place.",
            )
        text += ", as configured"
    elif not options.verify:
        raise CertificateFindingError(
            f"{text}; NOT verified",
            "Anyone on the network path can read and change everything. Verify with --vcenter-ca-file or "
            f"--vcenter-thumbprint {thumbprint.replace(':', '')}.",
            usable=True,
        )
    else:
        _verify(options, host, port, certificate, thumbprint)
    if when := ends_soon(certificate, datetime.now(UTC)):
        raise CertificateFindingError(text, f"The certificate {when}: renew it.", usable=True)
    return text


def _presented(options: VCenterOptions, host: str, port: int) -> tuple[str, x509.Certificate]:
    """The presented certificate, whether it is trusted or not."""
    try:
        with _handshake(options, host, port, _unverified(), options.connect_timeout) as connection:
            shown = connection.getpeercert(binary_form=True) or b""
            return connection.version() or "TLS", x509.load_der_x509_certificate(shown)
    except (OSError, ValueError) as error:
        if not isinstance(error, TimeoutError) and _speaks_http(options, host, port):
            raise CertificateFindingError(
                f"port {port} uses plain HTTP, but the URL says https",
                "Check the port in the URL: vCenter serves HTTPS on 443. A simulator without TLS has a URL with http.",
            ) from None
        raise CertificateFindingError(
            f"port {port} does not use TLS as expected: {_reason(error)}",
            "Check the port in the URL: vCenter serves HTTPS on 443.",
        ) from None


def _verify(options: VCenterOptions, host: str, port: int, certificate: x509.Certificate, thumbprint: str) -> None:
    try:
        _handshake(options, host, port, ssl_context(options), options.connect_timeout).close()
    except ssl.SSLCertVerificationError as error:
        number = error.verify_code
        if number in (_EXPIRED, _NOT_YET_VALID):
            advice = "Check the clock of this machine; if it is right, renew vCenter's certificate."
        elif number in _WRONG_NAME:
            names = ", ".join(_names(certificate)) or "no name at all"
            advice = f"The certificate is for {names}: use one of these names in the URL."
        elif number in _UNTRUSTED:
            advice = (
                f"Download {options.url}/certs/download.zip, which contains vCenter's own authority, and give "
                "it with --vcenter-ca-file FILE. Or compare the SHA-256 thumbprint with what vCenter's console "
                f"shows, and give --vcenter-thumbprint {thumbprint.replace(':', '')}."
            )
        else:
            advice = "Compare the certificate with the one that vCenter's console shows."
        text = f"the certificate is not trusted: {error.verify_message}; {described(certificate)}"
        raise CertificateFindingError(text, advice) from None
    except OSError as error:
        raise CertificateFindingError(
            f"the TLS connection failed: {_reason(error)}", "Try again, and look into vCenter's log."
        ) from None


def ends_soon(certificate: x509.Certificate, now: datetime) -> str:
    """When a certificate expires, if within 30 days; else empty."""
    left = certificate.not_valid_after_utc - now
    if left >= _SOON:
        return ""
    return f"ends in {left.days} days" if left > timedelta() else "has ended"


def _speaks_tls(options: VCenterOptions, host: str, port: int) -> bool:
    try:
        _handshake(options, host, port, _unverified(), _PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _speaks_http(options: VCenterOptions, host: str, port: int) -> bool:
    try:
        with open_socket(options.proxy, host, port, _PROBE_SECONDS) as connection:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return connection.recv(5, socket.MSG_WAITALL) == b"HTTP/"
    except OSError:
        return False


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _handshake(options: VCenterOptions, host: str, port: int, context: ssl.SSLContext, timeout: float) -> ssl.SSLSocket:
    connection = open_socket(options.proxy, host, port, timeout)
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def described(certificate: x509.Certificate) -> str:
    """The names, issuer and validity of a certificate."""
    issuer = "self-signed" if certificate.issuer == certificate.subject else f"by {certificate.issuer.rfc4514_string()}"
    names = ", ".join(_names(certificate)) or certificate.subject.rfc4514_string()
    return f"certificate for {names}, {issuer}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*extension.get_values_for_type(x509.DNSName), *map(str, extension.get_values_for_type(x509.IPAddress))]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no response in time"
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
