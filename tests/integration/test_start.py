"""What `serve` says at its start to whoever set it up, before any caller meets it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.server.gateway import VCENTER_HEALTH
from gateway.simulator import Simulator, SimulatorOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.processes import running
from tests.integration.test_serving import READY, SERVE, channel_to


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    """The log says it at the start, once for all workers, with what to do about it. Health and metrics of all workers
    say that vCenter cannot be called, before any caller has tried."""
    admin = ("--workers", "2", "--admin-listen", "127.0.0.1:0")
    async with (
        Simulator(SimulatorOptions(tls=True)) as simulator,
        running(tmp_path, *SERVE, "--vcenter", simulator.url, *admin) as process,
        aiohttp.ClientSession() as http,
    ):
        await process.wait_for("certificate is not trusted")
        await process.wait_for(READY)
        address = (await process.wait_for(r"admin port http://(127\.0\.0\.1:\d+)"))[1]
        async with asyncio.timeout(30):
            metrics = ""
            while "\nvcenter_gateway_vcenter_usable 0.0\n" not in metrics:
                async with http.get(f"http://{address}/metrics") as response:
                    metrics = await response.text()
        async with channel_to(process) as channel:
            asked = health_pb2.HealthCheckRequest(service=VCENTER_HEALTH)
            health = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=20)
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await process.end(signal.SIGTERM) == 0
    [line] = [line for line in process.logs() if "not trusted" in line["event"]]
    assert line["level"] == "warning"
    assert "--vcenter-ca-file" in line["event"]
    assert f"--vcenter-thumbprint {simulator.thumbprint}" in line["event"]


@pytest.mark.parametrize("count", ["1", "3"])
async def test_a_service_account_that_is_refused(tmp_path: Path, count: str) -> None:
    """The log says it at the start. One worker alone tries, since vCenter locks accounts."""
    password = tmp_path / "password"
    password.write_text("hunter2-wrong")
    account = ("--auth-mode", "service-account", "--auth-user", ADMINISTRATOR, "--auth-password-file", str(password))
    async with Simulator() as simulator:
        arguments = ("--vcenter", simulator.url, *account, "--workers", count)
        async with running(tmp_path, *SERVE, *arguments) as process:
            await process.wait_for("vCenter refused the service account")
            await process.wait_for(READY)
            assert await process.end(signal.SIGTERM) == 0
        assert sum((call.method, call.target) == ("POST", "/api/session") for call in simulator.record) == 1
    [line] = [line for line in process.logs() if "refused the service account" in line["event"]]
    assert line["level"] == "error"
    assert ADMINISTRATOR in line["event"]
    assert str(password) in line["event"]
    assert "hunter2" not in process.stdout + process.stderr


@pytest.mark.parametrize(
    ("variables", "warned"),
    [
        pytest.param({"http_proxy": "http://me:hunter2@proxy:3128"}, "http_proxy", id="lower case"),
        pytest.param({"HTTP_PROXY": "http://me:hunter2@proxy:3128"}, "HTTP_PROXY", id="upper case"),
        pytest.param({"ALL_PROXY": "socks5://me:hunter2@proxy:1080"}, "ALL_PROXY", id="for everything"),
        pytest.param({"HTTPS_PROXY": "http://me:hunter2@proxy:3128"}, None, id="for another scheme"),
        pytest.param({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "127.0.0.1"}, None, id="not for this host"),
        pytest.param({"HTTP_PROXY": ""}, None, id="empty"),
    ],
)
async def test_proxies(tmp_path: Path, variables: dict[str, str], warned: str | None) -> None:
    """A proxy that the environment names is not used. The log says so by the variable's name, which may hold a
    password."""
    async with (
        Simulator() as simulator,
        running(tmp_path, *SERVE, "--vcenter", simulator.url, variables=variables) as process,
    ):
        await process.wait_for(READY)
        assert await process.end(signal.SIGTERM) == 0
    found = [line["event"] for line in process.logs() if "PROXY" in line["event"].upper()]
    assert len(found) == (warned is not None)
    assert not warned or f"variable {warned} is ignored" in found[0]
    assert "hunter2" not in process.stdout + process.stderr
