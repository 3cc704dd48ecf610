"""Whom the gateway and the command line trust as vCenter, and what they say of a certificate that they do not."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.errors import GatewayError, Reason
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.client import VCenter
from tests.calls import call_of
from tests.integration.harness import PASSWORD
from tests.integration.raw_vcenter import raw_vcenter, silence

Call = Callable[[], Awaitable[Any]]
"""A call that counts as a change."""
Connect = Callable[[VCenterOptions], AbstractAsyncContextManager[Call]]
MakeCall = Callable[..., Awaitable[None]]
IDENTITY = Basic("administrator@vsphere.local", PASSWORD)
CONTRACT = load_contract()
OPERATION = "com.vmware.vcenter.vm.console.tickets.create"
BINDING = compile_bindings(CONTRACT)["vcenter.vm.console.v1.TicketsService/CreateTicket"]
REQUEST: Any = BINDING.request_class(vm="vm-1001")
REQUEST.spec.type = 1


@asynccontextmanager
async def with_asyncio(options: VCenterOptions) -> AsyncIterator[Call]:
    """The client of the gateway."""
    vcenter = VCenter(options, CONTRACT)
    try:
        yield lambda: vcenter.call(replace(call_of(BINDING, credential=IDENTITY, timeout=10.0), message=REQUEST))
    finally:
        await vcenter.close()


@asynccontextmanager
async def blocking(options: VCenterOptions) -> AsyncIterator[Call]:
    """The client of the command line."""
    vcenter = BlockingVCenter(options, IDENTITY, CONTRACT)
    try:
        yield lambda: asyncio.to_thread(vcenter.call, BINDING, REQUEST, 10.0)
    finally:
        await asyncio.to_thread(vcenter.close)


@pytest.fixture(params=[with_asyncio, blocking])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes a client, of either kind."""
    client: Connect = request.param
    return client


@pytest.fixture
def make_call(connect: Connect) -> MakeCall:
    """Makes one call with a client of its own."""

    async def call_once(url: str, **options: Any) -> None:
        async with connect(VCenterOptions(url, **options)) as call:
            await call()

    return call_once


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulated vCenter with HTTPS. Its certificate is for 127.0.0.1 and localhost, and it listens on more."""
    async with Simulator(SimulatorOptions(tls=True, host="0.0.0.0")) as running:  # noqa: S104 - for 127.0.0.2
        yield running


def certificate_of(simulator: Simulator, folder: Path) -> str:
    """A file with the simulator's certificate."""
    path = folder / "ca.pem"
    path.write_text(simulator.certificate_pem or "", encoding="ascii")
    return str(path)


async def refused(call: Awaitable[Any], simulator: Simulator) -> str:
    """Asserts that the certificate was refused before anything was sent, and returns the message."""
    with pytest.raises(GatewayError) as caught:
        await call
    assert (caught.value.failure.code, caught.value.failure.reason) == (
        code_pb2.UNAVAILABLE,
        Reason.VCENTER_CERTIFICATE_INVALID,
    )
    assert "may_have_executed" not in caught.value.failure.metadata
    assert len(simulator.record) == 0
    return caught.value.failure.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_trusted_authority(make_call: MakeCall, simulator: Simulator, tmp_path: Path, host: str) -> None:
    """A certificate that is signed by the configured authority and is for the host of the URL is trusted."""
    await make_call(f"https://{host}:{simulator.port}", ca_file=certificate_of(simulator, tmp_path))
    assert [call.executed for call in simulator.record.of(OPERATION)] == [True]
    assert simulator.sessions.counts()["open"] == 0


async def test_the_authority_that_vcenter_offers(make_call: MakeCall, simulator: Simulator, tmp_path: Path) -> None:
    """What vCenter offers for download, without a session and before anything is trusted, is what the gateway needs."""
    way = ["curl", "--silent", "--show-error", "--fail", "--insecure", f"{simulator.url}/certs/download.zip"]
    download = await asyncio.create_subprocess_exec(*way, stdout=asyncio.subprocess.PIPE)
    content, _ = await download.communicate()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = [name for name in archive.namelist() if fnmatch(name, "certs/lin/*.0")]
        (tmp_path / "ca.pem").write_bytes(archive.read(name))
    await make_call(f"https://localhost:{simulator.port}", ca_file=str(tmp_path / "ca.pem"))


