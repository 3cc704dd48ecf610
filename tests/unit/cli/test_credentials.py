"""Files that hold one secret: what is taken from them, and what is refused without being repeated."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from gateway.calls.credential import Basic
from gateway.cli.credentials import read_credential, read_token

LIMIT = 64 * 1024


@pytest.mark.parametrize(
    ("content", "token"),
    [
        pytest.param(b"abc\n", "abc", id="line-end"),
        pytest.param(b" abc \r\n", "abc", id="blanks-around-it"),
        pytest.param(b"a" * (LIMIT - 1), "a" * (LIMIT - 1), id="below"),
        pytest.param(b"a" * LIMIT, "a" * LIMIT, id="at"),
        pytest.param(b"a" * (LIMIT + 1), None, id="above"),
        pytest.param(b"hunter\x002", None, id="control-character"),
        pytest.param("hüntér2".encode(), None, id="other-letters"),
        pytest.param(b"hunter\xff2", None, id="no-text"),
        pytest.param(b"\n", None, id="empty"),
    ],
)
def test_tokens(tmp_path: Path, content: bytes, token: str | None) -> None:
    """A token is printable ASCII of at most 64 KiB, without the blanks around it."""
    path = tmp_path / "token"
    path.write_bytes(content)
    if token is None:
        with pytest.raises(click.UsageError) as caught:
            read_token(path)
        assert caught.value.message == f"{path} does not hold a token"
    else:
        assert read_token(path).token == token
        assert token not in repr(read_token(path))


@pytest.mark.parametrize(("content", "password"), [(b" hunter2 \r\n", " hunter2 "), ("pä ß".encode(), "pä ß")])
def test_passwords(tmp_path: Path, content: bytes, password: str) -> None:
    """A password may have any letters, and blanks around it are its own; the line end is not."""
    path = tmp_path / "password"
    path.write_bytes(content)
    assert read_credential("root", path, None) == Basic("root", password)


def test_endless_files() -> None:
    """A device that has no end is no password."""
    with pytest.raises(click.UsageError, match="/dev/zero does not hold a password"):
        read_credential("root", Path("/dev/zero"), None)
