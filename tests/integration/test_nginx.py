"""The gateway behind nginx, as most ingress controllers have it: with its default settings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from gateway.errors import MAX_DETAILS_BYTES
from gateway.simulator import Fault
from tests.integration.harness import START, START_ID, START_REQUEST, Client, Failure, System

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://{gateway}; }} }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, gateway: str) -> AsyncIterator[str]:
    """A started nginx in front of the gateway, and its address. Only a developer's machine may have none."""
    program = shutil.which("nginx")
    if program is None:
        assert not os.environ.get("CI"), "there is no nginx: run `tools/install_debian.sh nginx`"
        pytest.skip("there is no nginx: `apt-get install nginx`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, gateway=gateway))
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-c", str(configuration), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize(
    "text", ["Reason {}. " + "x" * 800, "\u7406\u7531 {}\u3002" + "\u4eee\u60f3\u30de\u30b7\u30f3" * 150]
)
@pytest.mark.parametrize("request_id", ["r" * 32, "r" * 128], ids=["usual id", "longest id"])
@pytest.mark.parametrize("count", [1, 10])
async def test_large_errors(system: System, tmp_path: Path, text: str, request_id: str, count: int) -> None:
    """Errors with as many details as there may be arrive as the gateway sent them."""
    messages = [
        {"id": f"com.vmware.reason_{n}", "default_message": text.format(n), "args": ["a"] * 3} for n in range(count)
    ]
    answer = {"error_type": "NOT_ALLOWED_IN_CURRENT_STATE", "messages": messages}
    async with (
        nginx(tmp_path, system.address) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        await asyncio.wait_for(channel.channel_ready(), 20)
        system.simulator.faults.add(Fault.answer(answer, status=400), operation=START_ID)
        client = Client(channel, system.gateway)
        with pytest.raises(Failure) as caught:
            await client.call(START, START_REQUEST, metadata=(("x-request-id", request_id),))
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "NOT_ALLOWED_IN_CURRENT_STATE")
    assert len(caught.value.trailing["grpc-status-details-bin"]) > MAX_DETAILS_BYTES * 0.9