async def test_unknown_authority(make_call: MakeCall, simulator: Simulator) -> None:
    """Without configuration a self-signed certificate is refused, and the message says that this is why."""
    message = await refused(make_call(simulator.url), simulator)
    assert message == "vCenter's certificate was rejected: self-signed certificate"


async def test_another_authority(make_call: MakeCall, simulator: Simulator, tmp_path: Path) -> None:
    """A certificate of somebody else, even under the same name, is refused."""
    async with Simulator(SimulatorOptions(tls=True)) as other:
        ca_file = certificate_of(other, tmp_path)
    message = await refused(make_call(simulator.url, ca_file=ca_file), simulator)
    assert message == "vCenter's certificate was rejected: self-signed certificate"


async def test_another_host(make_call: MakeCall, simulator: Simulator, tmp_path: Path) -> None:
    """A trusted certificate that is for another host is refused, and the message says which host is not in it."""
    url = f"https://127.0.0.2:{simulator.port}"
    message = await refused(make_call(url, ca_file=certificate_of(simulator, tmp_path)), simulator)
    assert "certificate is not valid for '127.0.0.2'" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_right_thumbprint(make_call: MakeCall, simulator: Simulator, host: str) -> None:
    """A certificate with the configured thumbprint is trusted, whoever signed it and whatever host it is for."""
    await make_call(f"https://{host}:{simulator.port}", thumbprint=simulator.thumbprint)
    assert [call.executed for call in simulator.record.of(OPERATION)] == [True]


async def test_wrong_thumbprint(make_call: MakeCall, simulator: Simulator, tmp_path: Path) -> None:
    """Any other certificate is refused, even a trusted one, and the message has the thumbprint that was found."""
    ca_file = certificate_of(simulator, tmp_path)
    message = await refused(make_call(simulator.url, ca_file=ca_file, thumbprint="0f" * 32), simulator)
    assert (simulator.thumbprint or "") in message.replace(":", "")


async def test_a_certificate_that_changes(connect: Connect) -> None:
    """The thumbprint is compared for each connection, not only for the first one of a client."""
    async with Simulator(SimulatorOptions(tls=True)) as first:
        options = VCenterOptions(first.url, thumbprint=first.thumbprint)
        async with connect(options) as call:
            await call()
            await first.stop()
            async with Simulator(SimulatorOptions(tls=True, port=first.port)) as second:
                await refused(call(), second)


async def test_no_verification(make_call: MakeCall, simulator: Simulator) -> None:
    """With the verification off, any certificate for any host will do."""
    await make_call(f"https://127.0.0.2:{simulator.port}", verify=False)
    assert [call.executed for call in simulator.record.of(OPERATION)] == [True]


async def test_no_tls_at_all(make_call: MakeCall) -> None:
    """A server that does not speak TLS gets nothing."""
    async with Simulator() as simulator:
        with pytest.raises(GatewayError) as caught:
            await make_call(simulator.url.replace("http:", "https:"))
        assert (caught.value.failure.code, caught.value.failure.reason) == (
            code_pb2.UNAVAILABLE,
            Reason.VCENTER_UNREACHABLE,
        )
        assert "may_have_executed" not in caught.value.failure.metadata
        assert len(simulator.record) == 0


async def test_a_handshake_without_end(make_call: MakeCall) -> None:
    """A server that takes the connection and says nothing ends in the timeout for connections; nothing was sent."""
    async with raw_vcenter(silence) as vcenter:
        with pytest.raises(GatewayError) as caught:
            await make_call(vcenter.url.replace("http:", "https:"), connect_timeout=0.2)
    assert (caught.value.failure.code, caught.value.failure.reason) == (code_pb2.UNAVAILABLE, Reason.VCENTER_TIMEOUT)
    assert "may_have_executed" not in caught.value.failure.metadata


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "cut_body"])
async def test_a_connection_that_breaks(make_call: MakeCall, simulator: Simulator, kind: str) -> None:
    """A connection that breaks after the call was sent is not taken for a matter of certificates."""
    simulator.faults.add(Fault(kind), operation=OPERATION)
    with pytest.raises(GatewayError) as caught:
        await make_call(simulator.url, thumbprint=simulator.thumbprint)
    assert (caught.value.failure.code, caught.value.failure.reason) == (
        code_pb2.UNAVAILABLE,
        Reason.VCENTER_CONNECTION_LOST,
    )
    assert caught.value.failure.metadata["may_have_executed"] == "true"
    assert len(simulator.record.of(OPERATION)) == 1
