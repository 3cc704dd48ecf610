"""Identities carry their kind, and patterns may ask for it."""

from __future__ import annotations

import pytest

from gateway.access.patterns import identity_fits
from gateway.calls.identity import ANONYMOUS, SESSION, CallerIdentity, Kind


@pytest.mark.parametrize("kind", list(Kind))
def test_bare_patterns(kind: Kind) -> None:
    """A pattern without a kind fits a name however it was proved."""
    identity = str(CallerIdentity(kind, "ci"))
    assert identity_fits(identity, ["other", "ci"])
    assert identity_fits(identity, ["*"])
    assert identity_fits(identity, ["c?"])
    assert not identity_fits(identity, ["cia"])
    assert not identity_fits(identity, [])


@pytest.mark.parametrize("wanted", list(Kind))
@pytest.mark.parametrize("kind", list(Kind))
def test_patterns_of_a_kind(kind: Kind, wanted: Kind) -> None:
    """A pattern with a kind fits names of that kind alone."""
    identity = str(CallerIdentity(kind, "ci"))
    assert identity_fits(identity, [f"{wanted}:c*"]) is (kind is wanted)
    assert not identity_fits(identity, [f"{wanted}:x*"])


@pytest.mark.parametrize("spoofed", list(Kind))
@pytest.mark.parametrize("kind", list(Kind))
def test_a_name_that_spells_another_kind(kind: Kind, spoofed: Kind) -> None:
    """A name that begins like another kind is a name of its own kind."""
    identity = str(CallerIdentity(kind, f"{spoofed}:admin"))
    assert identity == f"{kind}:{spoofed}:admin"
    if kind is not spoofed:
        assert not identity_fits(identity, [f"{spoofed}:*"])
    assert not identity_fits(identity, [f"{spoofed}:admin", "admin"])
    assert identity_fits(identity, [f"{kind}:{spoofed}:admin"])


@pytest.mark.parametrize(
    ("identity", "pattern", "fits"),
    [
        pytest.param("cert:spiffe://example.org/a", "spiffe://example.org/*", True, id="uri-by-a-bare-pattern"),
        pytest.param("cert:spiffe://example.org/a", "cert:spiffe://example.org/*", True, id="uri-by-its-kind"),
        pytest.param("jwt:spiffe://example.org/a", "cert:spiffe://example.org/*", False, id="uri-of-another-kind"),
        pytest.param("vcenter:a@vsphere.local", "*@vsphere.local", True, id="user"),
        pytest.param("token:ci", "CERT:ci", False, id="kinds-are-lower-case"),
        pytest.param("token:ci", "token*", False, id="no-pattern-for-kinds"),
        pytest.param("token:ci", "*:ci", False, id="no-pattern-for-kinds-with-a-colon"),
        pytest.param("token:token:", "token:", True, id="a-kind-alone-is-a-name"),
        pytest.param("token:ci", "token:", False, id="a-kind-alone-fits-nobody-else"),
        pytest.param(str(ANONYMOUS), "anonymous", True, id="anonymous"),
        pytest.param(str(ANONYMOUS), "gateway:anonymous", True, id="anonymous-by-kind"),
        pytest.param("token:anonymous", "gateway:anonymous", False, id="a-token-named-anonymous"),
        pytest.param(str(SESSION), "vcenter-session", True, id="session"),
    ],
)
def test_patterns(identity: str, pattern: str, fits: bool) -> None:
    """What begins with no kind is a pattern of names."""
    assert identity_fits(identity, [pattern]) is fits
