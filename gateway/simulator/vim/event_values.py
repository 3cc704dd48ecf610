"""Events in the form of the VIM API, and which of them match a filter."""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.event_log import Event
from gateway.simulator.vim.faults import invalid_argument, not_found
from gateway.simulator.vim.values import Data, Ref, account_name, escape_name
from gateway.simulator.vim.views import is_below
from gateway.simulator.vim.world import World

__all__ = ["EventFilter", "event_data", "read_filter"]

EventFilter = Callable[[Event], bool]


def event_data(event: Event, world: World) -> Data:
    """The event."""
    return Data(event.type, dict(_members(event, world)))


def _members(event: Event, world: World) -> Iterator[tuple[str, Any]]:
    yield "key", event.key
    yield "chainId", event.chain or event.key
    yield "createdTime", event.created
    yield "userName", account_name(event.user)
    state = event.state
    if state is not None:
        place = state.placement
        datacenter = world.inventory.places.datacenters.get(place.datacenter)
        if datacenter is not None:
            yield "datacenter", _argument("Datacenter", "datacenter", datacenter.name, place.datacenter)
        host = world.inventory.places.hosts.get(place.host)
        if host is not None:
            compute = world.compute_resource(host)
            name = host.name if compute.type == "ComputeResource" else world.find(compute).name
            yield (
                "computeResource",
                Data("ComputeResourceEventArgument", name=escape_name(name), computeResource=compute),
            )
            yield "host", _argument("Host", "host", host.name, host.host)
        yield "vm", _argument("Vm", "vm", state.name, str(event.vm))
    yield "fullFormattedMessage", world.events.text(event)
    if state is not None and event.type.startswith("Vm"):
        yield "template", state.template
    yield from _own_members(event, world)


def _own_members(event: Event, world: World) -> Iterator[tuple[str, Any]]:
    members = event.members
    match event.type:
        case "VmRenamedEvent":
            yield "oldName", escape_name(members["old"])
            yield "newName", escape_name(event.state.name if event.state else "")
        case "VmMigratedEvent" | "VmRelocatedEvent":
            host = world.inventory.places.hosts.get(members["source_host"])
            name = members["source_host"] if host is None else host.name
            yield "sourceHost", _argument("Host", "host", name, members["source_host"])
        case "VmReconfiguredEvent":
            yield "configSpec", Data("VirtualMachineConfigSpec")
        case "TaskEvent":
            yield "info", members["info"]
        case "UserLoginSessionEvent":
            yield "ipAddress", "127.0.0.1"
            yield "userAgent", members["user_agent"]
            yield "locale", "en"
            yield "sessionId", members["session"]
        case "UserLogoutSessionEvent":
            yield "sessionId", members["session"]


_TYPES = {"Vm": "VirtualMachine", "Host": "HostSystem", "Datacenter": "Datacenter"}


def _argument(prefix: str, member: str, name: str, identifier: str) -> Data:
    return Data(f"{prefix}EventArgument", {"name": escape_name(name), member: Ref(_TYPES[prefix], identifier)})


def read_filter(spec: Arguments, world: World) -> EventFilter:
    """The condition of an EventFilterSpec. ManagedObjectNotFound for an entity that does not exist."""
    tests = [test for test in (_by_entity(spec, world), _by_time(spec), _by_user(spec), _by_type(spec)) if test]
    chain = spec.number("eventChainId")
    return lambda event: all(test(event) for test in tests) and (chain is None or chain == event.chain)


def _by_entity(spec: Arguments, world: World) -> EventFilter | None:
    found = spec.find("entity")
    if found is None:
        return None
    entity, recursion = found.ref("entity"), found.text("recursion")
    if recursion not in ("self", "children", "all"):
        raise invalid_argument("filter.entity.recursion")
    if world.find(entity) is None:
        raise not_found(entity)
    if entity.type == "VirtualMachine":
        return lambda event: event.vm == entity.id
    if recursion == "self":
        return lambda event: event.vm is None and entity.id == "group-d1"
    if entity.id == "group-d1" and recursion == "all":
        return lambda event: True

    def is_within(event: Event) -> bool:
        ref = Ref("VirtualMachine", event.vm or "")
        return world.find(ref) is not None and is_below(ref, entity, world, directly=recursion == "children")

    return is_within


def _by_time(spec: Arguments) -> EventFilter | None:
    found = spec.find("time")
    if found is None:
        return None
    begin, end = found.time("beginTime"), found.time("endTime")
    return lambda event: (begin is None or event.created >= begin) and (end is None or event.created <= end)


def _by_user(spec: Arguments) -> EventFilter | None:
    found = spec.find("userName")
    if found is None:
        return None
    users, system = found.texts("userList"), found.flag("systemUser")
    return lambda event: account_name(event.user) in users or (system and not event.user)


def _by_type(spec: Arguments) -> EventFilter | None:
    wanted = {*spec.texts("type"), *spec.texts("eventTypeId")}
    wanted = {name.removeprefix("vim.event.") for name in wanted}
    categories = spec.texts("category")
    if categories and "info" not in categories:
        return lambda event: False
    if not wanted or "Event" in wanted:
        return None
    return lambda event: event.type in wanted or ("VmEvent" in wanted and event.type.startswith("Vm"))
