"""TLS towards the callers: certificates that are renewed while the gateway runs, and clients that show theirs.

gRPC asks for the certificate with each new connection, so a renewed one is in use at once and no connection is dropped.
TLS 1.2 is the least that gRPC's core speaks.
"""

from __future__ import annotations

import logging

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.files import ReloadedFile, UnusableFileError

__all__ = ["ServerTls"]

_log = logging.getLogger(__name__)


class ServerTls:
    """The certificate and key of the gateway. With `client_ca_file`, callers must show a certificate of one of its
    authorities.

    Raises ValueError for files that cannot be used.
    """

    def __init__(self, cert_file: str, key_file: str, client_ca_file: str | None = None) -> None:
        self._cert = ReloadedFile(cert_file, _checked_certificates)
        self._key = ReloadedFile(key_file, _checked_key)
        self._ca = ReloadedFile(client_ca_file, _checked_certificates) if client_ca_file else None
        if not _belong_together(self._cert.current(), self._key.current()):
            raise UnusableFileError(f"the key {key_file} is not that of the certificate {cert_file}")
        self._used = self._generations()

    def credentials(self) -> grpc.ServerCredentials:
        """The credentials of a server's port."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self._fetch,  # type: ignore[arg-type]  # its type information lacks the None
            require_client_authentication=self._ca is not None,
        )

    def certificate(self) -> bytes:
        """The certificate in use, and those that lead to its authority, in PEM form."""
        return self._cert.current()

    def _generations(self) -> tuple[int, ...]:
        files = [file for file in (self._cert, self._key, self._ca) if file is not None]
        for file in files:
            file.current()
        return tuple(file.generation for file in files)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC calls for each connection: a new configuration, or None for the one in use."""
        generations = self._generations()
        if generations == self._used:
            return None
        if not _belong_together(self._cert.current(), self._key.current()):
            return None  # One of the two files is still the old one.
        self._used = generations
        _log.info("the renewed certificate is in use")
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self._key.current(), self._cert.current())], self._ca.current() if self._ca else None
        )


def _checked_certificates(content: bytes) -> bytes:
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ValueError("it holds no certificate in PEM form") from None
    return content


def _checked_key(content: bytes) -> bytes:
    try:
        load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it holds no private key in PEM form without a passphrase") from None
    return content


def _belong_together(certificates: bytes, key: bytes) -> bool:
    public = [
        item.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for item in (
            x509.load_pem_x509_certificates(certificates)[0].public_key(),
            load_pem_private_key(key, None).public_key(),
        )
    ]
    return public[0] == public[1]
