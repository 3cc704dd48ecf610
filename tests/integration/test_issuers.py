"""Callers with tokens of issuers whose keys the gateway fetches: over real HTTPS, well and not."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from prometheus_client import CollectorRegistry

from gateway.access import fetched_keys
from gateway.admin.families import PREFIX
from gateway.admin.metrics import Metrics
from gateway.event_log import EventLog
from gateway.events import combined
from gateway.settings import Settings
from tests.integration.certificates import Authority
from tests.integration.harness import READ, READ_REQUEST, Failure, System, eventually
from tests.integration.oidc_issuer import AUDIENCE, DISCOVERY, JWKS, OidcIssuer, public_jwk
from tests.integration.service_account import guarded, service_settings


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[OidcIssuer]:
    """An issuer that is there."""
    async with OidcIssuer(tmp_path / "issuer") as started:
        yield started


def a_minute_passes(system: System) -> None:
    """An unknown key may have keys fetched again."""
    issuers = system.gateway._admission.issuers
    assert issuers is not None
    for source in issuers.sources:
        source._asked_for_unknown -= fetched_keys._UNKNOWN_KEY_SECONDS


def entry(issuer: OidcIssuer, /, **more: Any) -> dict[str, Any]:
    """The issuer in the settings."""
    known = {"issuer": issuer.url, "audience": AUDIENCE, "discovery": True, "ca_file": str(issuer.ca_file)}
    return {name: value for name, value in {**known, **more}.items() if value is not None}


def settings_for(tmp_path: Path, *entries: dict[str, Any], **auth: Any) -> Settings:
    return service_settings(tmp_path, jwt={"issuers": list(entries)}, **auth)


async def call(system: System, token: str, timeout: float = 30) -> str:
    """The name by which the gateway knows a caller."""
    metadata = (("authorization", f"Bearer {token}"),)
    await system.client.call(READ, READ_REQUEST, user=None, metadata=metadata, timeout=timeout)
    return system.calls[-1].identity


async def refused(system: System, token: str) -> Failure:
    with pytest.raises(Failure) as caught:
        await call(system, token)
    return caught.value


async def accepted_sometime(system: System, token: str) -> str:
    """The caller's name as soon as the issuer's keys are known."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with asyncio.timeout(20):
        while True:
            try:
                await system.client.call(READ, READ_REQUEST, user=None, metadata=metadata)
            except Failure as failure:
                if failure.reason != "ISSUER_UNREACHABLE":
                    raise
            else:
                return system.calls[-1].identity


