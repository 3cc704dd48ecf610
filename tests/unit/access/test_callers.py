"""How callers prove who they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.access import Callers
from gateway.access.certificates import AllowedCertificates
from gateway.access.tokens import StaticTokens, parse_tokens
from tests.unit.access.proofs import bearer, refusal, who

TOKEN = "3f1c9e0d7b5a48e6a2d4c6b8f0e1d2c3"


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens: [{{identity: ci, sha256: '{hashlib.sha256(TOKEN.encode()).hexdigest()}'}}]")
    return path


@pytest.fixture
def callers(tokens_file: Path) -> Callers:
    """Accepts the tokens of the file."""
    return Callers(tokens=StaticTokens(str(tokens_file)))


def test_static_token(callers: Callers) -> None:
    """A token is known by its hash, whatever the case of the scheme."""
    assert who(callers, bearer(TOKEN)) == "token:ci"
    assert who(callers, [("authorization", f"bearer {TOKEN}")]) == "token:ci"


def test_unknown_token(callers: Callers) -> None:
    """A token that is not in the file is refused, and not repeated in the error."""
    error = refusal(callers, bearer(TOKEN + "0"))
    assert (error.reason, TOKEN in error.message) == ("CALLER_REJECTED", False)


def test_several_tokens(callers: Callers) -> None:
    """A call with two tokens is refused, although one of them is good: nobody can know which one counts."""
    assert "more than one" in refusal(callers, bearer(TOKEN) + bearer("other")).message


def test_the_last_token_is_revoked(tokens_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that lists no token any more revokes the last one, and says so."""
    tokens = StaticTokens(str(tokens_file))
    assert tokens.identity(TOKEN) == "ci"
    tokens_file.write_text("tokens: []")
    tokens._file.look()
    assert tokens.identity(TOKEN) is None
    assert "the gateway rejects every token" in caplog.text


def test_a_token_beyond_ascii(callers: Callers) -> None:
    """A token of other characters than a header has is refused."""
    assert "ASCII" in refusal(callers, bearer("\u00e9\ud800")).message


@pytest.mark.parametrize(("length", "reason"), [(16384, "unknown"), (16385, "1 to 16384"), (0, "1 to 16384")])
def test_length_of_tokens(callers: Callers, length: int, reason: str) -> None:
    """A token that is empty or longer than 16 KiB is not even looked at."""
    assert reason in refusal(callers, bearer("x" * length)).message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"tokens: [", "expected YAML", id="not-yaml"),
        pytest.param(b"tokens: []\ntokens: []", "expected YAML", id="twice"),
        pytest.param(b"", "expected YAML", id="empty"),
        pytest.param(b"tokens:", "expected YAML", id="no-list"),
        pytest.param(b"other: 1", "expected YAML", id="other-key"),
        pytest.param(b"tokens: [{identity: a}]", "token 1 must have exactly", id="no-hash"),
        pytest.param(b"tokens: [{identity: a, sha256: abc}]", "the sha256 of token 1", id="short-hash"),
        pytest.param(b"tokens: [{identity: 1, sha256: abc}]", "the identity of token 1", id="number"),
        pytest.param(b'tokens: [{identity: "a\\nb", sha256: abc}]', "the identity of token 1", id="line-break"),
        pytest.param(
            b"tokens: [{identity: a, sha256: '%s'}, {identity: b, sha256: '%s'}]" % (b"a" * 64, b"A" * 64),
            "token 2 occurs twice",
            id="twice",
        ),
    ],
)
def test_wrong_token_files(content: bytes, problem: str) -> None:
    """A file that cannot be used is refused with a sentence."""
    with pytest.raises(ValueError, match=problem):
        parse_tokens(content)


def test_certificates_where_none_is_let_in(callers: Callers) -> None:
    """A certificate is no proof where the gateway has no list of them."""
    assert refusal(callers, [], {"x509_pem_cert": [b"any"]}).reason == "CALLER_REJECTED"


def test_names_that_grpc_reads() -> None:
    """What gRPC says of a certificate's names does not count: it ends each at a NUL."""
    callers = Callers(certificates=AllowedCertificates(["ci"]))
    names = {"x509_common_name": [b"ci"], "x509_subject_alternative_name": [b"ci"]}
    assert refusal(callers, [], names).reason == "CREDENTIALS_MISSING"


def test_nothing_shown(tokens_file: Path) -> None:
    """A caller who shows nothing is told what would do."""
    error = refusal(Callers(certificates=AllowedCertificates(["a"]), tokens=StaticTokens(str(tokens_file))))
    assert error.reason == "CREDENTIALS_MISSING"
    assert "client certificate or send authorization: Bearer" in error.message
