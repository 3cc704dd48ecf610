"""Copies a file to and from a guest through the gateway, beside curl at the same URL.

    python -m tests.bench.copying [BYTES [MB/s]]

Prints, of each direction, the throughput of both in MB/s and how much the gateway's memory grew. One GiB takes seconds
and proves that nothing of the file is kept. The second number is how fast the host's network is; without it, both are
as fast as this machine.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc.aio

from gateway.contract import load_contract

_SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 1024**3
_PIECE = 256 * 1024
_ROUNDS = 3
_SERVICE = "vcenter.gateway.v1.GuestService"
_IDENTITY = (("authorization", "Basic YTpi"),)
_CREDENTIALS = {
    "interactive_session": False,
    "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
    "user_name": "root",
    "password": "x",
}


def _message(name: str, **fields: Any) -> bytes:
    return load_contract().message_class(f"vcenter.gateway.v1.{name}")(**fields).SerializeToString()


async def _download(channel: Any) -> int:
    call = channel.unary_stream(f"/{_SERVICE}/DownloadFile")
    request = _message("DownloadFileRequest", vm="vm-1", credentials=_CREDENTIALS, path=f"/{_SIZE}", chunk_size=_PIECE)
    return sum([len(message) async for message in call(request, metadata=_IDENTITY)])


async def _upload(channel: Any) -> int:
    start = {"vm": "vm-1", "credentials": _CREDENTIALS, "path": "/new", "size": _SIZE}
    first, piece = _message("UploadFileRequest", start=start), _message("UploadFileRequest", chunk=bytes(_PIECE))

    async def requests() -> Any:
        yield first
        for _ in range(_SIZE // _PIECE):
            yield piece

    await channel.stream_unary(f"/{_SERVICE}/UploadFile")(requests(), metadata=_IDENTITY)
    return _SIZE


def _url(vcenter: str, **spec: Any) -> str:
    body = json.dumps({"credentials": {}, "spec": {"path": f"/{_SIZE}", **spec}}).encode()
    address = f"{vcenter}/api/vcenter/vm/vm-1/guest/filesystem?action=create"
    with urllib.request.urlopen(urllib.request.Request(address, body, method="POST")) as answer:  # noqa: S310
        url: str = json.load(answer)
        return url


def _curl(vcenter: str, direction: str) -> None:
    if direction == "download":
        subprocess.run(["/usr/bin/curl", "-s", "-o", "/dev/null", _url(vcenter)], check=True)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(_SIZE)  # A hole, which is read as zeros.
        command = ["/usr/bin/curl", "-s", "-H", "Expect:", "-T", file.name, _url(vcenter, attributes={})]
        subprocess.run(command, check=True)


def _memory_now(pid: int) -> int:
    """Of this moment, from which on the most is counted anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return _memory(pid, "VmRSS")


def _memory(pid: int, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


async def _measure(gateway: int, address: str, vcenter: str) -> None:
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        for name, copy in (("download", _download), ("upload", _upload)):
            best = {"gateway": 0.0, "curl": 0.0}
            await copy(channel)  # Once for everything that is loaded late.
            before = _memory_now(gateway)
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                assert await copy(channel) >= _SIZE
                best["gateway"] = max(best["gateway"], _SIZE / 1e6 / (time.perf_counter() - began))
                began = time.perf_counter()
                await asyncio.to_thread(_curl, vcenter, name)
                best["curl"] = max(best["curl"], _SIZE / 1e6 / (time.perf_counter() - began))
            grown = (_memory(gateway, "VmHWM") - before) / 1024**2
            told = ", ".join(f"{who} {rate:.0f} MB/s" for who, rate in best.items())
            sys.stdout.write(f"{name}: {told}, {best['gateway'] / best['curl']:.2f}; memory grew by {grown:.1f} MiB\n")


def main() -> None:
    """Runs all of it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.servers.files", *sys.argv[2:3]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    vcenter = server.stdout.readline().decode().strip()
    gateway = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--vcenter", vcenter, "--listen", "127.0.0.1:0", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert gateway.stdout is not None
    try:
        for line in gateway.stdout:
            if found := re.search(rb" on 127\.0\.0\.1:(\d+)", line):
                asyncio.run(_measure(gateway.pid, f"127.0.0.1:{found[1].decode()}", vcenter))
                break
    finally:
        for process in (gateway, server):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
