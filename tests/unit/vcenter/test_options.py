"""How long a call may take, and what vCenter's URL may look like."""

from __future__ import annotations

import pytest

from gateway.vcenter import VCenterOptions

OPTIONS = VCenterOptions("https://vcenter", read_timeout=30, change_timeout=90, max_timeout=120)


@pytest.mark.parametrize(
    ("read_only", "timeout", "seconds"),
    [
        pytest.param(True, None, 30, id="read-without-deadline"),
        pytest.param(False, None, 90, id="change-without-deadline"),
        pytest.param(True, 5, 5, id="shorter-than-the-default"),
        pytest.param(True, 60, 60, id="longer-than-the-default"),
        pytest.param(False, 119, 119, id="below-the-cap"),
        pytest.param(False, 120, 120, id="at-the-cap"),
        pytest.param(False, 121, 120, id="above-the-cap"),
        pytest.param(True, -1, -1, id="already-over"),
    ],
)
def test_seconds(read_only: bool, timeout: float | None, seconds: float) -> None:
    """The caller's own deadline counts, up to the cap; without one, the default of the kind of call."""
    assert OPTIONS.seconds_for(read_only, timeout) == seconds


def test_defaults_within_the_cap() -> None:
    """A default beyond the cap is capped too."""
    options = VCenterOptions("https://vcenter", change_timeout=90, max_timeout=60)
    assert options.seconds_for(False, None) == 60


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("0f" * 32, id="as-openssl-digests"),
        pytest.param("0F" * 32, id="capitals"),
        pytest.param(":".join(["0F"] * 32), id="as-vcenter-shows-it"),
    ],
)
def test_thumbprints(given: str) -> None:
    """A thumbprint counts in every spelling: with it, each connection is compared."""
    assert VCenterOptions("https://vcenter", thumbprint=given).thumbprint == "0f" * 32


@pytest.mark.parametrize("given", ["0f" * 31, "0f" * 33, "0g" * 32, ""])
def test_what_is_no_thumbprint(given: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="SHA-256"):
        VCenterOptions("https://vcenter", thumbprint=given)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        pytest.param("https://vcenter.example.com", "https://vcenter.example.com", id="name"),
        pytest.param("https://vc_1.example.com./", "https://vc_1.example.com.", id="underscore-and-final-dot"),
        pytest.param("http://192.0.2.1:1", "http://192.0.2.1:1", id="lowest-port"),
        pytest.param("https://vcenter:65535", "https://vcenter:65535", id="highest-port"),
        pytest.param("https://vcenter:", "https://vcenter", id="empty-port"),
        pytest.param("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", id="ipv6"),
        pytest.param("https://[fe80::1%eth0]", "https://[fe80::1%eth0]", id="ipv6-with-zone"),
        pytest.param(f"https://{'a' * 63}.example", f"https://{'a' * 63}.example", id="longest-label"),
        pytest.param("https://b\u00fccher.example:8443", "https://xn--bcher-kva.example:8443", id="other-letters"),
    ],
)
def test_urls(given: str, url: str) -> None:
    """A URL is kept as it goes over the wire."""
    assert VCenterOptions(given).url == url


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param("https://vcenter:0", "port", id="port-0"),
        pytest.param("https://vcenter:65536", "port", id="port-too-high"),
        pytest.param("https://vcenter:https", "port", id="port-by-name"),
        pytest.param("https://a b", "neither", id="space"),
        pytest.param("https://%zz", "neither", id="percent"),
        pytest.param("https://-vcenter", "neither", id="dash"),
        pytest.param("https://\u00fc..example", "neither", id="empty-label-beside-other-letters"),
        pytest.param("https://vcenter..example", "neither", id="empty-label"),
        pytest.param(f"https://{'a' * 64}.example", "neither", id="label-too-long"),
        pytest.param("https://vcenter/api", "path", id="path"),
        pytest.param("https://vcenter?a=b", "path", id="query"),
        pytest.param("https://user:secret@vcenter", "user name", id="password"),
        pytest.param("ftp://vcenter", "must look like", id="scheme"),
        pytest.param("vcenter.example.com", "must look like", id="no-scheme"),
        pytest.param("https://", "must look like", id="no-host"),
    ],
)
def test_urls_that_are_none(given: str, problem: str) -> None:
    """What cannot be a vCenter's URL is refused with a sentence, which holds no password."""
    with pytest.raises(ValueError, match=problem) as caught:
        VCenterOptions(given)
    assert "secret" not in str(caught.value)
