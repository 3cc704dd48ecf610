"""JWTs as bearer tokens: which are accepted, and what becomes of odd ones and of odd keys."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.access import Callers
from gateway.access.jwks import parse_jwks
from gateway.access.jwt import FileKeys, Issuer, JwtVerifier
from gateway.errors import GatewayError
from tests.unit.access.proofs import bearer, refusal, who

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
GOOD = {"iss": "https://issuer.example", "aud": "gateway", "sub": "build", "exp": 4_000_000_000}


@pytest.fixture
def jwks_file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**public(RSA_KEY), "kid": "r"}, {**public(EC_KEY), "kid": "e"}]}))
    return path


@pytest.fixture
def with_jwt(jwks_file: Path) -> Callers:
    return Callers(jwt=by_file(jwks_file))


def by_file(path: Path, algorithms: Sequence[str] = ("RS256", "ES256")) -> JwtVerifier:
    """Accepts the tokens of one issuer, by the keys in a file."""
    return JwtVerifier([Issuer(FileKeys("https://issuer.example", str(path)), ["gateway"], algorithms, "sub")])


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The public half as an entry of a JWKS, with nothing that need not be there."""
    if isinstance(key, rsa.RSAPrivateKey):
        entry = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        entry = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in entry.items() if name not in ("key_ops", "alg")}


def signed(claims: dict[str, Any], *, key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "r") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize(
    "token",
    [signed(GOOD), signed(GOOD, key=EC_KEY, algorithm="ES256", kid="e"), signed({**GOOD, "aud": ["x", "gateway"]})],
    ids=["rsa", "ec", "several-audiences"],
)
def test_jwt(with_jwt: Callers, token: str) -> None:
    """A JWT with the right signature, issuer, audience and time is its subject."""
    assert who(with_jwt, bearer(token)) == "jwt:build"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_keys_that_state_no_algorithm(tmp_path: Path, algorithm: str) -> None:
    """A key of RSA whose entry leaves out `alg`, as it may, is good for each algorithm of RSA that the gateway allows;
    one that states it is good for that one alone."""
    path = tmp_path / "jwks.json"
    for stated, accepted in ((None, True), (algorithm, True), ("RS384" if algorithm == "RS256" else "RS256", False)):
        path.write_text(json.dumps({"keys": [{**public(RSA_KEY), "kid": "r", **({"alg": stated} if stated else {})}]}))
        callers = Callers(jwt=by_file(path, [algorithm]))
        if accepted:
            assert who(callers, bearer(signed(GOOD, algorithm=algorithm))) == "jwt:build"
        else:
            assert "algorithm is not allowed" in refusal(callers, bearer(signed(GOOD, algorithm=algorithm))).message


