"""How callers prove who they are."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.access import Callers
from gateway.access.jwt import JwtVerifier, parse_jwks
from gateway.access.tokens import StaticTokens, parse_tokens
from gateway.errors import Failure, GatewayError

TOKEN = "3f1c9e0d7b5a48e6a2d4c6b8f0e1d2c3"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = {"iss": "https://issuer.example", "aud": "gateway", "sub": "build", "exp": 4_000_000_000}


def bearer(token: str) -> list[tuple[str, str | bytes]]:
    return [("authorization", f"Bearer {token}")]


def refusal(callers: Callers, metadata: Any = (), connection: Any = None) -> Failure:
    with pytest.raises(GatewayError) as caught:
        callers.identify(metadata, connection or {})
    assert caught.value.failure.code == 16
    return caught.value.failure


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens: [{{identity: ci, sha256: '{hashlib.sha256(TOKEN.encode()).hexdigest()}'}}]")
    return path


@pytest.fixture
def jwks_file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**public(RSA_KEY), "kid": "r"}, {**public(EC_KEY), "kid": "e"}]}))
    return path


@pytest.fixture
def with_jwt(jwks_file: Path) -> Callers:
    verifier = JwtVerifier(
        str(jwks_file), issuer="https://issuer.example", audience="gateway", algorithms=["RS256", "ES256"]
    )
    return Callers(jwt=verifier)


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The public half as an entry of a JWKS, with nothing that need not be there."""
    if isinstance(key, rsa.RSAPrivateKey):
        entry = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        entry = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in entry.items() if name not in ("key_ops", "alg")}


def signed(claims: dict[str, Any], *, key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "r") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def test_static_token(tokens_file: Path) -> None:
    """A token is known by its hash, whatever the case of the scheme."""
    callers = Callers(tokens=StaticTokens(str(tokens_file)))
    assert callers.identify(bearer(TOKEN), {}) == "ci"
    assert callers.identify([("authorization", f"bearer {TOKEN}")], {}) == "ci"


def test_unknown_token(tokens_file: Path) -> None:
    """A token that is not in the file is refused, and not repeated in the error."""
    error = refusal(Callers(tokens=StaticTokens(str(tokens_file))), bearer(TOKEN + "0"))
    assert (error.reason, TOKEN in error.message) == ("CALLER_REJECTED", False)


def test_several_tokens(tokens_file: Path) -> None:
    """A call with two tokens is refused, although one of them is good: nobody can know which one counts."""
    callers = Callers(tokens=StaticTokens(str(tokens_file)))
    assert "more than one" in refusal(callers, bearer(TOKEN) + bearer("other")).message


@pytest.mark.parametrize(("length", "reason"), [(16384, "not known"), (16385, "1 to 16384"), (0, "1 to 16384")])
def test_length_of_tokens(tokens_file: Path, length: int, reason: str) -> None:
    """A token that is empty or longer than 16 KiB is not even looked at."""
    assert reason in refusal(Callers(tokens=StaticTokens(str(tokens_file))), bearer("x" * length)).message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"tokens: [", "it takes YAML", id="not-yaml"),
        pytest.param(b"tokens: []\ntokens: []", "it takes YAML", id="twice"),
        pytest.param(b"tokens: []", "it takes YAML", id="no-tokens"),
        pytest.param(b"other: 1", "it takes YAML", id="other-key"),
        pytest.param(b"tokens: [{identity: a}]", "token 1 takes exactly", id="no-hash"),
        pytest.param(b"tokens: [{identity: a, sha256: abc}]", "the sha256 of token 1", id="short-hash"),
        pytest.param(b"tokens: [{identity: 1, sha256: abc}]", "the identity of token 1", id="number"),
        pytest.param(
            b"tokens: [{identity: a, sha256: '%s'}, {identity: b, sha256: '%s'}]" % (b"a" * 64, b"A" * 64),
            "token 2 is there twice",
            id="twice",
        ),
    ],
)
def test_wrong_token_files(content: bytes, problem: str) -> None:
    """A file that cannot be used is refused with a sentence."""
    with pytest.raises(ValueError, match=problem):
        parse_tokens(content)


@pytest.mark.parametrize(
    ("connection", "identity"),
    [
        pytest.param(
            {"x509_subject_alternative_name": [b"spiffe://example.org/a"]}, "spiffe://example.org/a", id="uri"
        ),
        pytest.param({"x509_subject_alternative_name": [b"x", b"build.example.org"]}, "build.example.org", id="dns"),
        pytest.param({"x509_common_name": [b"operator"]}, "operator", id="common-name"),
    ],
)
def test_certificate(connection: dict[str, list[bytes]], identity: str) -> None:
    """A name of the certificate that is on the list is the identity."""
    callers = Callers(certificates=["spiffe://example.org/*", "*.example.org", "operator"])
    assert callers.identify([], connection) == identity


def test_unlisted_certificate() -> None:
    """A certificate with other names is refused, however it was signed."""
    error = refusal(Callers(certificates=["a"]), [], {"x509_common_name": [b"b"]})
    assert error.reason == "CALLER_REJECTED"


def test_nothing_shown(tokens_file: Path) -> None:
    """A caller who shows nothing is told what would do."""
    error = refusal(Callers(certificates=["a"], tokens=StaticTokens(str(tokens_file))))
    assert error.reason == "CREDENTIALS_MISSING"
    assert "client certificate or send authorization: Bearer" in error.message


