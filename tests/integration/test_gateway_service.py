"""The gateway's own service: what it tells about itself, once and as a stream."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway import __version__
from gateway.access import Admission, parse_policy, passthrough
from gateway.calls import Basic
from gateway.events import CertificateChanged, Events
from gateway.live import GatewayService
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.settings import Settings
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.held_vcenter import idle
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_REQUEST,
    Failure,
    System,
    eventually,
    running_gateway,
    running_system,
)
from tests.integration.service_account import BEARER, guarded, service_settings, write_password

GET = "vcenter.gateway.v1.GatewayService/GetGateway"
WATCH = "vcenter.gateway.v1.GatewayService/WatchGateway"
NOWHERE = VCenterOptions("http://127.0.0.1:1")


async def refusal(call: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await call
    return caught.value


async def logged_in(system: System) -> str:
    """A session of the administrator's that the gateway did not open."""
    session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
    return session.identifier


async def outage(system: System) -> None:
    """Makes calls to a vCenter that is down until the breaker opens."""
    system.simulator.faults.add(Fault.unavailable(), times=None)
    vcenter = system.gateway.vcenter
    assert vcenter is not None
    while vcenter.breaker.state == "closed":
        with pytest.raises(Failure):
            await system.client.call(READ, READ_REQUEST)


async def test_versions_and_limits() -> None:
    """The gateway tells its version, vCenter's releases, and the limits that are configured."""
    server = ServerOptions(
        "127.0.0.1:0", max_request_bytes=5000, max_response_bytes=6000, streams=StreamLimits(7, 3), grace_seconds=5
    )
    timeouts = {"read_timeout": 11.5, "change_timeout": 12.0, "max_timeout": 13.0}
    async with running_system(server=server, max_concurrent_calls=8, max_waiting_calls=9, **timeouts) as system:
        info = (await system.client.call(GET))["gateway"]
    assert info["version"] == __version__
    releases = info["vcenter"]["releases"]
    assert len(releases) > 1
    assert info["vcenter"] == {"api_version": releases[0], "releases": releases}
    assert info["limits"] == {
        "max_request_bytes": "5000",
        "max_response_bytes": "6000",
        "max_concurrent_calls": 8,
        "max_waiting_calls": 9,
        "max_streams": 7,
        "max_streams_per_caller": 3,
        "read_timeout": "11.500s",
        "change_timeout": "12s",
        "max_timeout": "13s",
    }


@pytest.mark.parametrize("with_policy", [True, False], ids=["policy", "no-policy"])
@pytest.mark.parametrize("with_session", [True, False], ids=["session", "password"])
async def test_features(with_policy: bool, with_session: bool) -> None:
    """Features are those of this configuration and of the call's credentials, and what is missing is explained."""
    policy = parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"]}]')
    admission = Admission(passthrough(), (lambda: policy) if with_policy else None)
    async with running_system(admission=admission) as system:
        if with_session:
            session = await logged_in(system)
            info = await system.client.call(GET, user=None, metadata=(("vmware-api-session-id", session),))
            system.simulator.sessions.logout(session)
        else:
            info = await system.client.call(GET)
    features = {feature["name"]: feature for feature in info["gateway"]["features"]}
    available = {name: feature["available"] for name, feature in features.items()}
    assert available == {
        "policy": with_policy,
        "sessions": not with_session,
        "shared-reads": True,
        "streams": True,
        "vim": True,
    }
    assert all(feature["available"] or feature["explanation"] for feature in features.values())


async def test_vcenter_is_away() -> None:
    """The gateway answers although vCenter cannot be asked, and says why its version is unknown."""
    async with running_gateway(NOWHERE) as client:
        info = (await client.call(GET))["gateway"]
        assert info["version"] == __version__
        assert "onnection refused" in info["vcenter"]["problem"]
        assert "api_version" not in info["vcenter"]
        stream = client.stream(WATCH)
        assert (await stream.next())["state"]["circuit"] == "CIRCUIT_STATE_CLOSED"
        stream.cancel()


