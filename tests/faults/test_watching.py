"""Streams about machines during failures of vCenter, the network, replicas and callers: whatever happens, an up-to-date
watcher knows the current state, and was not told anything twice."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from gateway.calls import Basic
from gateway.live import HubLimits
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.faults.proxy import FaultProxy, Weather, fault_proxy
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_REQUEST,
    Client,
    Failure,
    System,
    eventually,
    running_gateway,
    running_system,
)
from tests.integration.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    connection,
    frame,
    message,
    request_head,
    setting,
)
from tests.integration.watching import WATCH, Following, annotate, follow

FIELDS = "name,powerState,annotation"
WAIT = "vim.PropertyCollector.WaitForUpdatesEx"
VM, OTHER = "vm-1001", "vm-1003"
MANY = ServerOptions(
    "127.0.0.1:0", grace_seconds=5, streams=StreamLimits(max_streams=2000, max_streams_per_caller=2000)
)


def state_of(simulator: Simulator) -> dict[str, tuple[str, str]]:
    """What a watcher must know: name and note of every machine."""
    return {
        # vCenter does not report the note of a machine whose files cannot be read.
        machine.vm: (machine.name, "" if machine.inaccessible else machine.annotation)
        for machine in simulator.inventory.machines.values()
        if not machine.template
    }


def known_to(followed: Following) -> dict[str, tuple[str, str]]:
    """The same, as known to a watcher."""
    return {vm: (state["name"], state.get("annotation", "")) for vm, state in followed.vms.items()}


async def agrees(followed: Following, simulator: Simulator) -> None:
    """Reads until the watcher knows the current state; fails if it gets an inconsistent message."""
    await followed.until(lambda: known_to(followed) == state_of(simulator))
    assert followed.problems == []


async def end_all_sessions(system: System) -> None:
    """An administrator ends every session."""
    for session in system.simulator.sessions.open_sessions():
        system.simulator.sessions.terminate(session.key)


async def lose_the_version(system: System) -> None:
    """vCenter no longer knows the version."""
    system.simulator.faults.add(Fault.vim_fault("InvalidCollectorVersion"), operation=WAIT)
    annotate(system.simulator, OTHER, "to end the wait")


async def lose_the_collector(system: System) -> None:
    """vCenter no longer knows the collector."""
    system.simulator.faults.add(Fault.vim_fault("ManagedObjectNotFound"), operation=WAIT)
    annotate(system.simulator, OTHER, "to end the wait")


async def answer_with_a_page(system: System) -> None:
    """A proxy responds instead of vCenter, three times."""
    system.simulator.faults.add(Fault.unavailable(), times=3)
    annotate(system.simulator, OTHER, "to end the wait")


async def answer_with_nothing(system: System) -> None:
    """The response to the wait is not SOAP."""
    system.simulator.faults.add(Fault.answer(None), operation=WAIT)
    annotate(system.simulator, OTHER, "to end the wait")


@pytest.mark.parametrize("machines", [20, 450], ids=["one-page", "several-pages"])
@pytest.mark.parametrize(
    "trouble",
    [end_all_sessions, lose_the_version, lose_the_collector, answer_with_a_page, answer_with_nothing],
    ids=lambda trouble: trouble.__name__,
)
async def test_vcenter_loses_the_wait(trouble: Callable[[System], Awaitable[None]], machines: int) -> None:
    """The gateway requests the full state again, and watchers get only the differences: changes in the meantime are
    reported once, and the stream and its tokens stay valid."""
    async with running_system(SimulatorOptions(vms=machines)) as system:
        followed = await follow(system.client, {"fields": FIELDS})
        await trouble(system)
        annotate(system.simulator, VM, "changed meanwhile")
        await agrees(followed, system.simulator)
        annotate(system.simulator, VM, "changed after")
        await agrees(followed, system.simulator)
        assert followed.resets == 1
        again = await follow(system.client, {"fields": FIELDS, "resume_token": followed.token})
        assert again.resets == 0


async def test_the_first_state_is_cut() -> None:
    """A stream that starts while vCenter loses the first pages still begins with the full state, or fails."""
    async with running_system(SimulatorOptions(vms=450)) as system:
        system.simulator.faults.add(Fault.vim_fault("InvalidCollectorVersion"), operation=WAIT)
        followed = await follow(system.client, {"fields": FIELDS})
        await agrees(followed, system.simulator)
        assert len(followed.vms) == 450


@asynccontextmanager
async def proxied(machines: int = 300) -> AsyncIterator[tuple[Simulator, FaultProxy, Client]]:
    """A gateway that reaches its vCenter through a network with weather."""
    async with (
        Simulator(SimulatorOptions(vms=machines)) as simulator,
        fault_proxy(simulator.url) as proxy,
        running_gateway(VCenterOptions(proxy.url)) as client,
    ):
        yield simulator, proxy, client
        proxy.weather = Weather()


@pytest.mark.parametrize("fate", ["half", "reset_after", "reset_before"])
async def test_the_network_cuts_answers(fate: str) -> None:
    """Responses that are truncated in the middle of an update, or never arrive, lose no change."""
    async with proxied() as (simulator, proxy, client):
        followed = await follow(client, {"fields": FIELDS})
        proxy.weather = Weather(**{fate: 0.5})
        for number in range(30):
            annotate(simulator, f"vm-{1001 + number}", f"note {number}")
            await asyncio.sleep(0.02)
        proxy.weather = Weather()
        await agrees(followed, simulator)
        assert proxy.fates[fate]


@pytest.mark.parametrize(
    ("rpc", "request_content", "operation"),
    [
        ("WatchVms", {}, "vim.PropertyCollector.CreateFilter"),
        ("WatchEvents", {}, "vim.EventHistoryCollector.SetCollectorPageSize"),
        ("WatchEvents", {"bookmark": "1@2020-01-01T00:00:00+00:00"}, "vim.EventHistoryCollector.ReadNextEvents"),
        ("ListEvents", {}, "vim.EventHistoryCollector.SetCollectorPageSize"),
    ],
    ids=["machines", "events", "events-since", "past-events"],
)
async def test_sessions_that_end_again_and_again(rpc: str, request_content: dict[str, Any], operation: str) -> None:
    """If vCenter loses what the gateway made in its session, callers are told to try again, and not that something is
    missing."""
    async with running_system() as system:
        system.simulator.faults.add(Fault.vim_fault("ManagedObjectNotFound"), operation=operation, times=20)
        stream = system.client.stream(f"vcenter.gateway.v1.WatchService/{rpc}", request_content, timeout=60)
        failure = await stream.failed()
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")


async def test_vcenter_restarts() -> None:
    """While vCenter is away, streams stay open and report it. When it is back with other machines, they get the
    differences and a message that they are up to date."""
    async with proxied() as (simulator, proxy, client):
        followed = await follow(client, {"fields": FIELDS})
        await proxy.down()
        simulator.sessions.expire_all()
        lost = await followed.next()
        assert lost["lost"]["problem"]
        annotate(simulator, VM, "changed meanwhile")
        await proxy.up()
        await followed.until_synced()
        await agrees(followed, simulator)
        assert followed.resets == 1


async def test_a_stream_that_begins_while_vcenter_is_away() -> None:
    """Such a stream ends with the same error as any other call; there is no empty state."""
    async with proxied() as (simulator, proxy, client):
        await proxy.down()
        stream = client.stream(WATCH, {})
        failure = await stream.failed()
        assert failure.code == "UNAVAILABLE"
        await proxy.up()

        async def begins() -> bool:
            try:
                await agrees(await follow(client, {"fields": FIELDS}), simulator)
            except Failure:
                await asyncio.sleep(0.1)
                return False
            return True

        async with asyncio.timeout(20):
            while not await begins():
                pass


async def test_credentials_that_are_no_longer_good(tmp_path: Any) -> None:
    """A stream whose password vCenter now rejects ends with that reason; its hub is gone."""
    async with running_system() as system:
        followed = await follow(system.client, {"fields": FIELDS})
        system.simulator.sessions.set_password(ADMINISTRATOR, "another")
        await end_all_sessions(system)
        annotate(system.simulator, VM, "unseen")
        failure = await followed.stream.failed()
        assert failure.code == "UNAUTHENTICATED"
        system.simulator.sessions.set_password(ADMINISTRATOR, PASSWORD)


async def test_a_replica_is_drained_under_its_watchers() -> None:
    """Two hundred watchers of a replica that stops continue at another one with their tokens, while machines keep
    changing: at the end, each knows what the simulator has recorded, and none was told anything twice."""
    async with Simulator(SimulatorOptions(vms=100)) as simulator:
        way = VCenterOptions(simulator.url)
        changing = asyncio.create_task(_change_forever(simulator))
        async with running_gateway(way, server=MANY) as second:
            async with running_gateway(way, server=MANY) as first:
                watchers = await asyncio.gather(*(follow(first, {"fields": FIELDS}) for _ in range(200)))
                goes_on = [asyncio.create_task(_until_it_ends(each)) for each in watchers]
                record = simulator.inventory.changes.record
                before = len(record)
                await eventually(lambda: len(record) > before + 20, "changes under the watchers")
                await first.gateway.stop()
                reasons = await asyncio.gather(*goes_on)
            assert set(reasons) == {"GATEWAY_STOPPING"}
            for each in watchers:
                each.stream = second.stream(WATCH, {"fields": FIELDS, "resume_token": each.token})
            await asyncio.gather(*(each.until_synced() for each in watchers))
            changing.cancel()
            assert len(simulator.inventory.changes.record) > 50
            last = {change.vm: change.after for change in simulator.inventory.changes.record}
            await asyncio.gather(*(agrees(each, simulator) for each in watchers))
            for each in watchers:
                assert all(after and each.vms[vm]["annotation"] == after.annotation for vm, after in last.items())
                each.stream.cancel()


async def _change_forever(simulator: Simulator) -> None:
    for number in itertools.count():
        annotate(simulator, f"vm-{1001 + number % 100}", f"note {number}")
        await asyncio.sleep(0.02)


async def _until_it_ends(followed: Following) -> str:
    try:
        while True:
            await followed.next()
    except Failure as failure:
        return failure.reason
    except asyncio.CancelledError:  # The test itself ended it.
        return ""


async def test_a_burst() -> None:
    """Five thousand concurrent changes reach every watcher, merged, while calls are still served."""
    async with running_system(SimulatorOptions(vms=1000), server=MANY) as system:
        watchers = await asyncio.gather(*(follow(system.client, {"fields": FIELDS}) for _ in range(5)))
        for number in range(5000):
            annotate(system.simulator, f"vm-{1001 + number % 1000}", f"note {number}")
        agreeing = asyncio.gather(*(agrees(each, system.simulator) for each in watchers))
        while not agreeing.done():
            await system.client.call(READ, READ_REQUEST)
        await agreeing
        changes = [sum(len(m["changed"]["changes"]) for m in each.messages if "changed" in m) for each in watchers]
        assert all(990 <= count <= 5000 for count in changes)


async def test_twenty_thousand_machines() -> None:
    """An inventory of this size is reported completely, and its changes as they happen."""
    async with running_system(SimulatorOptions(vms=20_000)) as system:
        stream = system.client.stream(WATCH, {"fields": "annotation", "filter": {"vms": [VM]}})
        followed = Following(stream)
        async with asyncio.timeout(100):
            while not followed.synced:
                await followed.next()
        annotate(system.simulator, VM, "seen")
        await followed.until(lambda: followed.vms[VM]["annotation"] == "seen")
        hub = next(iter(system.gateway.watching.hubs._hubs.values()))  # type: ignore[union-attr]
        assert len(hub.history.machines) == len(system.simulator.inventory.machines) >= 20_000


async def test_a_watcher_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that does not read does not delay others, needs no more memory while changes go on, and loses its
    connection."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 6.0)
    async with running_system(SimulatorOptions(vms=200), server=MANY) as system:
        address = system.address
        async with connection(address, setting(INITIAL_WINDOW_SIZE, 0)) as peer:
            await _open(peer, 1, system)
            await eventually(lambda: len(system.gateway.streams) == 1, "the first stream")
            followed = await follow(system.client, {"fields": FIELDS})
            for number in range(50):
                annotate(system.simulator, VM, f"note {number}")
                await agrees(followed, system.simulator)
            assert not peer.is_closed.is_set(), "the others had to wait for it"
            async with asyncio.timeout(20):
                await peer.is_closed.wait()
        await eventually(lambda: len(system.gateway.streams) == 1, "the end of the stream")


async def _open(peer: Any, streams: int, system: System) -> None:
    identity = (b"authorization", Basic(ADMINISTRATOR, PASSWORD).header.encode())
    head = request_head(f"/{WATCH}".encode(), [identity])
    for number in range(streams):
        stream = 2 * number + 1
        await peer.send(frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, message(b"")))


async def test_watchers_at_a_closed_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand streams of a client that opens no flow-control window cost little, and other callers are served in the
    meantime; their connection is closed."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 2.0)
    async with running_system(SimulatorOptions(vms=100), server=MANY) as system:
        async with connection(system.address, setting(INITIAL_WINDOW_SIZE, 0)) as peer:
            await _open(peer, 1000, system)
            await eventually(lambda: len(system.gateway.streams) > 100, "the streams")
            followed = await follow(system.client, {"fields": FIELDS})
            annotate(system.simulator, VM, "seen all the same")
            await agrees(followed, system.simulator)
            assert len(system.simulator.record.of("vim.PropertyCollector.CreateFilter")) == 1
            async with asyncio.timeout(30):
                await peer.is_closed.wait()
        await eventually(lambda: len(system.gateway.streams) == 1, "the end of the streams", 20)


async def test_streams_of_strangers() -> None:
    """Thousands of unauthenticated streams are rejected one by one, and start nothing at vCenter."""
    async with running_system(server=MANY) as system:
        channels = [
            grpc.aio.insecure_channel(system.address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(10)
        ]

        async def knock(channel: Any) -> str:
            return (await system.client.on(channel).stream(WATCH, {}, user=None).failed()).reason

        for _ in range(10):
            found = await asyncio.gather(*(knock(channel) for channel in channels for _ in range(100)))
            assert set(found) <= {"CREDENTIALS_MISSING"}
        for channel in channels:
            await channel.close()
        assert len(system.gateway.watching.hubs) == 0  # type: ignore[union-attr]
        assert len(system.simulator.record) == 0
        await eventually(lambda: not len(system.gateway.streams), "the end of the streams")


async def test_filters_that_are_made_to_be_slow() -> None:
    """Long filters cost no more per change than short ones: other calls are served while they are checked."""
    async with running_system(SimulatorOptions(vms=500), server=MANY) as system:
        names = [f"no such name {number}" for number in range(9_000)]
        content = {"names": [*names, "web-0001"], "folders": [f"group-v{number}" for number in range(999)]}
        watchers = await asyncio.gather(
            *(follow(system.client, {"filter": content, "fields": FIELDS}) for _ in range(20))
        )
        began = time.monotonic()
        for number in range(500):
            annotate(system.simulator, f"vm-{1001 + number}", f"note {number}")
        for each in watchers:
            await each.until(lambda: each.vms[VM]["annotation"] == "note 0")  # noqa: B023 - called at once
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_order_of_troubles(seed: int) -> None:
    """Whatever the order of changes, losses, resumes and filters, each watcher ends with the simulator's state."""
    chance = random.Random(seed)  # noqa: S311 - the same in each run
    async with (
        Simulator(SimulatorOptions(vms=150, seed=seed)) as simulator,
        fault_proxy(simulator.url, seed=seed) as proxy,
        running_gateway(VCenterOptions(proxy.url), server=MANY, hubs=HubLimits(linger=0.5)) as client,
    ):
        filters: list[dict[str, Any]] = [
            {},
            {"vms": [f"vm-{number}" for number in range(1001, 1040)]},
            {"power_states": ["POWER_STATE_POWERED_ON"]},
        ]
        watchers = [await follow(client, {"fields": FIELDS, "filter": each}) for each in filters]
        readers = {index: asyncio.create_task(_until_it_ends(each)) for index, each in enumerate(watchers)}
        numbers = itertools.count()
        for _ in range(60):
            what = chance.choice(["note", "note", "note", "power", "power", "resume", "session", "weather", "calm"])
            vm = f"vm-{chance.randrange(1001, 1151)}"
            machine = simulator.inventory.machines[vm]
            if what == "note":
                annotate(simulator, vm, f"note {next(numbers)}")
            elif what == "power":
                state: Any = "POWERED_OFF" if machine.power_state == "POWERED_ON" else "POWERED_ON"
                machine.set_power_state(state, simulator.options.clock())
                simulator.inventory.changes.touched("VirtualMachine", vm)
            elif what == "session":
                simulator.sessions.expire_all()
            elif what == "weather":
                proxy.weather = Weather(half=0.2, reset_after=0.2, reset_before=0.2)
            elif what == "calm":
                proxy.weather = Weather()
            else:
                index = chance.randrange(3)
                watchers[index].stream.cancel()
                await readers[index]
                request = {"fields": FIELDS, "filter": filters[index], "resume_token": watchers[index].token}
                watchers[index].stream = client.stream(WATCH, request)
                readers[index] = asyncio.create_task(_until_it_ends(watchers[index]))
            await asyncio.sleep(chance.uniform(0, 0.03))
        proxy.weather = Weather()
        async with asyncio.timeout(60):
            for index, each in enumerate(watchers):
                while readers[index].done() or not _knows(each, simulator, filters[index]):
                    if readers[index].done():
                        await asyncio.sleep(0.2)
                        request = {"fields": FIELDS, "filter": filters[index], "resume_token": each.token}
                        each.stream = client.stream(WATCH, request)
                        readers[index] = asyncio.create_task(_until_it_ends(each))
                    await asyncio.sleep(0.05)
                assert each.problems == []
        for index, each in enumerate(watchers):
            each.stream.cancel()
            await readers[index]


def _knows(followed: Following, simulator: Simulator, content: dict[str, Any]) -> bool:
    expected = {
        vm: known
        for vm, known in state_of(simulator).items()
        if vm in content.get("vms", (vm,))
        and ("power_states" not in content or simulator.inventory.machines[vm].power_state == "POWERED_ON")
    }
    return known_to(followed) == expected