@pytest.mark.parametrize(
    "token",
    [signed(GOOD), signed(GOOD, key=EC_KEY, algorithm="ES256", kid="e"), signed({**GOOD, "aud": ["x", "gateway"]})],
    ids=["rsa", "ec", "several-audiences"],
)
def test_jwt(with_jwt: Callers, token: str) -> None:
    """A JWT with the right signature, issuer, audience and time is its subject."""
    assert with_jwt.identify(bearer(token), {}) == "build"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_keys_that_state_no_algorithm(tmp_path: Path, algorithm: str) -> None:
    """A key of RSA whose entry leaves out `alg`, as it may, is good for each algorithm of RSA that the gateway allows;
    one that states it is good for that one alone."""
    path = tmp_path / "jwks.json"
    for stated, accepted in ((None, True), (algorithm, True), ("RS384" if algorithm == "RS256" else "RS256", False)):
        path.write_text(json.dumps({"keys": [{**public(RSA_KEY), "kid": "r", **({"alg": stated} if stated else {})}]}))
        callers = Callers(jwt=JwtVerifier(str(path), issuer=GOOD["iss"], audience="gateway", algorithms=[algorithm]))
        if accepted:
            assert callers.identify(bearer(signed(GOOD, algorithm=algorithm)), {}) == "build"
        else:
            assert "algorithm is not allowed" in refusal(callers, bearer(signed(GOOD, algorithm=algorithm))).message


def test_keys_without_ids(tmp_path: Path) -> None:
    """Keys that are told apart by their algorithms need no ids."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(RSA_KEY), public(EC_KEY)]}))
    verifier = JwtVerifier(str(path), issuer=GOOD["iss"], audience="gateway", algorithms=["RS256", "ES256"])
    for key, algorithm in ((RSA_KEY, "RS256"), (EC_KEY, "ES256")):
        assert verifier.identity(signed(GOOD, key=key, algorithm=algorithm, kid=None)) == "build"


def test_keys_for_other_purposes() -> None:
    """Of a JWKS, the keys for signatures are taken; others, and what is none that could be used, are passed over."""
    entries = [
        {**public(RSA_KEY), "kid": "encryption", "use": "enc"},
        {**public(RSA_KEY), "kid": "shared", "alg": "HS256"},
        {**public(RSA_KEY), "kid": "none", "alg": "none"},
        {**public(RSA_KEY), "kid": "list", "alg": ["RS256"]},
        {**public(RSA_KEY), "kid": ["list"]},
        {"kty": "XYZ", "kid": "unknown"},
        {"kty": "RSA", "kid": "broken", "n": 1, "e": "AQAB"},
        "text",
        {**public(EC_KEY), "kid": "e", "use": "sig"},
    ]
    keys = parse_jwks(json.dumps({"keys": entries}).encode())
    assert {key_id: set(algorithms) for key_id, algorithms in keys.items()} == {"e": {"ES256"}}


def unsigned() -> str:
    return jwt.encode(GOOD, None, algorithm="none", headers={"kid": "r"})


def confused() -> str:
    """Signed with the public key as if it were a shared secret."""
    return jwt.encode(GOOD, "x" * 64, algorithm="HS256", headers={"kid": "r"})


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        pytest.param(signed({**GOOD, "exp": 1}), "has expired", id="expired"),
        pytest.param(signed({**GOOD, "nbf": int(time.time()) + 86400}), "not valid yet", id="not-yet"),
        pytest.param(signed({**GOOD, "iat": int(time.time()) + 86400}), "not valid yet", id="issued-later"),
        pytest.param(signed({**GOOD, "sub": "\ud800"}), "not a text", id="half-a-character"),
        pytest.param(signed({**GOOD, "sub": "ci\nroot"}), "not a text", id="line-break"),
        pytest.param(signed({**GOOD, "aud": "other"}), "for another audience", id="audience"),
        pytest.param(signed({**GOOD, "iss": "other"}), "of another issuer", id="issuer"),
        pytest.param(signed({k: v for k, v in GOOD.items() if k != "exp"}), "no claim 'exp'", id="no-expiry"),
        pytest.param(signed({k: v for k, v in GOOD.items() if k != "sub"}), "no claim 'sub'", id="no-subject"),
        pytest.param(signed(GOOD, algorithm="RS512"), "algorithm is not allowed", id="algorithm"),
        pytest.param(signed(GOOD, kid="x"), "not in the JWKS", id="unknown-key"),
        pytest.param(signed(GOOD, kid=None), "not in the JWKS", id="no-key-id"),
        pytest.param(signed(GOOD, key=rsa.generate_private_key(65537, 2048)), "signature is wrong", id="forged"),
        pytest.param(unsigned(), "algorithm is not allowed", id="none"),
        pytest.param(confused(), "algorithm is not allowed", id="hmac"),
        pytest.param("a.b.c", "neither a known one", id="garbage"),
    ],
)
def test_refused_jwts(with_jwt: Callers, token: str, problem: str) -> None:
    """A JWT that lacks anything is refused with the reason, and not repeated."""
    error = refusal(with_jwt, bearer(token))
    assert problem in error.message
    assert token not in error.message


def test_clock_skew(with_jwt: Callers) -> None:
    """A token that ran out less than half a minute ago is still taken."""
    assert with_jwt.identify(bearer(signed({**GOOD, "exp": int(time.time()) - 20})), {}) == "build"
    assert "expired" in refusal(with_jwt, bearer(signed({**GOOD, "exp": int(time.time()) - 40}))).message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [{"kty": "oct", "k": "eA"}]}',
        b"[]",
        b"[" * 100_000,
        json.dumps({"keys": [public(RSA_KEY), public(RSA_KEY)]}).encode(),
    ],
)
def test_wrong_jwks(content: bytes) -> None:
    """A file without public keys is refused, and one with keys that cannot be told apart."""
    with pytest.raises(ValueError, match="JWKS"):
        parse_jwks(content)