def test_keys_without_ids(tmp_path: Path) -> None:
    """Keys that are told apart by their algorithms need no ids."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(RSA_KEY), public(EC_KEY)]}))
    verifier = by_file(path)
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
        pytest.param(signed({**GOOD, "sub": "\ud800"}), "not printable text", id="half-a-character"),
        pytest.param(signed({**GOOD, "sub": "ci\nroot"}), "not printable text", id="line-break"),
        pytest.param(signed({**GOOD, "aud": "other"}), "for another audience", id="audience"),
        pytest.param(signed({**GOOD, "iss": "other"}), "of another issuer", id="issuer"),
        pytest.param(signed({k: v for k, v in GOOD.items() if k != "exp"}), "no claim 'exp'", id="no-expiry"),
        pytest.param(signed({k: v for k, v in GOOD.items() if k != "sub"}), "no claim 'sub'", id="no-subject"),
        pytest.param(signed(GOOD, algorithm="RS512"), "algorithm is not allowed", id="algorithm"),
        pytest.param(signed(GOOD, kid="x"), "not in the JWKS", id="unknown-key"),
        pytest.param(signed(GOOD, kid=None), "not in the JWKS", id="no-key-id"),
        pytest.param(signed(GOOD, key=rsa.generate_private_key(65537, 2048)), "signature is invalid", id="forged"),
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
    assert who(with_jwt, bearer(signed({**GOOD, "exp": int(time.time()) - 20}))) == "jwt:build"
    assert "expired" in refusal(with_jwt, bearer(signed({**GOOD, "exp": int(time.time()) - 40}))).message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b"[]",
        b"<html>",
        b"[" * 100_000,
        json.dumps({"keys": [public(RSA_KEY), public(RSA_KEY)]}).encode(),
    ],
)
def test_wrong_jwks(content: bytes) -> None:
    """What is no JWKS is refused, and one with keys that cannot be told apart."""
    with pytest.raises(ValueError, match="JWKS"):
        parse_jwks(content)


@pytest.mark.parametrize(
    "keys",
    [[], [{**public(RSA_KEY), "kid": "r", "use": "enc"}], [{**public(RSA_KEY), "kid": "r", "key_ops": ["encrypt"]}]],
    ids=["no-key", "only-for-encryption", "only-for-other-operations"],
)
def test_the_issuer_withdraws_its_keys(
    jwks_file: Path, with_jwt: Callers, caplog: pytest.LogCaptureFixture, keys: list[Any]
) -> None:
    """A JWKS without keys for signatures withdraws those that were there, and says so."""
    assert who(with_jwt, bearer(signed(GOOD))) == "jwt:build"
    jwks_file.write_text(json.dumps({"keys": keys}))
    assert with_jwt.jwt is not None
    with_jwt.jwt.issuers[0].source._file.look()  # type: ignore[attr-defined]
    assert "not in the JWKS" in refusal(with_jwt, bearer(signed(GOOD))).message
    assert "the gateway rejects every JWT" in caplog.text


@pytest.mark.parametrize(
    ("key", "jwk", "algorithm"),
    [
        pytest.param(RSA_KEY, RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True), "RS256", id="rsa"),
        pytest.param(EC_KEY, ECAlgorithm.to_jwk(EC_KEY, as_dict=True), "ES256", id="ec"),
        pytest.param(ED_KEY, OKPAlgorithm.to_jwk(ED_KEY, as_dict=True), "EdDSA", id="ed25519"),
    ],
)
def test_private_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: Any, jwk: dict[str, Any], algorithm: str
) -> None:
    """Of a private key the public half is used, and the mistake is reported without the key."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**jwk, "kid": "p"}]}))
    verifier = by_file(path, [algorithm])
    assert verifier.identity(signed(GOOD, key=key, algorithm=algorithm, kid="p")) == "build"
    assert "key 1 of the JWKS is a private key" in caplog.text
    assert jwk["d"] not in caplog.text
    assert jwk["d"] not in repr(
        [[vars(known) for known in of_id.values()] for of_id in verifier.issuers[0].source.keys.values()]
    )


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="short-point"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}, id="not-on-the-curve"),
        pytest.param({"kty": "EC", "crv": "P-256K", "x": "A" * 43, "y": "A" * 43}, id="unknown-curve"),
        pytest.param({"kty": "EC", "crv": ["P-256"], "x": "A" * 43, "y": "A" * 43}, id="curve-list"),
        pytest.param({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, id="curve-for-agreement"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, id="short-ed25519"),
        pytest.param({"kty": "RSA", "n": "AA", "e": "AQAB"}, id="n-is-0"),
        pytest.param({**public(RSA_KEY), "e": "AQ"}, id="e-is-1"),
        pytest.param({**public(RSA_KEY), "e": "Ag"}, id="e-is-2"),
        pytest.param(public(rsa.generate_private_key(65537, 2040)), id="2040-bit"),  # noqa: S505 - the point
        pytest.param({"kty": "RSA", "n": "!!!", "e": "AQAB"}, id="not-base64"),
        pytest.param({"kty": "RSA", "d": "AQAB", "n": 5, "e": "AQAB"}, id="broken-private-key"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="shared-secret"),
        pytest.param({"kty": "oct", "k": "AAAA", "alg": "RS256"}, id="shared-secret-as-rsa"),
        pytest.param({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}, id="newer-kind"),
        pytest.param({"kty": "\ud800"}, id="half-a-character"),
        pytest.param({"kty": ["RSA"]}, id="kind-list"),
        pytest.param({**public(RSA_KEY), "alg": "RS\x00256"}, id="algorithm-with-nul"),
        pytest.param({**public(RSA_KEY), "key_ops": 1}, id="operations-number"),
        pytest.param(None, id="null"),
    ],
)
def test_keys_that_cannot_be_used(tmp_path: Path, entry: Any) -> None:
    """A key that cannot be used takes no other one with it, and a token of it is refused as any other."""
    path = tmp_path / "jwks.json"
    odd = {**entry, "kid": "odd"} if entry else entry
    path.write_text(json.dumps({"keys": [odd, {**public(RSA_KEY), "kid": "r"}]}))
    algorithms = ["RS256", "ES256", "EdDSA"]
    callers = Callers(jwt=by_file(path, algorithms))
    assert who(callers, bearer(signed(GOOD))) == "jwt:build"
    assert "not in the JWKS" in refusal(callers, bearer(signed(GOOD, kid="odd"))).message


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_raw(payload: bytes, header: Any) -> str:
    """Signed with the right key, whatever the payload and the header are."""
    start = f"{part(header)}.{part(payload)}"
    return f"{start}.{part(RSA_KEY.sign(start.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