@pytest.mark.parametrize("rpc", [GET, WATCH])
@pytest.mark.parametrize(
    ("user", "metadata", "reason"),
    [
        pytest.param(None, (), "CREDENTIALS_MISSING", id="nothing"),
        pytest.param(ADMINISTRATOR, (), "CREDENTIALS_REJECTED", id="wrong-password"),
        pytest.param(None, (("vmware-api-session-id", "0" * 32),), "UNAUTHENTICATED", id="dead-session"),
    ],
)
async def test_strangers(system: System, rpc: str, user: str | None, metadata: Any, reason: str) -> None:
    """Whoever vCenter does not accept learns nothing of the gateway either."""
    stream = system.client.stream(rpc, user=user, password="wrong", metadata=metadata)
    with pytest.raises(Failure) as caught:
        await stream.next()
    assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", reason)
    assert caught.value.request_id


@pytest.mark.parametrize("rpc", [GET, WATCH])
async def test_service_account(tmp_path: Path, rpc: str) -> None:
    """With a service account, callers prove who they are to the gateway."""
    async with guarded(service_settings(tmp_path)) as system:
        stream = system.client.stream(rpc, user=None)
        with pytest.raises(Failure) as caught:
            await stream.next()
        assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
        stream = system.client.stream(rpc, user=None, metadata=BEARER)
        assert await stream.next()
        stream.cancel()


async def test_a_service_account_with_a_wrong_password(tmp_path: Path) -> None:
    """vCenter's refusal of the service account reaches the caller."""
    settings: Settings = service_settings(tmp_path)
    write_password(tmp_path, "wrong")
    async with guarded(settings) as system:
        failure = await refusal(system.client.call(GET, user=None, metadata=BEARER))
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "SERVICE_ACCOUNT_REJECTED")


async def test_the_whole_state_comes_first(system: System) -> None:
    """The first message has the state as it is, the caller's own login included."""
    stream = system.client.stream(WATCH)
    state = (await stream.next())["state"]
    assert abs(time.time() - _seconds(state.pop("observed_at"))) < 60
    assert state == {
        "circuit": "CIRCUIT_STATE_CLOSED",
        "logins": {"succeeded": "1", "rejected": "0", "open_sessions": 1},
        "draining": False,
    }
    stream.cancel()


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


async def test_the_policy() -> None:
    """The policy decides about the gateway's own rpcs like about all others."""
    policy = parse_policy(b'rules: [{identities: ["administrator@*"], rpcs: ["*/GetGateway"]}]')
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        assert await system.client.call(GET)
        failure = await refusal(system.client.call(GET, user="readonly@vsphere.local"))
        assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "POLICY_DENIED")
        with pytest.raises(Failure) as caught:
            await system.client.stream(WATCH).next()
        assert caught.value.reason == "POLICY_DENIED"


async def test_vcenters_certificate() -> None:
    """Where vCenter is called over TLS, the state says when its certificate ends."""
    async with running_system(SimulatorOptions(tls=True), verify=False) as system:
        stream = system.client.stream(WATCH)
        state = (await stream.next())["state"]
        vcenter = system.gateway.vcenter
        assert vcenter is not None
        assert vcenter.certificate is not None
        expiry = x509.load_der_x509_certificate(vcenter.certificate).not_valid_after_utc
        assert _seconds(state["vcenter_certificate_expires"]) == expiry.timestamp()
        stream.cancel()


async def test_a_session_that_ends(system: System) -> None:
    """A session that is no longer used is told when it ends, not with the next heartbeat."""
    await system.client.call(READ, READ_REQUEST, user="readonly@vsphere.local")
    stream = system.client.stream(WATCH)
    assert (await stream.next())["state"]["logins"]["open_sessions"] == 2
    vcenter = system.gateway.vcenter
    assert vcenter is not None
    closing = asyncio.create_task(vcenter.sessions.close())
    assert (await stream.next())["state"]["logins"]["open_sessions"] < 2
    await closing
    stream.cancel()


class _Certificates(Events):
    """Keeps the certificates that vCenter shows."""

    def __init__(self) -> None:
        self.told: list[CertificateChanged] = []

    def certificate_changed(self, changed: CertificateChanged) -> None:
        self.told.append(changed)


