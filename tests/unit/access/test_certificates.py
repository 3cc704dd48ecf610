"""Which names of client certificates count, and which let a caller in."""

from __future__ import annotations

import gc
import ipaddress
import itertools
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DNSName, IPAddress, RFC822Name, UniformResourceIdentifier
from cryptography.x509.oid import NameOID

from gateway.access.certificates import AllowedCertificates, CertificateError, names_in
from gateway.errors import GatewayError

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC)
ADDRESS = IPAddress(ipaddress.ip_address("10.0.0.1"))
DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ci")]))
BUILD = UniformResourceIdentifier("spiffe://example.org/ns/build/a")


def certificate(*common_names: str, alternatives: Sequence[x509.GeneralName] | None = None) -> bytes:
    """A certificate in PEM form, whoever signed it: only names are looked at here."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(hours=1))
    )
    if alternatives is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def let_in(pem: bytes, *patterns: str) -> str | None:
    try:
        return AllowedCertificates(patterns).name(pem)
    except GatewayError as error:
        refusal = error.failure
    assert (refusal.code, refusal.reason) == (16, "CALLER_REJECTED")
    return None


@pytest.mark.parametrize(
    ("names", "pattern", "name"),
    [
        pytest.param([DNSName("a.ops.example.org")], "*.ops.example.org", "a.ops.example.org", id="dns"),
        pytest.param([DNSName("a.ops.example.org")], "dns:*.ops.example.org", "a.ops.example.org", id="dns:"),
        pytest.param([DNSName("a.ops.example.org")], "uri:*", None, id="dns-is-no-uri"),
        pytest.param([DNSName("a.ops.example.org")], "cn:*", None, id="dns-is-no-cn"),
        pytest.param([DNSName("other"), DNSName("ci")], "ci", "ci", id="second-dns"),
        pytest.param([BUILD], "spiffe://example.org/ns/build/*", BUILD.value, id="uri"),
        pytest.param([BUILD], "uri:spiffe://example.org/ns/build/*", BUILD.value, id="uri:"),
        pytest.param([BUILD], "dns:*", None, id="uri-is-no-dns"),
        pytest.param([RFC822Name("eve@x.ops.example.org")], "*.ops.example.org", None, id="email-is-no-dns"),
        pytest.param([RFC822Name("eve@x.ops.example.org")], "*", None, id="email-is-asked-for"),
        pytest.param([RFC822Name("a@example.org")], "email:*@example.org", "a@example.org", id="email:"),
        pytest.param([ADDRESS], "10.0.0.1", None, id="address-is-asked-for"),
        pytest.param([ADDRESS], "ip:10.0.0.*", "10.0.0.1", id="ip:"),
        pytest.param([DNSName("10.0.0.1")], "*", None, id="dns-that-spells-an-address"),
        pytest.param([DNSName("spiffe://example.org/ns/build/dns")], "*", None, id="dns-that-spells-a-uri"),
        pytest.param([DNSName("*.ops.example.org")], "*", None, id="dns-of-many-hosts"),
        pytest.param([DNSName("eve@example.org")], "*", None, id="dns-that-spells-an-email"),
        pytest.param([DNSName("")], "*", None, id="empty-dns"),
        pytest.param([DNSName("a" * 2048)], "*", "a" * 2048, id="long"),
        pytest.param([DNSName("a" * 2049)], "*", None, id="too-long"),
        pytest.param([UniformResourceIdentifier("ci")], "*", None, id="uri-that-is-a-name"),
        pytest.param([UniformResourceIdentifier("spiffe://example.org/ns/build/../prod")], "*", None, id="steps-back"),
        pytest.param([UniformResourceIdentifier("spiffe://example.org/ns/build/..")], "*", None, id="steps-back-last"),
        pytest.param([UniformResourceIdentifier("spiffe://example.org/a/%2E%2e/b")], "*", None, id="steps-encoded"),
        pytest.param([UniformResourceIdentifier("spiffe://example.org/a/./b")], "*", None, id="stays"),
        pytest.param([UniformResourceIdentifier("spiffe://example.org/a%2f..")], "*", None, id="slash-encoded"),
        pytest.param([UniformResourceIdentifier("x://y/a..b")], "uri:*", "x://y/a..b", id="dots"),
        pytest.param([UniformResourceIdentifier("urn:uuid:1")], "urn:*", "urn:uuid:1", id="urn"),
    ],
)  # fmt: skip
def test_alternative_names(names: list[x509.GeneralName], pattern: str, name: str | None) -> None:
    """A name counts as what it is: nothing that looks like another type, and only types that the pattern asks for."""
    assert let_in(certificate(alternatives=names), pattern) == name


@pytest.mark.parametrize(
    ("common", "names", "pattern", "name"),
    [
        pytest.param(["ci"], None, "ci", "ci", id="bare"),
        pytest.param(["ci"], None, "cn:ci", "ci", id="cn:"),
        pytest.param(["ci"], None, "dns:ci", None, id="cn-is-no-dns"),
        pytest.param(["Build: server 1"], None, "Build: *", "Build: server 1", id="colon"),
        pytest.param(["CI"], None, "ci", None, id="case"),
        pytest.param(["ci"], [DNSName("innocent")], "ci", None, id="beside-a-dns-name"),
        pytest.param(["ci"], [DNSName("innocent")], "cn:ci", None, id="cn:-beside-a-dns-name"),
        pytest.param(["ci"], [RFC822Name("a@example.org")], "ci", None, id="beside-an-email"),
        pytest.param(["ci"], [DIRECTORY], "*", None, id="beside-a-name-of-no-type"),
        pytest.param(["ci"], [DNSName("spiffe://x")], "*", None, id="beside-a-name-that-does-not-count"),
        pytest.param([BUILD.value], None, "*", None, id="spells-a-uri"),
        pytest.param([BUILD.value], None, "cn:*", None, id="cn:-spells-a-uri"),
        pytest.param(["ci", "evil"], None, "*", None, id="two"),
        pytest.param([], None, "*", None, id="none"),
    ],
)
def test_common_names(common: list[str], names: list[x509.GeneralName] | None, pattern: str, name: str | None) -> None:
    """A common name counts where it is the only name, and spells no URI."""
    assert let_in(certificate(*common, alternatives=names), pattern) == name


@pytest.mark.parametrize(
    ("place", "character"),
    [
        *itertools.product(["common name", "common name beside"], ["\0", "\n", "\x1b", "\u202e", "\u0085"]),
        *itertools.product(["dns", "uri", "email"], ["\0", "\n", "\x1b"]),  # These are ASCII.
    ],
    ids=ascii,
)
def test_characters(place: str, character: str) -> None:
    """A certificate with a name that cannot be printed lets nobody in, by whatever name of it."""
    odd, good = f"ci{character}.evil.example", DNSName("ci")
    names: dict[str, Callable[[], list[x509.GeneralName] | None]] = {
        "common name": lambda: None,
        "common name beside": lambda: [good],
        "dns": lambda: [good, DNSName(odd)],
        "uri": lambda: [good, UniformResourceIdentifier(f"x:{odd}")],
        # Newer releases of Python no longer let such an address be made, so it comes past the check.
        "email": lambda: [good, RFC822Name._init_without_validation(f"a@{odd}")],
    }
    pem = certificate(odd if place.startswith("common name") else "ci", alternatives=names[place]())
    assert let_in(pem, "ci", "*", "cn:*", "dns:*", "uri:*", "email:*") is None


@pytest.mark.parametrize("pem", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(pem: bytes) -> None:
    """What cannot be read lets nobody in."""
    with pytest.raises(CertificateError, match="cannot be read"):
        names_in(pem)
    assert let_in(pem, "*") is None


@pytest.mark.parametrize("pattern", ["dns:", "cn:"])
def test_patterns_without_a_name(pattern: str) -> None:
    """A type alone is no pattern."""
    with pytest.raises(ValueError, match="has no name after the colon"):
        AllowedCertificates([pattern])


def test_a_certificate_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call brings the certificate of its connection: it is read once, and a bounded number is remembered."""
    read: list[bytes] = []

    def counting(pem: bytes) -> list[object]:
        read.append(pem)
        raise CertificateError("odd")

    monkeypatch.setattr("gateway.access.certificates.names_in", counting)
    allowed = AllowedCertificates(["*"])
    for number in range(257):
        for _ in range(2):
            with pytest.raises(GatewayError):
                allowed.name(b"%d" % number)
    assert len(read) == 257
    assert allowed._found.cache_info().currsize == 256


def test_refusals_hold_nothing() -> None:
    """That a certificate was refused is remembered, the call of it is not."""

    class Call:
        """Something that a call holds."""

    def refused(call: Call) -> None:
        with pytest.raises(GatewayError):
            allowed.name(b"x")

    allowed = AllowedCertificates(["*"])
    call = Call()
    alive = weakref.ref(call)
    refused(call)
    del call
    gc.collect()
    assert alive() is None