async def test_discovery(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The keys are fetched once, before the first call, and no call asks for them again."""
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        assert (issuer.count(DISCOVERY), issuer.count()) == (1, 1)
        for _ in range(20):
            assert await call(system, issuer.token()) == "jwt:build"
        assert (issuer.count(DISCOVERY), issuer.count()) == (1, 1)
    for _, headers in issuer.requests:
        assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


async def test_keys_at_a_known_address(tmp_path: Path, issuer: OidcIssuer) -> None:
    """With jwks_url, there is no discovery, and the issuer may have any name."""
    settings = settings_for(tmp_path, entry(issuer, discovery=None, jwks_url=issuer.url + JWKS, issuer="build-system"))
    async with guarded(settings) as system:
        assert await call(system, issuer.token(iss="build-system")) == "jwt:build"
        assert (issuer.count(DISCOVERY), issuer.count()) == (0, 1)
        assert "another issuer" in (await refused(system, issuer.token())).message


async def test_rotation(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The first calls with a new key are accepted: they wait for one request together. A withdrawn key is refused."""
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        old = issuer.token()
        assert await call(system, old) == "jwt:build"
        issuer.rotate("second")
        names = await asyncio.gather(*(call(system, issuer.token("second")) for _ in range(30)))
        assert set(names) == {"jwt:build"}
        assert issuer.count() == 2
        assert (await refused(system, old)).reason == "CALLER_REJECTED"
        assert issuer.count() == 2


async def test_made_up_keys(tmp_path: Path, issuer: OidcIssuer) -> None:
    """However many tokens with made-up keys come, the issuer is asked once a minute, and known keys stay in use."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        for expected in (2, 3):
            failures = await asyncio.gather(
                *(refused(system, issuer.token(f"made-up-{number}", key=stranger)) for number in range(200))
            )
            assert {failure.reason for failure in failures} == {"CALLER_REJECTED"}
            assert issuer.count() == expected
            assert await call(system, issuer.token()) == "jwt:build"
            a_minute_passes(system)


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1}, {"aud": "other"}, {"iss": "https://other.example"}, {"sub": None}, {"nbf": int(time.time()) + 9999}],
    ids=["expired", "audience", "issuer", "no-subject", "not-yet"],
)
async def test_nothing_is_fetched_for_tokens_that_are_refused_anyway(
    tmp_path: Path, issuer: OidcIssuer, claims: dict[str, Any]
) -> None:
    """A token with an unknown key that is not acceptable otherwise leads to no request."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        failure = await refused(system, issuer.token("made-up", key=stranger, **claims))
        assert failure.reason == "CALLER_REJECTED"
        assert "key" not in failure.message
        assert issuer.count() == 1


async def test_an_issuer_that_is_slow(tmp_path: Path, issuer: OidcIssuer) -> None:
    """While it keeps the gateway waiting, calls with known keys are answered; only those with unknown ones wait."""
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        issuer.rotate("second", keep=True)
        come, go = issuer.hold()
        waiting = [asyncio.ensure_future(call(system, issuer.token("second"))) for _ in range(3)]
        await asyncio.wait_for(come.wait(), 10)
        for _ in range(5):
            assert await call(system, issuer.token()) == "jwt:build"
        assert not any(task.done() for task in waiting)
        # A caller who gives up takes nothing from the others.
        waiting.pop().cancel()
        go.set()
        assert await asyncio.gather(*waiting) == ["jwt:build"] * 2
        assert issuer.count() == 2


async def test_too_many_calls_wait(tmp_path: Path, issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that wait for an issuer are bounded; further ones are refused, and known keys are not concerned."""
    monkeypatch.setattr(fetched_keys, "_MAX_WAITING", 3)
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        issuer.rotate("second", keep=True)
        come, go = issuer.hold()
        waiting = [asyncio.ensure_future(call(system, issuer.token("second"))) for _ in range(3)]
        await asyncio.wait_for(come.wait(), 10)
        [source] = system.gateway._admission.issuers.sources  # type: ignore[union-attr]
        await eventually(lambda: source._waiting == 3, "all calls wait")
        assert (await refused(system, issuer.token("second"))).reason == "OVERLOADED"
        assert await call(system, issuer.token()) == "jwt:build"
        go.set()
        assert await asyncio.gather(*waiting) == ["jwt:build"] * 3


async def test_an_issuer_that_is_away_at_the_start(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The gateway starts all the same, and says so. Calls may be repeated, and are accepted once the issuer is back."""
    settings = settings_for(tmp_path, entry(issuer))
    await issuer.stop()
    async with guarded(settings, events=EventLog()) as system:
        failure = await refused(system, issuer.token())
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "ISSUER_UNREACHABLE")
        assert "google.rpc.RetryInfo" in failure.details
        # To strangers, nothing is said of where the keys are.
        assert "127.0.0.1" not in failure.message
        await issuer.start()
        assert await accepted_sometime(system, issuer.token()) == "jwt:build"


async def test_an_issuer_that_goes_away(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Its last keys stay in use. What nobody can tell is UNAVAILABLE; metrics and GetGateway know of it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [{"identities": ["jwt:build"], "rpcs": ["*"]}]}')

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(PREFIX + name, {"issuer": issuer.url, **labels})

    async def feature(system: System) -> Any:
        metadata = (("authorization", f"Bearer {issuer.token()}"),)
        answer = await system.client.call("vcenter.gateway.v1.GatewayService/GetGateway", user=None, metadata=metadata)
        [found] = [each for each in answer["gateway"]["features"] if each["name"] == "jwt-issuers"]
        return found

    async with guarded(settings_for(tmp_path, entry(issuer), policy_file=str(policy)), events=metrics) as system:
        assert (value("issuer_up"), value("issuer_requests_total", result="fetched")) == (1, 1)
        fetched = value("issuer_keys_timestamp_seconds")
        assert fetched == pytest.approx(time.time(), abs=30)
        assert await feature(system) == {"name": "jwt-issuers", "available": True}
        await issuer.stop()
        issuer.rotate("second", keep=True)
        failure = await refused(system, issuer.token("second"))
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "ISSUER_UNREACHABLE")
        assert await call(system, issuer.token()) == "jwt:build"
        assert value("issuer_up") == 0
        assert value("issuer_requests_total", result="failed") == 1
        assert value("issuer_keys_timestamp_seconds") == fetched
        assert issuer.url in (await feature(system))["explanation"]
        await issuer.start()
        a_minute_passes(system)
        assert await call(system, issuer.token("second")) == "jwt:build"
        assert value("issuer_up") == 1