async def test_a_certificate_that_changes() -> None:
    """The first certificate and each other one are told when they are seen, and the same one never again."""
    certificates = _Certificates()
    async with Simulator(SimulatorOptions(tls=True)) as old:
        options = VCenterOptions(old.url, verify=False)
        async with running_gateway(options, events=certificates) as client:
            for _ in range(3):
                await client.call(READ, READ_REQUEST)
            await old.stop()
            async with Simulator(SimulatorOptions(tls=True, port=old.port)) as renewed:
                for _ in range(3):
                    await client.call(READ, READ_REQUEST)
                pems = [old.certificate_pem or "", renewed.certificate_pem or ""]
                await client.gateway.stop()
    assert [told.is_first for told in certificates.told] == [True, False]
    assert [told.certificate for told in certificates.told] == [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]


async def test_logins(system: System) -> None:
    """Each login that succeeds or is refused is a message with the whole state."""
    stream = system.client.stream(WATCH)
    await stream.next()
    await system.client.call(READ, READ_REQUEST, user="readonly@vsphere.local")
    state = (await stream.next())["state"]
    assert state["logins"] == {"succeeded": "2", "rejected": "0", "open_sessions": 2}
    await refusal(system.client.call(READ, READ_REQUEST, password="wrong"))
    state = (await stream.next())["state"]
    assert state["logins"] == {"succeeded": "2", "rejected": "1", "open_sessions": 2}
    assert state["circuit"] == "CIRCUIT_STATE_CLOSED"
    stream.cancel()


async def test_the_breaker(system: System) -> None:
    """The breaker's opening is told with its cause and the time of the next probe, and so is that it closed."""
    stream = system.client.stream(WATCH)
    await stream.next()
    await outage(system)
    state = (await stream.until(lambda message: message["state"]["circuit"] != "CIRCUIT_STATE_CLOSED"))["state"]
    assert state["circuit"] == "CIRCUIT_STATE_OPEN"
    assert state["circuit_cause"] == "the proxy in front of vCenter answered HTTP 503"
    assert -5 < _seconds(state["next_probe"]) - time.time() < 5
    late = system.client.stream(WATCH)
    assert (await late.next())["state"]["circuit_cause"] == state["circuit_cause"]
    late.cancel()
    assert (await system.client.call(GET))["gateway"]["version"] == __version__
    system.simulator.faults.clear()

    async def served() -> None:
        while True:
            try:
                await system.client.call(READ, READ_REQUEST)
            except Failure:
                continue
            return

    calls = asyncio.ensure_future(served())
    state = (await stream.until(lambda message: message["state"]["circuit"] == "CIRCUIT_STATE_CLOSED"))["state"]
    assert {"circuit_cause", "next_probe"}.isdisjoint(state)
    await calls
    stream.cancel()


async def test_the_drain() -> None:
    """Who watches learns that the replica is stopping before the stream ends."""
    async with running_system(server=ServerOptions("127.0.0.1:0", settle_seconds=0.2)) as system:
        stream = system.client.stream(WATCH)
        assert not (await stream.next())["state"]["draining"]
        stopping = asyncio.ensure_future(system.gateway.stop())
        assert (await stream.next())["state"]["draining"]
        failure = await stream.failed()
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")
        await stopping


async def test_heartbeats(system: System) -> None:
    """When nothing happens, a heartbeat comes each interval."""
    began = time.monotonic()
    stream = system.client.stream(WATCH, {"heartbeat_interval": "1s"})
    await stream.next()
    for count in (1, 2):
        message = await stream.next()
        assert abs(_seconds(message["heartbeat"]["sent_at"]) - time.time()) < 60
        assert time.monotonic() - began > count * 0.95
    stream.cancel()


