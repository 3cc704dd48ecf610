"""Servers of the VIM API that tests call: each test runs against every one of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.calls import Basic, Credential
from gateway.contract import load_contract
from gateway.simulator import Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from gateway.vcenter.client import VCenter
from gateway.vim import Data, Ref
from gateway.vim.client import VimClient
from gateway.vim.filters import in_view

__all__ = ["SERVERS", "Inventory", "VimServer", "inventory_of", "running_vcenter"]

_VCSIM = Path(__file__).parents[2] / "build" / "tools" / "bin" / "vcsim"
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class VimServer:
    """A server that runs, with machines that are powered on."""

    url: str
    account: Basic
    machines: int
    shares_sessions: bool = False
    """Whether a session of the REST API is one of this API too."""


@asynccontextmanager
async def vcsim(pool_machines: int = 3) -> AsyncIterator[VimServer]:
    """govmomi's simulator, with that many machines in each of its two resource pools. Skips where it is not built."""
    if not _VCSIM.exists():
        assert not os.environ.get("CI"), f"there is no vcsim: run `make {_VCSIM.relative_to(_VCSIM.parents[3])}`"
        pytest.skip("there is no vcsim: run `make build/tools/bin/vcsim`, which takes Go")
    account = Basic("alice", "secret-of-alice")
    arguments = ("-vm", str(pool_machines), "-user", f"{account.user}:{account.password}")
    process = await asyncio.create_subprocess_exec(
        _VCSIM,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        yield VimServer(url.decode().strip(), account, 2 * pool_machines)
    finally:
        process.stdin.close()  # Its sign to end.
        await process.wait()


@asynccontextmanager
async def simulator(release: str) -> AsyncIterator[VimServer]:
    """The embedded simulator, with all machines on."""
    async with Simulator(SimulatorOptions(vms=6, release=release)) as running:
        changes, yesterday = running.inventory.changes, running.options.clock() - timedelta(days=1)
        for machine in running.inventory.machines.values():
            machine.set_power_state("POWERED_ON", yesterday)
            changes.touched("VirtualMachine", machine.vm)
        account = Basic(running.user, running.password)
        yield VimServer(running.url, account, 6, shares_sessions=release == "9.1")


SERVERS: Mapping[str, Callable[[], AbstractAsyncContextManager[VimServer]]] = {
    "vcsim": vcsim,
    "simulator-7.0.3": partial(simulator, "7.0.3"),
    "simulator-9.1": partial(simulator, "9.1"),
}


@asynccontextmanager
async def running_vcenter(url: str, **options: Any) -> AsyncIterator[VCenter]:
    """A client of whatever listens there; `options` are further VCenterOptions."""
    vcenter = VCenter(VCenterOptions(url, **options), load_contract())
    try:
        yield vcenter
    finally:
        await vcenter.close()


@dataclass(frozen=True, slots=True)
class Inventory:
    """What most tests look at."""

    client: VimClient
    content: Data
    view: Ref
    """All machines."""
    machines: tuple[Ref, ...]


async def inventory_of(vcenter: VCenter, credential: Credential) -> Inventory:
    """Looks at all machines."""
    client = vcenter.vim.client(credential)
    content = await client.content()
    arguments = {"container": content["rootFolder"], "type": ["VirtualMachine"], "recursive": True}
    view: Ref = await client.call(content["viewManager"], "CreateContainerView", arguments)
    pages = [page async for page in client.retrieve([in_view(view, "VirtualMachine", ["name"])])]
    return Inventory(client, content, view, tuple(found.obj for page in pages for found in page))