HEADER = {"alg": "RS256", "kid": "r", "typ": "JWT"}


@pytest.mark.parametrize(
    ("payload", "header"),
    [
        pytest.param(b"[" * 5000, HEADER, id="deep"),
        pytest.param(b'{"exp": ' + b"9" * 5000 + b"}", HEADER, id="huge-number"),
        pytest.param(json.dumps({**GOOD, "exp": 1}).replace(": 1}", ": 1e999}").encode(), HEADER, id="no-time"),
        pytest.param(json.dumps({**GOOD, "exp": None}).encode(), HEADER, id="null"),
        pytest.param(json.dumps({**GOOD, "aud": [[]]}).encode(), HEADER, id="audience-of-lists"),
        pytest.param(json.dumps({**GOOD, "aud": {"gateway": 1}}).encode(), HEADER, id="audience-object"),
        pytest.param(json.dumps({**GOOD, "iss": []}).encode(), HEADER, id="issuer-list"),
        pytest.param(json.dumps({**GOOD, "iss": {}}).encode(), HEADER, id="issuer-object"),
        pytest.param(json.dumps({**GOOD, "sub": {}}).encode(), HEADER, id="subject-object"),
        pytest.param(b"\xff", HEADER, id="not-utf-8"),
        pytest.param(b"NaN", HEADER, id="nan"),
        pytest.param(b"{}", {**HEADER, "alg": ["RS256"]}, id="algorithm-list"),
        pytest.param(b"{}", {**HEADER, "alg": {}}, id="algorithm-object"),
        pytest.param(b"{}", {**HEADER, "kid": []}, id="key-id-list"),
        pytest.param(b"{}", {**HEADER, "kid": "\ud800"}, id="key-id-half-a-character"),
        pytest.param(b"{}", {**HEADER, "crit": ["x"]}, id="critical"),
        pytest.param(b"{}", {**HEADER, "b64": False}, id="detached"),
        pytest.param(b"{}", [], id="header-list"),
        pytest.param(b"{}", b"[" * 5000, id="deep-header"),
        pytest.param(b"{}", b'{"alg": ' + b"9" * 5000 + b"}", id="huge-number-in-the-header"),
    ],
)
def test_odd_jwts(with_jwt: Callers, payload: bytes, header: Any) -> None:
    """A JWT that is right in its signature and odd in all else is refused: it is no fault of the gateway."""
    assert refusal(with_jwt, bearer(signed_raw(payload, header))).reason == "CALLER_REJECTED"


@pytest.mark.parametrize("error", [AttributeError, OverflowError, RecursionError, TypeError, ValueError])
def test_errors_that_the_library_lets_through(
    with_jwt: Callers, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """What the library does not foresee of a token is no fault of the gateway, and its text is told to nobody."""

    def fail(*_: Any, **__: Any) -> None:
        raise error("secret")

    for name in ("decode", "get_unverified_header"):
        with monkeypatch.context() as patch:
            patch.setattr(jwt, name, fail)
            refused = refusal(with_jwt, bearer(signed(GOOD)))
            assert (refused.reason, "secret" in refused.message) == ("CALLER_REJECTED", False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "nbf", "iat", "x"]), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(max_size=40)
    | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
    | st.builds(lambda *parts: ".".join(part(text) for text in parts), JSON, JSON, st.binary(max_size=8))
    | st.builds(
        lambda odd, header: signed_raw(json.dumps({**GOOD, **odd}).encode(), {**HEADER, **header}),
        st.dictionaries(st.sampled_from([*GOOD, "nbf", "iat", "jti"]), JSON),
        st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku"]), JSON),
    )
)
def test_any_jwt(with_jwt: Callers, token: str) -> None:
    """Whatever a bearer token is, its caller is known or refused; nothing else comes of it."""
    try:
        identity = with_jwt.identify(bearer(token), {})
    except GatewayError as error:
        reason = error.failure.reason
    else:
        assert (identity.kind, identity.name.isprintable()) == ("jwt", True)
        return
    assert reason == "CALLER_REJECTED"
