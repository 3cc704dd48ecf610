"""The simulator's own certificate, created at each start: vCenter's default is also self-signed."""

import io
import ipaddress
import ssl
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["DOWNLOAD", "archive", "server_context"]

DOWNLOAD = "/certs/download.zip"
"""Where vCenter offers the certificates of its authority, without a session."""

_VALIDITY = timedelta(days=30)


def archive(pem: str) -> bytes:
    """What is at `DOWNLOAD`: the certificate to trust, for each kind of system under the names that it looks for."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in ("lin/vcenter-simulator.0", "mac/vcenter-simulator.0", "win/vcenter-simulator.0.crt"):
            file.writestr(f"certs/{name}", pem)
    return content.getvalue()


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def server_context(hosts: Iterable[str]) -> tuple[ssl.SSLContext, str, str]:
    """The TLS context for these hosts, the certificate as PEM, and its SHA-256 fingerprint in hex."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vcenter-simulator")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(host) for host in dict.fromkeys(hosts)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, True, False, False, False),
            True,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module loads keys from files only.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "server.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem + private)
        context.load_cert_chain(file)
    return context, pem.decode(), certificate.fingerprint(hashes.SHA256()).hex()
