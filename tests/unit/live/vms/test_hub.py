"""The hub: whoever a change concerns is woken, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.access.scope import EVERYTHING
from gateway.contract import load_contract
from gateway.errors import Failure, Reason
from gateway.live.vms.hub import FEW_MACHINES, Hub
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.selection import select
from tests.machines import FIELDS, machine, message

VMS = [f"vm-{number}" for number in range(FEW_MACHINES + 2)]


class Told:
    """A source that says nothing by itself: the test says what changes."""

    name = "SOURCE_VIM"
    period = None

    async def run(self, hub: Hub) -> None:
        """Waits until it is cancelled."""
        await asyncio.get_running_loop().create_future()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A hub that knows some machines."""
    hub = Hub(Told(), VmResponses(load_contract(), FIELDS))
    for vm in VMS:
        hub.put(vm, machine(vm, name="before"))
    hub.synced()
    hub.start()
    yield hub
    await hub.close(Failure.of(Reason.GATEWAY_STOPPING, "over"))


@pytest.mark.parametrize("count", [1, FEW_MACHINES - 1, FEW_MACHINES, FEW_MACHINES + 1])
async def test_filters_of_any_length(hub: Hub, count: int) -> None:
    """A watcher of so many machines is woken by a change of one of them, and not by one of another machine."""
    selection = select(message("VmFilter", {"vms": VMS[:count]}), EVERYTHING)
    with hub.watched(selection, FIELDS.all) as watcher, hub.watched(selection, FIELDS.all) as second:
        assert watcher.take() is not None
        assert second.take() is not None
        hub.put(VMS[-1], machine(VMS[-1], name="after"))
        assert not await watcher.wait(0.05)
        hub.put(VMS[count - 1], machine(VMS[count - 1], name="after"))
        assert await watcher.wait(5)
        batch = watcher.take()
        assert batch is not None
        assert not batch.is_reset
        assert len(list(batch.messages)) == 1
    assert hub.watchers == 0
    with hub.watched(selection, FIELDS.all) as watcher:
        watcher.take()
        hub.put(VMS[0], machine(VMS[0], name="later"))
        assert await watcher.wait(5)
