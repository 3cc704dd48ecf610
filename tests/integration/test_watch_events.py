"""WatchEvents and ListEvents: what vCenter says that happened to machines."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.access import Admission, parse_policy, passthrough
from gateway.simulator import Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, Failure, System, running_gateway, running_system
from tests.integration.vim_servers import SERVERS

WATCH = "vcenter.gateway.v1.WatchService/WatchEvents"
LIST = "vcenter.gateway.v1.WatchService/ListEvents"
START, STOP = "vcenter.vm.v1.PowerService/StartVm", "vcenter.vm.v1.PowerService/StopVm"
ON, OFF = "vm-1001", "vm-1002"


def types(message: dict[str, Any]) -> list[str]:
    """The types of the events in a message."""
    return [event["type"] for event in message.get("events", {}).get("events", ())]


async def until(stream: Any, kind: str) -> dict[str, Any]:
    """The first message with an event of a type."""
    async with asyncio.timeout(15):
        found: dict[str, Any] = await stream.until(lambda message: kind in types(message))
        return found


async def test_events_as_they_happen(system: System) -> None:
    """A stream begins with the present moment, and tells what happens to which machine, by whom."""
    await system.client.call(STOP, {"vm": ON})
    stream = system.client.stream(WATCH, {})
    assert "heartbeat" in await stream.next()
    await system.client.call(START, {"vm": OFF})
    message = await until(stream, "VmPoweredOnEvent")
    [event] = [event for event in message["events"]["events"] if event["type"] == "VmPoweredOnEvent"]
    assert (event["vm"], event["vm_name"]) == (OFF, "db-0002")
    assert ADMINISTRATOR.partition("@")[0].lower() in event["user"].lower()
    assert event["message"]
    assert "VmPoweredOffEvent" not in types(message)


async def test_a_bookmark(system: System) -> None:
    """A stream that comes back with its bookmark gets what happened meanwhile, and nothing twice."""
    stream = system.client.stream(WATCH, {})
    bookmark = (await stream.next())["bookmark"]
    await system.client.call(START, {"vm": OFF})
    seen = await until(stream, "VmPoweredOnEvent")
    stream.cancel()
    await system.client.call(STOP, {"vm": ON})
    again = system.client.stream(WATCH, {"bookmark": seen["bookmark"]})
    message = await until(again, "VmPoweredOffEvent")
    assert "VmPoweredOnEvent" not in types(message)
    assert "reset" not in message
    from_start = system.client.stream(WATCH, {"bookmark": bookmark})
    message = await until(from_start, "VmPoweredOffEvent")
    assert types(message).count("VmPoweredOnEvent") == 1


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param("0@1999-01-01T00:00:00+00:00", id="older"),
        pytest.param("2000000000@2037-01-01T00:00:00+00:00", id="newer"),
    ],
)
async def test_a_bookmark_of_another_vcenter(system: System, bookmark: str) -> None:
    """Where vCenter does not have the event of a bookmark, the stream says that something may be lost, and goes on."""
    stream = system.client.stream(WATCH, {"bookmark": bookmark})
    async with asyncio.timeout(15):
        message = await stream.next()
    assert message["reset"]
    await system.client.call(START, {"vm": OFF})
    assert "reset" not in await until(stream, "VmPoweredOnEvent")


async def test_a_vcenter_that_counts_its_events_anew() -> None:
    """After vCenter was restored from a backup, its next events have numbers that streams have seen before. The streams
    say that something may be lost, and go on."""
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(Simulator())
        port = urlsplit(first.url).port or 0
        client = await stack.enter_async_context(running_gateway(VCenterOptions(first.url)))
        for rpc in (START, STOP, START, STOP):
            await client.call(rpc, {"vm": OFF})
        stream = client.stream(WATCH, {"heartbeat_interval": "1s"})
        assert "heartbeat" in await stream.next()
        await first.stop()
        await stack.enter_async_context(Simulator(SimulatorOptions(port=port)))
        async with asyncio.timeout(30):
            reset = await stream.until(lambda message: "reset" in message)
            await client.call(START, {"vm": OFF})
            again = client.stream(WATCH, {"bookmark": reset["bookmark"]})
            for each in (stream, again):
                assert "reset" not in await until(each, "VmPoweredOnEvent")
            again.cancel()
        stream.cancel()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({"vms": [ON]}, {ON}, id="machine"),
        pytest.param({"types": ["VmPoweredOnEvent"]}, {OFF}, id="type"),
        pytest.param({"folder": "group-v31"}, {OFF}, id="folder"),
    ],
)
async def test_filters(system: System, content: dict[str, Any], expected: set[str]) -> None:
    """Only events that the filter lets through are told."""
    stream = system.client.stream(WATCH, {"filter": content})
    await stream.next()
    await system.client.call(STOP, {"vm": ON})
    await system.client.call(START, {"vm": OFF})
    async with asyncio.timeout(15):
        message = await stream.until(types)
    assert {event["vm"] for event in message["events"]["events"]} == expected
    listed = await system.client.call(LIST, {"filter": content, "page_size": 1})
    assert {event["vm"] for event in listed["events"]} <= expected | {ON, OFF}


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_pages_back_in_time(system: System, size: int) -> None:
    """Pages have every event once, the newest first, however small they are."""
    for _ in range(4):
        await system.client.call(STOP, {"vm": ON})
        await system.client.call(START, {"vm": ON})
    keys: list[int] = []
    request: dict[str, Any] = {"page_size": size, "filter": {"vms": [ON]}}
    while True:
        page = await system.client.call(LIST, request)
        assert len(page.get("events", ())) <= size
        keys += [int(event["key"]) for event in page.get("events", ())]
        if "next_page_token" not in page:
            break
        request["page_token"] = page["next_page_token"]
    assert keys == sorted(set(keys), reverse=True)
    assert len(keys) >= 8


async def test_a_policy_hides_events() -> None:
    """A caller sees events about their machines, and no others."""
    policy = parse_policy(b'rules: [{identities: ["*"], rpcs: ["vcenter.gateway.v1.*"], machines: ["vm-1001"]}]')
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        stream = system.client.stream(WATCH, {})
        await stream.next()
        for vm, state in ((OFF, "POWERED_ON"), (ON, "POWERED_OFF")):
            simulator = system.simulator
            simulator.inventory.machines[vm].set_power_state(state, simulator.options.clock())  # type: ignore[arg-type]
            simulator.inventory.changes.touched("VirtualMachine", vm)
        message = await until(stream, "VmPoweredOffEvent")
        assert {event["vm"] for event in message["events"]["events"]} == {ON}
        listed = await system.client.call(LIST, {})
        assert {event["vm"] for event in listed["events"]} == {ON}


@pytest.mark.parametrize("field", ["bookmark", "page_token"])
async def test_bookmarks_that_are_none(system: System, field: str) -> None:
    """A bookmark that the gateway has not made is refused."""
    ends = ("1@0001-01-01T00:00:00+10:00", "1@9999-12-31T23:59:59-10:00")
    for text in ("garbage", "1@yesterday", "-1@2026-01-01T00:00:00+00:00", "1@2026-01-01T00:00:00", *ends):
        if field == "bookmark":
            failure = await system.client.stream(WATCH, {field: text}).failed()
        else:
            with pytest.raises(Failure) as caught:
                await system.client.call(LIST, {field: text})
            failure = caught.value
        assert failure.code == "INVALID_ARGUMENT"


async def test_without_vim() -> None:
    """Credentials that do not open the VIM API get no events, and are told why."""
    async with running_system(SimulatorOptions(release="7.0.3")) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        how: dict[str, Any] = {"user": None, "metadata": (("vmware-api-session-id", session.identifier),)}
        with pytest.raises(Failure) as caught:
            await system.client.call(LIST, {}, **how)
        assert (caught.value.code, caught.value.reason) == ("UNIMPLEMENTED", "VCENTER_TOO_OLD")
        assert (await system.client.stream(WATCH, {}, **how).failed()).reason == "VCENTER_TOO_OLD"
        system.simulator.sessions.logout(session.identifier)


@pytest.mark.parametrize("name", SERVERS)
async def test_events_of_others(name: str) -> None:
    """Every server's events can be listed and followed."""
    async with SERVERS[name]() as server, running_gateway(VCenterOptions(server.url)) as client:
        how: dict[str, Any] = {"user": server.account.user, "password": server.account.password}
        page = await client.call(LIST, {"page_size": 5}, **how)
        assert len(page["events"]) == 5
        assert "heartbeat" in await client.stream(WATCH, {}, **how).next()
