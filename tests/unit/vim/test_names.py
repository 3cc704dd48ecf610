"""Names of objects, which vCenter escapes in part."""

from __future__ import annotations

import pytest

from gateway.vim.values import escaped_name, unescaped_name


@pytest.mark.parametrize(
    ("name", "escaped"),
    [("web-01", "web-01"), ("a/b", "a%2fb"), ("a\\b", "a%5Cb"), ("100%", "100%25"), ("%2f", "%252f"), ("50%x", "50%x")],
)
def test_names_that_vcenter_sends(name: str, escaped: str) -> None:
    """Three characters are escaped, in either case; nothing else is taken for an escape."""
    assert unescaped_name(escaped) == name


@pytest.mark.parametrize("name", ["web-01", "a/b\\c", "100%", "%2f", "%252f", "%%25", "% 2f"])
def test_names_come_back(name: str) -> None:
    """A name that is written and read again is the same, whatever it has in it."""
    assert unescaped_name(escaped_name(name)) == name
