"""The admin port: health, readiness, metrics that move as they should, and the status page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.access import Admission, passthrough
from gateway.admin import ProcessAdmin
from gateway.admin.families import FAMILIES, PREFIX, metrics_table
from gateway.admin.page import POLICY
from gateway.admin.summary import quantile
from gateway.calls import Basic
from gateway.configuration import SettingsError, load_settings
from gateway.contract import load_contract
from gateway.events import combined
from gateway.printable import OTHER_NAME
from gateway.server.gateway import Gateway
from gateway.server.options import ServerOptions
from gateway.server.tls import ServerTls
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.simulator.releases import NEWEST
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.certificates import Authority
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Client,
    Failure,
    eventually,
)
from tests.integration.processes import Running, run, running

GET_OPERATION = "GET /api/vcenter/vm/{vm}/power"
START_OPERATION = "POST /api/vcenter/vm/{vm}/power?action=start"
LIST_PROCESSES = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
SERVE = ("serve", "--simulator", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Admin:
    """What somebody sees who asks the admin port."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self._http = http
        self.address = address

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text; (0, "") where nobody answers."""
        try:
            async with self._http.get(f"http://{self.address}{path}") as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectionError:
            return 0, ""

    async def headers(self, path: str, accept: str = "*/*") -> Any:
        async with self._http.get(f"http://{self.address}{path}", headers={"Accept": accept}) as response:
            return response.headers

    async def samples(self) -> Samples:
        status, text = await self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name: str, **labels: str) -> float:
        """One number, 0 where there is none; summed over the labels that are not given."""
        wanted = labels.items()
        return sum(
            value for (found, has), value in (await self.samples()).items() if found == PREFIX + name and wanted <= has
        )


@dataclass(frozen=True, slots=True)
class System:
    """A gateway with its admin port, and a vCenter."""

    simulator: Simulator
    client: Client
    admin: Admin
    process: ProcessAdmin

    @property
    def gateway(self) -> Gateway:
        return self.client.gateway

    async def call(self, rpc: str, request: Any, **how: Any) -> str:
        """Makes a call and says how it ended."""
        try:
            await self.client.call(rpc, request, **how)
        except Failure as failure:
            return failure.code
        return "OK"


@contextlib.asynccontextmanager
async def running_system(
    options: SimulatorOptions | None = None,
    tls: tuple[ServerTls, grpc.ChannelCredentials] | None = None,
    **vcenter: Any,
) -> AsyncIterator[System]:
    """A started system, in this process. `vcenter` are further VCenterOptions."""
    async with Simulator(options) as simulator, aiohttp.ClientSession() as http:
        if simulator.thumbprint:
            vcenter["thumbprint"] = simulator.thumbprint
        options_of_vcenter = VCenterOptions(simulator.url, **vcenter)
        process = ProcessAdmin("127.0.0.1:0", options_of_vcenter)
        gateway = Gateway(
            options_of_vcenter,
            Admission(passthrough()),
            options=ServerOptions("127.0.0.1:0", grace_seconds=5),
            events=combined(*process.subscribers),
            tls=tls[0] if tls else None,
            contract=load_contract(),
        )
        admin = Admin(http, await process.start(gateway))
        try:
            async with gateway:
                process.not_ready = None
                address = f"127.0.0.1:{gateway.port}"
                channel = grpc.aio.secure_channel(address, tls[1]) if tls else grpc.aio.insecure_channel(address)
                async with channel:
                    yield System(simulator, Client(channel, gateway), admin, process)
        finally:
            await process.stop()


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running_system() as started:
        yield started


async def under_way(condition: Callable[[], bool], *calls: Any) -> list[asyncio.Task[str]]:
    """Starts calls and waits until they have come as far as the condition says."""
    tasks = [asyncio.create_task(call) for call in calls]
    await eventually(condition, "calls under way")
    return tasks


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GARBAGE\r\n\r\n", b"400", id="no-http"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA%b: b\r\n\r\n" % (b"a" * 20_000), b"400", id="long-header"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"400", id="path"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400", id="length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400", id="chunk"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", b"200", id="gzip"
        ),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;version=a\r\n\r\n", b"200", id="version"),
    ],
)
async def test_a_malformed_request(
    system: System, caplog: pytest.LogCaptureFixture, request_bytes: bytes, status: bytes
) -> None:
    """It gets one status, and leaves no traceback in the log."""
    host, _, port = system.admin.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_bytes)
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] == status
        writer.write_eof()
        await reader.read()
    writer.close()
    assert (await system.admin.get("/readyz"))[0] == 200
    assert not [record for record in caplog.records if record.exc_info]


async def test_rpcs(system: System) -> None:
    """Rpcs are counted by service, method and code; how long they took by service and method; those under way too."""
    await system.call(READ, READ_REQUEST)
    await system.call(READ, READ_REQUEST)
    await system.call(READ, {"vm": "vm-9999"})
    names = {"grpc_service": "vcenter.vm.v1.PowerService", "grpc_method": "GetPower"}
    assert await system.admin.value("rpcs_total", **names, grpc_code="OK") == 2
    assert await system.admin.value("rpcs_total", **names, grpc_code="NOT_FOUND") == 1
    assert await system.admin.value("rpc_duration_seconds_count", **names) == 3
    assert 0 < await system.admin.value("rpc_duration_seconds_sum", **names) < 10
    assert await system.admin.value("rpc_duration_seconds_bucket", **names, le="+Inf") == 3
    assert await system.admin.value("rpcs_in_flight") == 0
    system.simulator.faults.add(Fault("hang"), operation=READ_ID)
    [call] = await under_way(lambda: system.gateway.active_calls == 1, system.call(READ, READ_REQUEST, timeout=0.5))
    assert await system.admin.value("rpcs_in_flight") == 1
    assert await call == "DEADLINE_EXCEEDED"
    assert await system.admin.value("rpcs_total", **names, grpc_code="DEADLINE_EXCEEDED") == 1


async def test_calls_of_vcenter(system: System) -> None:
    """REST calls are counted by operation, and by status or the reason for which there is none; so are retries."""
    await system.call(START, START_REQUEST)
    await system.call(START, START_REQUEST)
    system.simulator.faults.add(Fault("reset_before"), operation=READ_ID)
    assert await system.call(READ, READ_REQUEST) == "OK"
    system.simulator.faults.add(Fault("reset_after"), operation=START_ID)
    assert await system.call(START, START_REQUEST) == "UNAVAILABLE"
    calls = partial(system.admin.value, "vcenter_calls_total")
    assert await calls(operation=START_OPERATION, status="204") == 1
    assert await calls(operation=START_OPERATION, status="400") == 1
    assert await calls(operation=START_OPERATION, status="VCENTER_CONNECTION_LOST") == 1
    assert await calls(operation=GET_OPERATION, status="VCENTER_CONNECTION_LOST") == 1
    assert await calls(operation=GET_OPERATION, status="200") == 1
    assert await calls(operation="POST /api/session", status="201") == 1
    assert await system.admin.value("vcenter_call_duration_seconds_count", operation=START_OPERATION) == 3
    assert await system.admin.value("vcenter_retries_total", operation=GET_OPERATION) == 1
    assert await system.admin.value("vcenter_retries_total", operation=START_OPERATION) == 0


async def test_cancelled_calls_of_vcenter(system: System) -> None:
    """A call that its caller cancels is counted on both sides."""
    system.simulator.faults.add(Fault("hang"), operation=READ_ID)
    [call] = await under_way(lambda: bool(system.simulator.record.of(READ_ID)), system.call(READ, READ_REQUEST))
    call.cancel()
    await eventually(lambda: system.gateway.active_calls == 0, "the end of the call")
    assert await system.admin.value("vcenter_calls_total", operation=GET_OPERATION, status="CANCELLED") == 1
    assert await system.admin.value("rpcs_total", grpc_code="CANCELLED") == 1


async def test_sessions(system: System) -> None:
    """Logins, rejected ones, open sessions, those that vCenter ended, and those that were renewed in time."""
    await system.call(READ, READ_REQUEST)
    await system.call(READ, READ_REQUEST, user="readonly@vsphere.local")
    await system.call(READ, READ_REQUEST, password="wrong")
    await system.call(READ, READ_REQUEST, password="wrong")
    assert await system.admin.value("session_logins_total") == 2
    assert await system.admin.value("session_logins_rejected_total") == 1
    assert await system.admin.value("sessions_open") == 2
    assert await system.admin.value("sessions_ended_total") == 0
    system.simulator.sessions.expire_all()
    await system.call(READ, READ_REQUEST)
    assert await system.admin.value("sessions_ended_total", cause="expired") == 1
    assert await system.admin.value("session_logins_total") == 3
    assert system.gateway.vcenter is not None
    pool = system.gateway.vcenter.sessions
    now = pool.now
    pool._clock = lambda: now() + timedelta(hours=1).total_seconds()
    now = asyncio.get_running_loop().time
    await system.call(READ, READ_REQUEST)
    assert await system.admin.value("sessions_ended_total", cause="renewed") == 1
    assert await system.admin.value("session_logins_total") == 4
    assert await system.admin.value("sessions_open") == 2


async def test_limiter() -> None:
    """Calls with vCenter, those that wait, those that were refused, and how many places there are."""
    async with running_system(max_concurrent_calls=1, max_waiting_calls=1) as system:
        await system.call(READ, READ_REQUEST)
        assert system.gateway.vcenter is not None
        limiter = system.gateway.vcenter.limiter
        system.simulator.faults.add(Fault("hang"), operation=READ_ID, times=None)
        calls = [system.call(READ, READ_REQUEST, timeout=2) for _ in range(2)]
        tasks = await under_way(lambda: limiter.waiting == 1, *calls)
        assert await system.call(READ, READ_REQUEST) == "RESOURCE_EXHAUSTED"
        for name, value in (("active", 1), ("waiting", 1), ("refused_total", 1), ("places", 1)):
            assert await system.admin.value(f"limiter_{name}") == value, name
        await asyncio.gather(*tasks)
        assert await system.admin.value("limiter_active") == 0
        assert await system.admin.value("limiter_waiting") == 0


async def test_breaker(system: System) -> None:
    """The state of the breaker is one of three, and the page says that vCenter does not answer."""
    await system.call(READ, READ_REQUEST)
    assert await system.admin.value("breaker_state", state="closed") == 1
    assert await system.admin.value("vcenter_usable") == 1
    assert "Answers" in (await system.admin.get("/"))[1]
    await system.simulator.stop()
    for _ in range(10):
        await system.call(START, START_REQUEST)
    assert await system.admin.value("breaker_state", state="open") == 1
    assert await system.admin.value("breaker_state") == 1
    assert await system.admin.value("vcenter_usable") == 0
    assert await system.admin.value("vcenter_calls_total", status="VCENTER_UNREACHABLE") > 0
    assert "Does not answer" in (await system.admin.get("/"))[1]
    assert (await system.admin.get("/readyz"))[0] == 200, "a gateway without its vCenter still serves"


async def test_transcoding_failures(system: System) -> None:
    """Requests that break the contract, and answers that do not fit it."""
    await system.call(READ, {})
    system.simulator.faults.add(Fault.answer([1, 2]), operation=READ_ID)
    await system.call(READ, READ_REQUEST)
    assert await system.admin.value("transcoding_failures_total", reason="REQUEST_INVALID") == 1
    assert await system.admin.value("transcoding_failures_total", reason="VCENTER_RESPONSE_INVALID") == 1


async def test_drift(system: System) -> None:
    """What a newer vCenter sends is counted by message and field, and its names do not grow without bound."""
    answer: dict[str, Any] = {"state": "POWERED_SIDEWAYS", "new": 1}
    system.simulator.faults.add(Fault.answer(answer), operation=READ_ID, times=2)
    await system.call(READ, READ_REQUEST)
    await system.call(READ, READ_REQUEST)
    drift = partial(system.admin.value, "schema_drift_total")
    assert await drift(message="vcenter.vm.v1.PowerInfo", field="new") == 2
    assert await drift(field="POWERED_SIDEWAYS") == 2
    many = {"state": "POWERED_ON", **{f"field_{number}": 1 for number in range(1100)}}
    system.simulator.faults.add(Fault.answer(many), operation=READ_ID)
    await system.call(READ, READ_REQUEST)
    series = [dict(labels) for name, labels in await system.admin.samples() if name == PREFIX + "schema_drift_total"]
    assert len(series) == 1000


async def test_drift_that_holds_a_secret(system: System) -> None:
    """What looks like no name, such as a secret that vCenter echoes, becomes neither a label nor a reason."""
    for answer in (
        {"state": "pass-word"},
        {"state": "POWERED_ON", "pass-word": 1},
        {"state": "POWERED_ON", "x" * 65: 1},
    ):
        system.simulator.faults.add(Fault.answer(answer), operation=READ_ID)
        await system.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault.error("pass-word"), operation=READ_ID)
    await system.call(READ, READ_REQUEST)
    drift = partial(system.admin.value, "schema_drift_total")
    assert await drift(message="vcenter.vm.v1.PowerState", field=OTHER_NAME) == 1
    assert await drift(message="vcenter.vm.v1.PowerInfo", field=OTHER_NAME) == 2
    for _, page in (await system.admin.get("/metrics"), await system.admin.get("/")):
        assert "pass-word" not in page


async def test_series_are_bounded(system: System) -> None:
    """However many machines, users, request ids and reasons there are, there are no more series."""

    async def calls(number: int) -> None:
        metadata = (("x-request-id", f"request-{number}"),)
        system.simulator.faults.add(Fault.error(f"NEW_ERROR_{number}"), operation=READ_ID)
        await system.call(READ, READ_REQUEST, metadata=metadata)
        await system.call(READ, {"vm": f"vm-{number}"}, metadata=metadata)
        await system.call(READ, READ_REQUEST, user=f"user-{number}@vsphere.local", metadata=metadata)
        system.simulator.faults.add(Fault.answer({}, status=430 + number), operation=START_ID)
        await system.call(START, START_REQUEST, metadata=metadata)

    await calls(90)
    before = set(await system.admin.samples())
    for number in range(91, 110):
        await calls(number)
    assert set(await system.admin.samples()) == before
    assert await system.admin.value("vcenter_calls_total", status="other") == 20
    text = (await system.admin.get("/metrics"))[1]
    for identifier in ("vm-90", "vm-1001", "request-", "user-", "NEW_ERROR", "vsphere.local"):
        assert identifier not in text


async def test_shared_reads(system: System) -> None:
    """What came of the reads whose callers accept an age, and how much is kept for them."""
    system.simulator.faults.add(Fault.latency(0.1), operation=READ_ID)
    header = (("cache-control", "max-age=30"),)
    for accepted in (header, (), header):
        await asyncio.gather(*(system.call(READ, READ_REQUEST, metadata=accepted) for _ in range(3)))
    found = {
        result: await system.admin.value("shared_reads_total", result=result) for result in ("miss", "joined", "hit")
    }
    assert found == {"miss": 1, "joined": 2, "hit": 3}
    assert await system.admin.value("shared_reads_bytes") > 0
    await system.call(START, READ_REQUEST)
    assert await system.admin.value("shared_reads_bytes") == 0


async def test_certificates(tmp_path: Path) -> None:
    """When the gateway's certificate ends, and vCenter's as it was seen."""
    authority = Authority()
    pair = authority.issue("gateway", names=["127.0.0.1"])
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    tls = ServerTls(str(certificate), str(key)), grpc.ssl_channel_credentials(authority.certificate)
    async with running_system(SimulatorOptions(tls=True), tls) as system:
        expiry = partial(system.admin.value, "certificate_expiry_timestamp_seconds")
        own = x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc.timestamp()
        assert await expiry(certificate="gateway") == own
        assert await expiry(certificate="vcenter") == 0
        assert await system.call(READ, READ_REQUEST) == "OK"
        assert system.simulator.certificate_pem is not None
        theirs = x509.load_pem_x509_certificate(system.simulator.certificate_pem.encode()).not_valid_after_utc
        assert await expiry(certificate="vcenter") == theirs.timestamp()
        page = (await system.admin.get("/"))[1]
        assert "Gateway's certificate" in page
        assert "expires soon" in page, "it is valid for an hour"


async def test_all_metrics(system: System) -> None:
    """What is exposed is exactly what is documented."""
    text = (await system.admin.get("/metrics"))[1]
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert kinds == {family.full_name: family.kind for family in FAMILIES}
    assert all(family.full_name.startswith(PREFIX) for family in FAMILIES)
    assert metrics_table() in DOCUMENT.read_text(encoding="utf-8")
    assert await system.admin.value("build_info", version=__version__) == 1


async def test_page(system: System) -> None:
    """The page tells a person what is going on, loads nothing, and lets nobody put markup into it."""
    assert "No rpc has been called yet" in (await system.admin.get("/"))[1]
    metadata = (("x-request-id", "<script>alert(1)</script>"),)
    for _ in range(30):
        await system.call(START, {"vm": "vm-1001"})
    await system.call(READ, READ_REQUEST)
    await system.call(READ, {"vm": "vm-9999"}, metadata=metadata)
    status, page = await system.admin.get("/")
    assert status == 200
    assert page.count("FAILED_PRECONDITION<br>") == 1, "equal errors stand together"
    assert 'data-is="count">30</td>' in page
    for text in (
        f"Version {__version__}",
        "up ",
        system.simulator.url,
        "Serving",
        f"API {NEWEST.version}",
        "circuit breaker closed",
        "1 login, 0 rejected",
        "of 64",
        "ALREADY_IN_DESIRED_STATE",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "PowerService/StartVm</code>",
        "<svg",
    ):
        assert text in page, text
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!/(?:metrics|healthz|readyz)\")", page)
    headers = await system.admin.headers("/")
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cache-Control"] == "no-store"


async def test_no_secrets(system: System) -> None:
    """Neither the page nor the metrics hold a password, a session, or who called; the machine is on the page alone."""
    guest = {"type": 1, "interactive_session": False, "user_name": "guest-of-theirs", "password": "hunter2-guest"}
    own = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD).identifier
    await system.call(READ, READ_REQUEST)
    await system.call(LIST_PROCESSES, {"vm": "vm-1001", "credentials": guest})
    await system.call(READ, READ_REQUEST, password="hunter2-vcenter")
    await system.call(READ, READ_REQUEST, user=None, metadata=(("vmware-api-session-id", own),))
    await system.call(READ, READ_REQUEST, user=None, metadata=(("vmware-api-session-id", f"{own}x"),))
    await system.call(READ, READ_REQUEST, user=None, metadata=(("authorization", "Bearer planted-token"),))
    sessions = {call.headers.get("vmware-api-session-id", "") for call in system.simulator.record} - {""}
    words = {PASSWORD, "hunter2", "planted-token", ADMINISTRATOR, "guest-of-theirs"}
    encoded = {b64encode(word.encode()).decode().rstrip("=") for word in words}
    basics = {Basic(ADMINISTRATOR, word).header.removeprefix("Basic ") for word in (PASSWORD, "hunter2-vcenter")}
    text = "".join([(await system.admin.get(path))[1] for path in ("/", "/metrics", "/healthz", "/readyz")])
    assert len(sessions) >= 3
    assert [word for word in words | encoded | basics | sessions if word in text] == []
    assert "vm-1001" not in (await system.admin.get("/metrics"))[1]


async def test_formats(system: System) -> None:
    """A scraper that asks for OpenMetrics gets it, others get Prometheus's own format."""
    for accept, content_type in (
        ("*/*", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0"),
    ):
        assert (await system.admin.headers("/metrics", accept))["Content-Type"].startswith(content_type)
    assert (await system.admin.get("/nothing"))[0] == 404


async def test_before_the_start() -> None:
    """A gateway that starts is alive and not ready, and says so."""
    vcenter = VCenterOptions("http://127.0.0.1:9")
    gateway = Gateway(vcenter, Admission(passthrough()))
    process = ProcessAdmin("127.0.0.1:0", vcenter)
    async with aiohttp.ClientSession() as http:
        admin = Admin(http, await process.start(gateway))
        assert await admin.get("/healthz") == (200, "ok\n")
        assert await admin.get("/readyz") == (503, "the gateway is starting\n")
        assert "Not ready" in (await admin.get("/"))[1]
        await process.stop()
        assert await admin.get("/healthz") == (0, "")


@contextlib.asynccontextmanager
async def served(folder: Path, *arguments: str) -> AsyncIterator[tuple[Running, Admin]]:
    """`serve` with an admin port in a process of its own, and what one sees there."""
    async with running(folder, *SERVE, *arguments) as process, aiohttp.ClientSession() as http:
        address = (await process.wait_for(r"serving .*, admin port http://(127\.0\.0\.1:\d+)"))[1]
        yield process, Admin(http, address)


async def becomes(admin: Admin, status: int, seconds: float = 20) -> str:
    """Waits until /readyz has a status, and returns its text."""
    async with asyncio.timeout(seconds):
        while True:
            found, text = await admin.get("/readyz")
            if found == status:
                return text
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_readiness(tmp_path: Path, workers: str) -> None:
    """Ready while the gateway serves; not any more from the moment the stop begins, while calls are still taken."""
    async with served(tmp_path, "--settle-seconds", "1", "--workers", workers) as (process, admin):
        assert await becomes(admin, 200) == "ok\n"
        process.process.send_signal(signal.SIGTERM)
        assert await becomes(admin, 503, 0.9) == "the gateway is stopping\n"
        assert (await admin.get("/healthz"))[0] == 200
        assert process.process.poll() is None
        assert await process.end() == 0
        assert await admin.get("/readyz") == (0, "")


async def calls_from_many(process: Running, count: int, request: dict[str, str]) -> list[str]:
    """Makes calls over connections of their own, so that the workers share them."""
    address = (await process.wait_for(r"serves .* on (127\.0\.0\.1:\d+)\."))[1]
    binding = load_contract().methods[READ]
    classes = load_contract().message_class

    async def call() -> str:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub: Any = channel.unary_unary(
                f"/{READ}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=classes(binding.output_type).FromString,
            )
            try:
                await stub(classes(binding.input_type)(**request), timeout=20)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        return "OK"

    return list(await asyncio.gather(*(call() for _ in range(count))))


async def test_workers(tmp_path: Path) -> None:
    """One admin port shows the sum over all workers. One that dies makes the gateway unready until another is there,
    which goes on counting; its gauges do not outlive it."""
    async with served(tmp_path, "--workers", "2") as (process, admin):
        await becomes(admin, 200)
        assert await calls_from_many(process, 24, {"vm": "vm-1001"}) == ["OK"] * 24
        assert await calls_from_many(process, 24, {"vm": "vm-9999"}) == ["NOT_FOUND"] * 24
        assert await admin.value("rpcs_total", grpc_code="OK") == 24
        assert await admin.value("rpcs_total", grpc_code="NOT_FOUND") == 24
        assert await admin.value("rpc_duration_seconds_count") == 48
        await eventually_value(admin, "limiter_places", 128)
        await eventually_value(admin, "breaker_state", 2)
        await eventually_value(admin, "session_logins_total", 2)  # One each: both have had calls.
        assert await admin.value("sessions_open") == 2
        assert await admin.value("build_info") == 1

        victim = int((await process.wait_for(r"worker 1 started with process id (\d+)"))[1])
        os.kill(victim, signal.SIGKILL)
        assert await becomes(admin, 503) == "not ready: worker 1 of 2\n"
        assert await admin.value("limiter_places") == 64
        assert await admin.value("rpcs_total") == 48
        await becomes(admin, 200)
        assert await calls_from_many(process, 8, {"vm": "vm-1001"}) == ["OK"] * 8
        assert await admin.value("rpcs_total") == 56
        await eventually_value(admin, "limiter_places", 128)
        page = (await admin.get("/"))[1]
        assert "2 workers" in page
        assert page.count(">NOT_FOUND<br>") == 1, "equal errors stand together"
        assert 'data-is="count">24</td>' in page
        assert f"API {NEWEST.version}" in page
        assert await process.end(signal.SIGTERM) == 0


WATCH = "vcenter.gateway.v1.GatewayService/WatchGateway"


async def test_streams_of_workers(tmp_path: Path) -> None:
    """Streams of several workers are added up, the oldest one counts; those of a worker that dies are no longer open,
    and what was counted stays."""
    async with served(tmp_path, "--workers", "2") as (process, admin), contextlib.AsyncExitStack() as stack:
        await becomes(admin, 200)
        address = (await process.wait_for(r"serves .* on (127\.0\.0\.1:\d+)\."))[1]
        streams = []
        for _ in range(24):  # Each on a connection of its own, so that the workers share them.
            channel = await stack.enter_async_context(
                grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            stream = channel.unary_stream(f"/{WATCH}")(b"")
            assert await stream.read()
            streams.append(stream)
        await eventually_value(admin, "streams_open", 24)
        assert await admin.value("stream_messages_total", grpc_method="WatchGateway") == 24
        oldest = await admin.value("streams_oldest_seconds")
        assert 0 < oldest < 60
        for stream in streams[-4:]:
            stream.cancel()
        await eventually_value(admin, "streams_open", 20)
        assert await admin.value("rpcs_total", grpc_method="WatchGateway", grpc_code="CANCELLED") == 4
        assert await admin.value("stream_duration_seconds_count", grpc_method="WatchGateway") == 4
        assert await admin.value("streams_oldest_seconds") > oldest

        os.kill(int((await process.wait_for(r"worker 1 started with process id (\d+)"))[1]), signal.SIGKILL)
        assert await becomes(admin, 503) == "not ready: worker 1 of 2\n"
        left = await admin.value("streams_open")
        assert 0 < left < 20
        assert await admin.value("stream_messages_total", grpc_method="WatchGateway") >= 24
        await becomes(admin, 200)
        assert await admin.value("streams_open") == left
        assert await process.end(signal.SIGTERM) == 0


async def eventually_value(admin: Admin, name: str, expected: float) -> None:
    """Workers write what they keep once a second."""
    async with asyncio.timeout(10):
        while True:
            if await admin.value(name) == expected:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_port_in_use(workers: str) -> None:
    """A port in use stops the start, and the message names it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = await run(*SERVE[:4], "--admin-listen", address, "--workers", workers)
    assert ended.code == 1
    assert f"error: the admin port cannot listen on {address}: Address already in use" in ended.words
    assert "Traceback" not in ended.words


@pytest.mark.parametrize(
    ("address", "words"),
    [("nonsense", "HOST:PORT"), ("127.0.0.1:50051", "must differ from the port of the gRPC server")],
)
def test_wrong_addresses(address: str, words: str) -> None:
    """An address that cannot work stops the start with a sentence."""
    with pytest.raises(SettingsError, match=words):
        load_settings({"simulator": True, "admin-listen": address}, {})


def test_no_admin_port_unless_asked_for() -> None:
    """Without the setting, nothing is counted and nothing listens."""
    assert load_settings({"simulator": True}, {}).admin.listen is None


def test_quantiles() -> None:
    """Quantiles are estimated evenly within a bucket, and never beyond the last bound that is one."""
    buckets = [(1.0, 5.0), (2.0, 10.0), (float("inf"), 11.0)]
    assert quantile(buckets, 0.25) == pytest.approx(0.55)
    assert quantile(buckets, 0.75) == pytest.approx(1.65)
    assert quantile(buckets, 0.99) == 2.0
    assert quantile([], 0.5) == 0.0
