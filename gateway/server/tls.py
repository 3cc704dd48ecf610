"""TLS for callers: certificates that are renewed while the gateway runs, and client certificates.

gRPC requests the certificate for each new connection, so a renewed one is used immediately and no connection is
dropped. TLS 1.2 is the lowest version that gRPC's core supports.
"""

from __future__ import annotations

import logging
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.files import ReloadedFile, UnusableFileError

__all__ = ["ServerTls"]

_log = logging.getLogger(__name__)


class ServerTls:
    """The certificate and key of the gateway. With `client_ca_file`, callers must present a certificate of one of its
    authorities. Raises ValueError if files cannot be used.
    """

    def __init__(self, cert_file: str, key_file: str, client_ca_file: str | None = None) -> None:
        self._cert = ReloadedFile(cert_file, _checked_certificates)
        self._key = ReloadedFile(key_file, _checked_key)
        self._ca = ReloadedFile(client_ca_file, _checked_certificates) if client_ca_file else None
        self._pair = (self._key.current(), self._cert.current())
        self._refused_pair: tuple[bytes, bytes] | None = None
        if not _belong_together(*self._pair):
            raise UnusableFileError(f"the key {key_file} does not match the certificate {cert_file}")
        self._used = self._newest()

    def credentials(self) -> grpc.ServerCredentials:
        """The credentials of a server's port."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(*self._used),
            self._fetch,  # type: ignore[arg-type]  # its type information lacks the None
            require_client_authentication=self._ca is not None,
        )

    def certificate(self) -> bytes:
        """The certificate in use, and its intermediate certificates, in PEM format."""
        return self._pair[1]

    def _newest(self) -> tuple[tuple[bytes, bytes], bytes | None]:
        """The latest matching pair, and the latest authorities, independent of each other: an incomplete renewal does
        not delay the removal of an authority."""
        pair = (self._key.current(), self._cert.current())
        if pair not in (self._pair, self._refused_pair):
            if _belong_together(*pair):
                self._pair = pair
            else:
                # One of the two files may still be the old one. If it stays that way, the operator must know.
                _log.warning("%s and %s do not match yet: the old ones stay in use", *self._paths())
                self._refused_pair = pair
        return self._pair, self._ca.current() if self._ca else None

    def _paths(self) -> tuple[Path, Path]:
        return self._key.path, self._cert.path

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC for each connection, in a separate thread: returns a new configuration, or None to keep the
        current one."""
        newest = self._newest()
        if newest == self._used:
            return None
        self._used = newest
        _log.info("new connections use the renewed certificates")
        return _configuration(*newest)


def _configuration(pair: tuple[bytes, bytes], authorities: bytes | None) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([pair], authorities)


def _checked_certificates(content: bytes) -> bytes:
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ValueError("it contains no certificate in PEM format") from None
    return content


def _checked_key(content: bytes) -> bytes:
    try:
        load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it contains no private key in PEM format without a passphrase") from None
    return content


def _belong_together(key: bytes, certificates: bytes) -> bool:
    try:
        public = [
            item.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for item in (
                x509.load_pem_x509_certificates(certificates)[0].public_key(),
                load_pem_private_key(key, None).public_key(),
            )
        ]
    except (ValueError, UnsupportedAlgorithm):  # A certificate with an unknown type of key.
        return False
    return public[0] == public[1]