@pytest.mark.parametrize(
    ("interval", "allowed"),
    [
        pytest.param(None, True, id="unset"),
        pytest.param("-1s", False, id="negative"),
        pytest.param("0s", False, id="none"),
        pytest.param("0.999999999s", False, id="below-the-least"),
        pytest.param("1s", True, id="the-least"),
        pytest.param("299.999999999s", True, id="below-the-most"),
        pytest.param("300s", True, id="the-most"),
        pytest.param("300.000000001s", False, id="above-the-most"),
    ],
)
async def test_intervals_of_heartbeats(system: System, interval: str | None, allowed: bool) -> None:
    """An interval is from 1 second to 5 minutes; another one is refused, with the field, and vCenter hears nothing."""
    stream = system.client.stream(WATCH, {"heartbeat_interval": interval} if interval else {})
    if allowed:
        assert "state" in await stream.next()
        stream.cancel()
        return
    with pytest.raises(Failure) as caught:
        await stream.next()
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert caught.value.details["google.rpc.BadRequest"] == {
        "field_violations": [{"field": "heartbeat_interval", "description": "must be from 1 to 300 seconds"}]
    }
    assert len(system.simulator.record) == 0


@pytest.mark.parametrize(("rpc", "method"), [(GET, "_features"), (WATCH, "_told")])
async def test_an_unforeseen_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rpc: str, method: str
) -> None:
    """A mistake in an rpc of the gateway's own is GATEWAY_BUG, without an operation of vCenter's; its place is logged
    and its text, which may hold anything, is not."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr(GatewayService, method, fail)
    async with running_system() as system:
        with pytest.raises(Failure) as caught:
            await system.client.stream(rpc).next()
        assert not len(system.gateway.streams)
    assert (caught.value.code, caught.value.reason) == ("INTERNAL", "GATEWAY_BUG")
    assert caught.value.metadata == {}
    assert caught.value.request_id in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert PASSWORD not in caplog.text


async def test_a_caller_who_leaves(system: System) -> None:
    """A stream that its caller cancels ends in the gateway as well."""
    stream = system.client.stream(WATCH)
    await stream.next()
    assert len(system.gateway.streams) == 1
    stream.cancel()
    await eventually(lambda: not len(system.gateway.streams), "the end of the stream")
    [ended] = await eventually(lambda: [call for call in system.calls if call.rpc == WATCH], "the event")
    assert (ended.code, ended.messages) == ("CANCELLED", 1)


async def test_a_deadline(system: System) -> None:
    """The caller's deadline ends a stream. That is what the caller asked for, and no fault of the gateway's."""
    stream = system.client.stream(WATCH, timeout=0.5)
    await stream.next()
    assert (await stream.failed()).code == "DEADLINE_EXCEEDED"
    await eventually(lambda: not len(system.gateway.streams), "the end of the stream")
    [ended] = await eventually(lambda: [call for call in system.calls if call.rpc == WATCH], "the event")
    assert ended.failure is not None
    assert not ended.failure.is_servers_fault


async def test_no_deadline_of_its_own() -> None:
    """A stream without a deadline outlives what a unary call may take."""
    async with running_system(read_timeout=0.3, change_timeout=0.3, max_timeout=0.3) as system:
        stream = system.client.stream(WATCH, {"heartbeat_interval": "1s"})
        await stream.next()
        assert "heartbeat" in await stream.next()
        stream.cancel()


async def test_a_caller_who_does_not_read(system: System) -> None:
    """States that come faster than they are read are merged: the newest one wins, and nothing waits for the reader."""
    stream = system.client.stream(WATCH)
    await stream.next()
    vcenter = system.gateway.vcenter
    assert vcenter is not None
    changes = 100
    for number in range(changes):
        # Each state is a megabyte, so that gRPC's own buffers hold only some of them.
        for _ in range(10):
            vcenter.breaker.failed(f"{number} {'x' * 1_000_000}")
        await idle()
        vcenter.breaker.succeeded()
        await idle()
    for _ in range(10):
        vcenter.breaker.failed("the last one")
    read = 1
    while (await stream.next())["state"].get("circuit_cause") != "the last one":
        read += 1
    assert read < changes
    vcenter.breaker.succeeded()
    stream.cancel()


async def test_passwords_are_checked(system: System) -> None:
    """The gateway opens one session for all calls of a user, its own service's included."""
    await system.client.call(GET, metadata=(("authorization", Basic(ADMINISTRATOR, PASSWORD).header),), user=None)
    await system.client.call(READ, READ_REQUEST)
    assert system.simulator.sessions.counts()["logins"] == 1
