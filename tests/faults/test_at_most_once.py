"""The promise that everything else depends on: a change is never sent to vCenter twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.proxy import Weather
from tests.faults.scenario import End, count, end, is_idle, proxied_system
from tests.integration.harness import Failure

CALLS = 2000
AT_ONCE = 50
# Every HTTP verb of permanent changes in vCenter, in calls that succeed however often they are made.
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vcenter.vm.console.v1.TicketsService/CreateTicket", {"vm": "vm-1001", "spec": {"type": "TICKETS_TYPE_VMRC"}}),
    ("vcenter.vm.hardware.v1.BootService/UpdateBoot", {"vm": "vm-1002", "spec": {"delay": "1"}}),
    ("vcenter.vm.guest.v1.CustomizationService/SetCustomization", {"vm": "vm-1002", "spec": {"name": "linux-2-nics"}}),
)
WEATHER = Weather(jitter=0.002, reset_before=0.1, reset_after=0.1, half=0.05, close_after=0.05)


def changes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Request id, rpc and request of each call."""
    for number in range(CALLS):
        yield (f"call-{number}", *CHANGES[number % len(CHANGES)])


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_change_is_sent_twice(seed: int) -> None:
    """Two thousand changes over a network that loses a third of all connections, while sessions end and vCenter has
    short outages: none is executed twice, what succeeded was executed, what failed was not, and if the outcome is
    unknown, the status says so and forbids gRPC to retry the call."""
    found: dict[str, End] = {}
    async with proxied_system(WEATHER, seed=seed) as (system, proxy):
        places = asyncio.Semaphore(AT_ONCE)

        async def make(request_id: str, rpc: str, request: dict[str, Any]) -> None:
            async with places:
                metadata = (("x-request-id", request_id),)
                found[request_id] = ending = await end(system.client, rpc, request, metadata=metadata)
                number = len(found)
                if isinstance(ending, Failure) and ending.reason == "VCENTER_CIRCUIT_OPEN":
                    # As callers do that respect it; otherwise, a fast machine would make most calls while the breaker
                    # is open.
                    await asyncio.sleep(float(ending.details["google.rpc.RetryInfo"]["retry_delay"].rstrip("s")))
                if number % 400 == 0:
                    system.simulator.sessions.expire_all()
                if number % 700 == 0:
                    await proxy.down()
                    await proxy.up()

        await asyncio.gather(*(make(*call) for call in changes()))
        await is_idle(system)
        record = [call for call in system.simulator.record if call.request_id in found]
    arrived = Counter(call.request_id for call in record if call.status != 401)
    executed = Counter(call.request_id for call in record if call.executed)
    assert set(arrived.values()) == {1}, "a call that vCenter took was sent again"
    assert set(executed.values()) == {1}, "a call was executed twice"
    kinds: Counter[tuple[str, bool]] = Counter()
    for request_id, ending in found.items():
        ran = request_id in executed
        if not isinstance(ending, Failure):
            assert ran, (request_id, "was answered and not executed")
            kinds["answered", ran] += 1
        elif ending.may_have_executed:
            assert ending.trailing["grpc-retry-pushback-ms"] == "-1"
            kinds["in doubt", ran] += 1
        else:
            assert not ran, (request_id, ending)
            assert "grpc-retry-pushback-ms" not in ending.trailing
            kinds["refused", ran] += 1
    assert len(found) == sum(kinds.values()) == CALLS
    assert kinds["answered", True] > CALLS / 3, (kinds, count(found.values()))
    assert min(kinds["in doubt", False], kinds["in doubt", True]) > CALLS / 50, "the network was too good"
