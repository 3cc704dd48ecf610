"""vCenter behind an HTTP proxy: the gateway's client, its blocking twin, and `check`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from gateway.calls import SessionId
from gateway.errors import Failure, Reason
from gateway.simulator import Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, READ, START
from tests.integration.processes import run
from tests.integration.raw_vcenter import Answer, http, raw_vcenter, saying, silence
from tests.integration.test_twins import assert_same, told, told_by_twin

MINE = SessionId("of-the-caller")


class Proxy:
    """Makes tunnels, and remembers to where."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            line, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").partition("\r\n")
            self.asked.append(line)
            method, target, _ = line.split(" ")
            assert (method, rest) == ("CONNECT", f"Host: {target}\r\n\r\n")
            host, _, port = target.rpartition(":")
            there, back = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until one side ends, and then ends the other one."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy on a free port."""
    found = Proxy()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        await found.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield found
    await asyncio.wait(serving, timeout=10)


Tell = Callable[[VCenterOptions, str, str, SessionId, float], Awaitable[Failure]]


@pytest.mark.parametrize("tell", [told, told_by_twin], ids=["gateway", "twin"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_through_a_proxy(tell: Tell, tls: bool, tmp_path: Path) -> None:
    """The proxy gets the name and port of vCenter and nothing else; vCenter's certificate is that of vCenter."""
    async with Simulator(SimulatorOptions(tls=tls)) as simulator, proxy() as through:
        ca = tmp_path / "ca.pem"
        ca.write_text(simulator.certificate_pem or "", encoding="ascii")
        options = VCenterOptions(simulator.url, ca_file=str(ca) if tls else None, proxy=through.address)
        assert (await tell(options, READ, "vm-1001", MINE, 10.0)).reason == "UNAUTHENTICATED"
        assert len(simulator.record) == 1
        port = simulator.url.rpartition(":")[2]
        assert through.asked == [f"CONNECT 127.0.0.1:{port} HTTP/1.1"]
        if tls:
            untrusted = VCenterOptions(simulator.url, proxy=through.address)
            failure = await tell(untrusted, READ, "vm-1001", MINE, 10.0)
            assert failure.reason == Reason.VCENTER_CERTIFICATE_INVALID
            assert len(simulator.record) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(saying(b""), "the proxy closed the connection", id="nothing"),
        pytest.param(saying(b"220 mail.example.com\r\n\r\n"), "the proxy's response is not HTTP", id="no-http"),
        pytest.param(
            http("407 Proxy Authentication Required", b"<html>", "text/html"),
            "the proxy refused the connection with HTTP 407",
            id="wants-a-password",
        ),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000), "too large", id="endless"),
        pytest.param(
            saying(b'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"state":"POWERED_ON"}'),
            "the proxy sent more than its response",
            id="answers-itself",
        ),
    ],
)
async def test_a_proxy_that_makes_no_tunnel(answer: Answer, text: str, scheme: str) -> None:
    """The call was not sent, and its caller reads why; both clients say the same."""
    async with raw_vcenter(answer) as wrong:
        address = wrong.url.partition("//")[2]
        found = await assert_same(VCenterOptions(f"{scheme}://vcenter.invalid", proxy=address), START, credential=MINE)
    assert (found.code_name, found.reason) == ("UNAVAILABLE", Reason.VCENTER_UNREACHABLE)
    assert found.message.startswith(f"vCenter cannot be reached through the proxy {address}: ")
    assert text in found.message
    assert not found.may_have_executed


async def test_a_proxy_that_does_not_answer() -> None:
    """A connection through it may take as long as any other."""
    async with raw_vcenter(silence) as wrong:
        options = VCenterOptions("http://vcenter.invalid", proxy=wrong.url.partition("//")[2], connect_timeout=0.3)
        found = await assert_same(options, START, credential=MINE)
    assert found.reason == Reason.VCENTER_TIMEOUT
    assert not found.may_have_executed


async def test_a_proxy_that_is_down() -> None:
    """The proxy is named, and not vCenter alone."""
    found = await assert_same(VCenterOptions("http://vcenter.invalid", proxy="127.0.0.1:1"), START, credential=MINE)
    assert found.message == "vCenter cannot be reached through the proxy 127.0.0.1:1: Connection refused"


async def test_check(tmp_path: Path) -> None:
    """`check` goes through the proxy step by step, and says so."""
    async with Simulator(SimulatorOptions(tls=True)) as simulator, proxy() as through:
        ca = tmp_path / "ca.pem"
        ca.write_text(simulator.certificate_pem or "", encoding="ascii")
        arguments = ("--vcenter", simulator.url, "--vcenter-ca-file", str(ca), "--vcenter-proxy", through.address)
        ended = await run("check", *arguments, "--user", ADMINISTRATOR, password=PASSWORD)
    assert ended.code == 0, ended.words
    assert "the proxy 127.0.0.1 is 127.0.0.1" in ended.words
    assert f"port {through.address.rpartition(':')[2]} of the proxy 127.0.0.1 accepts connections" in ended.words
    assert "20 virtual machines are visible" in ended.words


async def test_call() -> None:
    """So does `call`."""
    async with Simulator() as simulator, proxy() as through:
        arguments = ("--vcenter", simulator.url, "--vcenter-proxy", through.address, "--user", ADMINISTRATOR)
        ended = await run("call", *arguments, READ, '{"vm": "vm-1001"}', password=PASSWORD)
    assert ended.code == 0, ended.words
    assert "POWERED_ON" in ended.stdout
    assert through.asked