async def test_log_lines(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The log says once that keys cannot be fetched and why, and when they can again."""
    lines: list[tuple[str, Any]] = []
    log = EventLog()
    log._write = lambda level, text, fields: lines.append((text, fields))
    source = None
    async with guarded(settings_for(tmp_path, entry(issuer)), events=combined(log)) as system:
        [source] = system.gateway._admission.issuers.sources  # type: ignore[union-attr]
        await issuer.stop()
        for _ in range(3):
            await source._fetch()
        await issuer.start()
        for _ in range(2):
            await source._fetch()
    told = [(text, fields) for text, fields in lines if "issuer" in fields]
    assert [text for text, _ in told] == [
        "the keys of an issuer of JWTs were fetched",
        "the keys of an issuer of JWTs cannot be fetched: those that are known stay in use",
        "the keys of an issuer of JWTs were fetched",
    ]
    assert told[0][1] == {"issuer": issuer.url, "keys": 1, "key_ids": "'first'"}
    assert told[1][1]["problem"] == "127.0.0.1 cannot be reached: Connection refused"


async def test_keys_are_fetched_again(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Now and then the keys are fetched without any call: a key that was published before it signs is known by then,
    also while strangers have used up what unknown keys may ask."""
    settings = settings_for(tmp_path, entry(issuer))
    settings = settings.model_copy(
        update={
            "auth": settings.auth.model_copy(
                update={"jwt": settings.auth.jwt.model_copy(update={"refresh_seconds": 0.05})}
            )
        }
    )
    stranger = ec.generate_private_key(ec.SECP256R1())
    async with guarded(settings) as system:
        await refused(system, issuer.token("made-up", key=stranger))
        issuer.rotate("second", keep=True)
        before = issuer.count()
        await eventually(lambda: issuer.count() >= before + 2, "keys are fetched again")
        assert await call(system, issuer.token("second")) == "jwt:build"


async def test_several_issuers(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Each issuer's tokens are checked by its own keys, and get its own prefix; none can give another one's names."""
    async with OidcIssuer(tmp_path / "other") as other:
        other.published = [public_jwk(other.keys["first"], "first")]
        settings = settings_for(tmp_path, entry(issuer), entry(other, identity_prefix="corp:", audience=["x", "y"]))
        async with guarded(settings) as system:
            assert await call(system, issuer.token()) == "jwt:build"
            assert await call(system, other.token(aud="y")) == "jwt:corp:build"
            for token, problem in (
                (other.token(), "another audience"),
                # The same key id, another issuer's key.
                (issuer.token(key=other.keys["first"]), "signature is invalid"),
                (other.token(key=issuer.keys["first"], aud="y"), "signature is invalid"),
                (issuer.token(sub="corp:build"), "may not assign"),
                (issuer.token(iss=issuer.url + "/"), "another issuer"),
                (issuer.token(iss=issuer.url.upper()), "another issuer"),
            ):
                assert problem in (await refused(system, token)).message


def part(value: Any) -> str:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_confused_algorithms(tmp_path: Path, issuer: OidcIssuer) -> None:
    """A published key is no shared secret, and a token without a signature is none."""
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        _, claims, _ = issuer.token().split(".")
        public = issuer.keys["first"].public_key()
        for encoding in (Encoding.DER, Encoding.PEM):
            secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{claims}"
            token = f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"
            assert "algorithm is not allowed" in (await refused(system, token)).message
        unsigned = f"{part({'alg': 'none', 'kid': 'first'})}.{claims}."
        assert "algorithm is not allowed" in (await refused(system, unsigned)).message
        # Signed by the right kind of key for an algorithm that its entry does not state.
        rsa_key = rsa.generate_private_key(65537, 2048)
        content = jwt.decode(issuer.token(), options={"verify_signature": False})
        token = jwt.encode(content, rsa_key, algorithm="RS256", headers={"kid": "first"})
        assert "algorithm is not allowed" in (await refused(system, token)).message
        assert issuer.count() == 1


async def test_private_keys_that_are_published(
    tmp_path: Path, issuer: OidcIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """A key whose private half everybody can read is not used, and the log says so without the key."""
    leaked = issuer.keys["leaked"] = ec.generate_private_key(ec.SECP256R1())
    jwk = {**ECAlgorithm.to_jwk(leaked, as_dict=True), "kid": "leaked"}
    issuer.published.append(jwk)
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        assert await call(system, issuer.token()) == "jwt:build"
        assert (await refused(system, issuer.token("leaked"))).reason == "CALLER_REJECTED"
    assert "publishes 1 private keys" in caplog.text
    assert jwk["d"] not in caplog.text


async def test_issuers_that_withdraw_all_keys(tmp_path: Path, issuer: OidcIssuer) -> None:
    """An empty JWKS revokes all tokens, as that of a file does."""
    async with guarded(settings_for(tmp_path, entry(issuer))) as system:
        issuer.published = []
        stranger = ec.generate_private_key(ec.SECP256R1())
        await refused(system, issuer.token("made-up", key=stranger))
        failure = await refused(system, issuer.token())
        assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "CALLER_REJECTED")


@asynccontextmanager
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[OidcIssuer, dict[str, Any]]]:
    """What a pod sees of a cluster's API server, and the issuer in the settings of a gateway in that pod."""
    token = tmp_path / "token"
    token.write_text("pod-token\n")
    async with OidcIssuer(tmp_path / "cluster", jwks_path="/openid/v1/jwks") as server:
        host, port = server.url.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        # As most clusters: a name of the issuer that leads nowhere, and an address of the keys for others.
        server.document = {
            "issuer": "https://kubernetes.default.svc",
            "jwks_uri": "https://192.0.2.1:6443/openid/v1/jwks",
        }
        yield server, {"kubernetes": True, "ca_file": str(server.ca_file), "token_file": str(token)}


SERVICE_ACCOUNT = {
    "iss": "https://kubernetes.default.svc",
    "aud": ["vcenter-gateway"],
    "sub": "system:serviceaccount:build:ci",
}


async def test_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """With `kubernetes`, ServiceAccounts of the pod's cluster are callers, and a policy names them."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [{"identities": ["system:serviceaccount:build:ci"], "rpcs": ["*"]}]}')
    async with cluster(tmp_path, monkeypatch) as (server, kubernetes):
        async with guarded(settings_for(tmp_path, kubernetes, policy_file=str(policy))) as system:
            name = await call(system, server.token(**SERVICE_ACCOUNT))
            assert name == "jwt:system:serviceaccount:build:ci"
            other = {**SERVICE_ACCOUNT, "sub": "system:serviceaccount:build:other"}
            assert (await refused(system, server.token(**other))).reason == "POLICY_DENIED"
            for claims, problem in (
                ({"sub": "admin"}, "may not assign"),
                ({"aud": "https://kubernetes.default.svc"}, "another audience"),
                ({"iss": server.url}, "another issuer"),
            ):
                assert problem in (await refused(system, server.token(**{**SERVICE_ACCOUNT, **claims}))).message
        assert [path for path, _ in server.requests] == [DISCOVERY, "/openid/v1/jwks"]
        assert {headers["authorization"] for _, headers in server.requests} == {"Bearer pod-token"}
    assert "pod-token" not in caplog.text


async def test_kubernetes_beside_another_issuer(
    tmp_path: Path, issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever registers accounts with another issuer cannot become a ServiceAccount."""
    async with (
        cluster(tmp_path, monkeypatch) as (server, kubernetes),
        guarded(settings_for(tmp_path, entry(issuer), kubernetes)) as system,
    ):
        assert await call(system, issuer.token()) == "jwt:build"
        assert await call(system, server.token(**SERVICE_ACCOUNT)) == "jwt:system:serviceaccount:build:ci"
        forged = issuer.token(sub="system:serviceaccount:build:ci")
        assert "may not assign" in (await refused(system, forged)).message


async def test_kubernetes_whose_api_server_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the name of the issuer is not known, nobody can say that a token is of another one."""
    async with cluster(tmp_path, monkeypatch) as (server, kubernetes):
        await server.stop()
        async with guarded(settings_for(tmp_path, kubernetes)) as system:
            token = server.token(**SERVICE_ACCOUNT)
            assert (await refused(system, token)).reason == "ISSUER_UNREACHABLE"
            await server.start()
            assert await accepted_sometime(system, token) == "jwt:system:serviceaccount:build:ci"


async def test_authorities_that_are_renewed(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Keys come only from a server whose certificate is trusted, and a new content of ca_file is used."""
    own = tmp_path / "own-ca.pem"
    own.write_bytes(Authority("Another CA").certificate)
    async with guarded(settings_for(tmp_path, entry(issuer, ca_file=str(own)))) as system:
        [source] = system.gateway._admission.issuers.sources  # type: ignore[union-attr]
        assert source.problem == "the certificate of 127.0.0.1 was rejected: unable to get local issuer certificate"
        assert issuer.requests == []
        own.write_bytes(issuer.ca_file.read_bytes())

        async def accepted() -> bool:
            await source._fetch()
            return not source.problem

        async with asyncio.timeout(20):
            while not await accepted():
                pass
        assert await call(system, issuer.token()) == "jwt:build"


async def test_the_settings_of_a_single_issuer(tmp_path: Path, issuer: OidcIssuer) -> None:
    """auth.jwks_file and its fellows are one issuer more."""
    key = ec.generate_private_key(ec.SECP256R1())
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [public_jwk(key, "filed")]}))
    settings = settings_for(
        tmp_path,
        entry(issuer, identity_prefix="corp:"),
        jwks_file=str(keys),
        jwt_issuer="filed",
        jwt_audience="a",
        jwt_claim="name",
    )
    async with guarded(settings) as system:
        assert await call(system, issuer.token("filed", key=key, iss="filed", aud="a", name="ci")) == "jwt:ci"
        assert await call(system, issuer.token()) == "jwt:corp:build"
