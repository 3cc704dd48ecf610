"""The simulator on a socket: addresses, TLS, the record, and requests at the limits of HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import requests
from yarl import URL

from gateway.simulator import Record, RecordedCall, Simulator, SimulatorOptions
from gateway.simulator.clock import wait_until
from tests.unit.simulator.harness import basic

POWER = "/api/vcenter/vm/vm-1001/power"


async def get(url: str, **options: Any) -> requests.Response:
    """One GET with requests, the blocking client, beside the event loop."""
    return await asyncio.to_thread(requests.get, url, timeout=10, **options)


async def test_the_address_is_known_after_the_start() -> None:
    """Port 0 takes a free one."""
    async with Simulator(SimulatorOptions(vms=0)) as simulator:
        assert simulator.url == f"http://127.0.0.1:{simulator.port}"
        assert (await get(f"{simulator.url}/api/session")).status_code == 401
    with pytest.raises(requests.ConnectionError):
        await get(f"{simulator.url}/api/session")


async def test_a_wildcard_is_reached_over_the_loopback_address() -> None:
    """Nobody can connect to 0.0.0.0 everywhere."""
    async with Simulator(SimulatorOptions(vms=0, host="0.0.0.0")) as simulator:  # noqa: S104 - what is tested
        assert simulator.url.startswith("http://127.0.0.1:")
        assert (await get(f"{simulator.url}/api/session")).status_code == 401


async def test_a_port_that_is_taken_stops_the_start() -> None:
    """With the address in the message."""
    async with Simulator(SimulatorOptions(vms=0)) as simulator:
        second = Simulator(SimulatorOptions(vms=0, port=simulator.port))
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{simulator.port}"):
            await second.start()


async def test_stopping_twice_is_harmless() -> None:
    """And so is stopping what was never started."""
    simulator = Simulator(SimulatorOptions(vms=0))
    await simulator.stop()
    await simulator.start()
    await simulator.stop()
    await simulator.stop()


async def test_the_certificate_is_trusted_by_its_pem(tmp_path: Any) -> None:
    """requests verifies it by the PEM, for the address and for localhost."""
    async with Simulator(SimulatorOptions(vms=0, tls=True)) as simulator:
        pem = tmp_path / "simulator.pem"
        pem.write_text(simulator.certificate_pem or "")
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{simulator.port}/api/session"
            assert (await get(url, verify=str(pem))).status_code == 401


async def test_the_certificate_is_trusted_under_strict_rules() -> None:
    """Also where the checks of RFC 5280 are switched on, as they are by default from Python 3.13."""
    async with Simulator(SimulatorOptions(vms=0, tls=True)) as simulator:
        context = ssl.create_default_context(cadata=simulator.certificate_pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        async with aiohttp.ClientSession() as http, http.get(f"{simulator.url}/api/session", ssl=context) as response:
            assert response.status == 401


async def test_the_certificate_is_not_trusted_by_others() -> None:
    """Neither by the system's roots nor by the certificate of another simulator."""
    async with Simulator(SimulatorOptions(vms=0, tls=True)) as simulator:
        with pytest.raises(requests.exceptions.SSLError):
            await get(f"{simulator.url}/api/session")
        async with Simulator(SimulatorOptions(vms=0, tls=True)) as other, aiohttp.ClientSession() as http:
            context = ssl.create_default_context(cadata=other.certificate_pem)
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"{simulator.url}/api/session", ssl=context)


async def test_the_thumbprint_is_that_of_the_certificate() -> None:
    """SHA-256 over the DER form; both are None without TLS."""
    async with Simulator(SimulatorOptions(vms=0, tls=True)) as simulator:
        der = ssl.PEM_cert_to_DER_cert(simulator.certificate_pem or "")
        assert simulator.thumbprint == hashlib.sha256(der).hexdigest()
        assert simulator.url.startswith("https://")
    plain = Simulator(SimulatorOptions(vms=0))
    assert (plain.certificate_pem, plain.thumbprint) == (None, None)


async def test_old_versions_of_tls_are_refused() -> None:
    """1.2 is the least."""
    async with Simulator(SimulatorOptions(vms=0, tls=True)) as simulator:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(simulator.url, ssl=context)


async def test_every_answer_can_be_made_slow() -> None:
    """The option `latency` holds for all calls."""
    async with Simulator(SimulatorOptions(vms=8, latency=0.1)) as simulator:
        started = asyncio.get_running_loop().time()
        assert (await get(f"{simulator.url}/api/session")).status_code == 401
        assert 0.1 <= asyncio.get_running_loop().time() - started < 2


