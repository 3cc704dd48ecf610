"""Copies of files in the largest allowed pieces, several at the same time, to and from clients that are slower than
vCenter: each needs less than 4 MiB of the gateway's memory, whatever the size of the file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.live.guest_files import MAX_CHUNK
from gateway.simulator import Simulator, SimulatorOptions
from tests.integration.guests import DOWNLOAD, LINUX, ROOT, UPLOAD
from tests.integration.processes import running

MIB = 1024 * 1024
SIZE = 24 * MIB
AT_ONCE = 4
MAX_GROWTH = 4 * MIB
PAUSE = 0.02
IDENTITY = (("authorization", Basic("administrator@vsphere.local", "VMware1!").header),)
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

Copy = Callable[[Any, str], Awaitable[None]]


def message(name: str, **fields: Any) -> bytes:
    return load_contract().message_class(f"vcenter.gateway.v1.{name}")(**fields).SerializeToString()


async def upload(channel: Any, path: str, pause: float = PAUSE) -> None:
    async def requests() -> AsyncIterator[bytes]:
        yield message("UploadFileRequest", start={"vm": LINUX, "credentials": ROOT, "path": path, "size": SIZE})
        for _ in range(SIZE // MAX_CHUNK):
            yield message("UploadFileRequest", chunk=bytes(MAX_CHUNK))
            await asyncio.sleep(pause)

    await channel.stream_unary(f"/{UPLOAD}")(requests(), metadata=IDENTITY)


async def download(channel: Any, path: str) -> None:
    request = message("DownloadFileRequest", vm=LINUX, credentials=ROOT, path=path, chunk_size=MAX_CHUNK)
    received = 0
    async for answer in channel.unary_stream(f"/{DOWNLOAD}")(request, metadata=IDENTITY):
        received += len(answer)
        await asyncio.sleep(PAUSE)
    assert received >= SIZE


def memory_now(pid: int) -> int:
    """The current memory, from which the peak is counted again."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return memory(pid, "VmRSS")


def memory(pid: int, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("copy", [upload, download])
async def test_memory_of_copies(copy: Copy, tmp_path: Path) -> None:
    """What several concurrent copies need, beyond what sequential ones have left behind."""
    async with (
        Simulator(SimulatorOptions()) as simulator,
        running(tmp_path, "serve", "--vcenter", simulator.url, "--listen", "127.0.0.1:0") as process,
    ):
        found = await process.wait_for(r"on port (\d+)|on 127\.0\.0\.1:(\d+)")
        address, pid = f"127.0.0.1:{found[1] or found[2]}", process.process.pid
        channels = [grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(AT_ONCE)]
        paths = [f"/root/file-{number}" for number in range(AT_ONCE)]
        for channel, path in zip(channels, paths, strict=True):
            await upload(channel, path, pause=0)
        await download(channels[0], paths[0])
        before = memory_now(pid)
        new = [f"{path}-{copy.__name__}" for path in paths] if copy is upload else paths
        await asyncio.gather(*(copy(channel, path) for channel, path in zip(channels, new, strict=True)))
        growth = (memory(pid, "VmHWM") - before) / AT_ONCE
        assert growth < MAX_GROWTH, f"{growth / MIB:.1f} MiB for each copy"
        for channel in channels:
            await channel.close()