async def test_requests_arrive_as_they_were_sent() -> None:
    """The target still encoded, header fields by lower-case name, the body byte for byte."""
    async with Simulator(SimulatorOptions(vms=0)) as simulator, aiohttp.ClientSession() as http:
        body = bytes(range(256)) * 4096
        url = f"{simulator.url}/api/vcenter/vm/a%2Fb%20c"
        async with http.post(URL(url, encoded=True), data=body, headers={"X-Odd": "1"}) as response:
            assert response.status == 404
        [call] = simulator.record
    assert (call.method, call.target) == ("POST", "/api/vcenter/vm/a%2Fb%20c")
    assert call.headers["x-odd"] == "1"
    assert call.body == body


async def test_long_lines_and_header_fields_are_taken() -> None:
    """A list of thousands of identifiers in the query is what vCenter's clients send."""
    async with Simulator(SimulatorOptions(vms=8)) as simulator, aiohttp.ClientSession(simulator.url) as http:
        async with http.post("/api/session", headers=basic(simulator.user)) as response:
            session = {"vmware-api-session-id": await response.json()}
        query = "&".join(f"vms=vm-{number}" for number in range(4000))
        async with http.get(f"/api/vcenter/vm/vm-1001/power?{query}", headers=session) as response:
            assert (response.status, (await response.json())["error_type"]) == (400, "INVALID_ARGUMENT")


async def test_a_client_that_leaves_in_the_middle_of_its_request_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is recorded, and nothing is logged as a failure."""
    async with Simulator(SimulatorOptions(vms=0)) as simulator:
        _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()
        assert (await get(f"{simulator.url}/api/session")).status_code == 401
        assert len(simulator.record) == 1
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def call(operation: str | None = None) -> RecordedCall:
    return RecordedCall("GET", "/", operation, "", {"authorization": "secret"}, b"secret")


def test_the_record_keeps_the_order_and_finds_by_operation() -> None:
    """Oldest first; it can be gone through while it grows."""
    record = Record()
    calls = [call("a"), call("b"), call("a"), call()]
    for item in calls:
        record.add(item)
    assert list(record) == calls
    assert record.of("a") == [calls[0], calls[2]]
    for item in record:
        record.add(item)
    assert len(record) == 8
    record.clear()
    assert len(record) == 0


def test_the_record_shows_no_secrets() -> None:
    """Neither printed nor as JSON."""
    assert "secret" not in repr(call())
    assert "secret" not in str(call().to_json())


def test_the_record_forgets_the_oldest() -> None:
    """It holds a hundred thousand calls."""
    record = Record()
    for number in range(100_001):
        record.add(call(str(number)))
    assert len(record) == 100_000
    assert record.of("0") == []


async def test_a_long_operation_answers_when_it_is_done() -> None:
    """The plain form waits as long as the copy takes; who gives up does not stop it."""
    async with (
        Simulator(SimulatorOptions(vms=2, transition=0.1)) as simulator,
        aiohttp.ClientSession(simulator.url) as http,
    ):
        async with http.post("/api/session", headers=basic(simulator.user)) as login:
            headers = {"vmware-api-session-id": await login.json()}
        clone = "/api/vcenter/vm?action=clone"
        start = asyncio.get_running_loop().time()
        async with http.post(clone, json={"source": "vm-1001", "name": "first"}, headers=headers) as answer:
            assert answer.status == 200
            assert asyncio.get_running_loop().time() - start >= 0.1 * 1.5
            first = await answer.json()
        second = asyncio.create_task(_post(http, clone, {"source": "vm-1001", "name": "second"}, headers))
        await until(lambda: len(simulator.record.of("com.vmware.vcenter.VM.clone")) == 2)
        second.cancel()
        due = simulator.options.clock() + timedelta(seconds=0.2)
        await wait_until(simulator.options.clock, due)
        async with http.get("/api/vcenter/vm?names=second", headers=headers) as answer:
            assert [machine["vm"] for machine in await answer.json()] not in ([], [first])


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails when that takes too long."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def _post(http: aiohttp.ClientSession, path: str, body: Any, headers: dict[str, str]) -> None:
    async with http.post(path, json=body, headers=headers) as answer:
        await answer.read()
