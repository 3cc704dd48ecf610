"""The property collector's methods."""

from collections.abc import Awaitable
from typing import Any

from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.collector import DEFAULT, Collector
from gateway.simulator.vim.faults import VimError, invalid_argument
from gateway.simulator.vim.filters import Filter
from gateway.simulator.vim.objects import TYPES
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.selection import read_selection
from gateway.simulator.vim.structures import at_path
from gateway.simulator.vim.values import Raw, Ref, Typed


@method("PropertyCollector", "CreatePropertyCollector")
def _create(call: VimCall) -> Ref:
    collector = Collector(call.new_id())
    call.own.objects[collector.id] = collector
    return Ref(collector.type, collector.id)


@method("PropertyCollector", "DestroyPropertyCollector")
def _destroy(call: VimCall) -> None:
    collector: Collector = call.subject
    if collector.id == DEFAULT:
        raise VimError("InvalidRequest", "The default collector cannot be destroyed.")
    for key in collector.filters:
        call.own.objects.pop(key, None)
    collector.filters.clear()
    collector.cancel(call.world)
    del call.own.objects[collector.id]


@method("PropertyCollector", "CreateFilter")
def _create_filter(call: VimCall) -> Ref:
    collector: Collector = call.subject
    made = Filter(call.new_id(), read_selection(call.arguments.need("spec")), call.world)
    collector.filters[made.id] = made
    call.own.objects[made.id] = made
    call.world.inventory.changes.wake()  # Its objects also count for a wait in progress.
    return Ref(made.type, made.id)


@method("PropertyFilter", "DestroyPropertyFilter")
def _destroy_filter(call: VimCall) -> None:
    for item in call.own.objects.values():
        if isinstance(item, Collector):
            item.filters.pop(call.this.id, None)
    del call.own.objects[call.this.id]


@method("PropertyCollector", "WaitForUpdatesEx")
def _wait(call: VimCall) -> Awaitable[Raw | None]:
    options = call.arguments.find("options") or Arguments("options")
    seconds = options.number("maxWaitSeconds")
    most = options.number("maxObjectUpdates")
    if seconds is not None and seconds < 0:
        raise invalid_argument("options.maxWaitSeconds")
    if most is not None and most <= 0:
        raise invalid_argument("options.maxObjectUpdates")
    return _updates(call, seconds, most)


@method("PropertyCollector", "WaitForUpdates")
def _wait_long(call: VimCall) -> Awaitable[Raw | None]:
    return _updates(call, None, None)


@method("PropertyCollector", "CheckForUpdates")
def _check(call: VimCall) -> Awaitable[Raw | None]:
    return _updates(call, 0, None)


def _updates(call: VimCall, seconds: int | None, most: int | None) -> Awaitable[Raw | None]:
    collector: Collector = call.subject
    version = call.arguments.optional_text("version") or ""
    return collector.wait(call.world, call.own, version, seconds, most)


@method("PropertyCollector", "CancelWaitForUpdates")
def _cancel_wait(call: VimCall) -> None:
    call.subject.cancel(call.world)


@method("PropertyCollector", "RetrievePropertiesEx")
def _retrieve(call: VimCall) -> Raw | None:
    options = call.arguments.find("options") or Arguments("options")
    most = options.number("maxObjects")
    if most is not None and most <= 0:
        raise invalid_argument("options.maxObjects")
    collector: Collector = call.subject
    return collector.retrieve(call.world, [read_selection(spec) for spec in call.arguments.all("specSet")], most)


@method("PropertyCollector", "RetrieveProperties")
def _retrieve_all(call: VimCall) -> Any:
    """The older form, without pages: a list of objects in place of its elements."""
    collector: Collector = call.subject
    selections = [read_selection(spec) for spec in call.arguments.all("specSet")]
    return collector.contents(call.world, selections)


@method("PropertyCollector", "ContinueRetrievePropertiesEx")
def _continue(call: VimCall) -> Raw | None:
    collector: Collector = call.subject
    return collector.proceed(call.arguments.text("token"))


@method("PropertyCollector", "CancelRetrievePropertiesEx")
def _cancel(call: VimCall) -> None:
    collector: Collector = call.subject
    collector.drop(call.arguments.text("token"))


@method("ServiceInstance", "Fetch", privilege=None)
@method("ManagedObject", "Fetch")
def _fetch(call: VimCall) -> Typed | None:
    """One property of the object itself, as pyVmomi reads it."""
    name = call.arguments.text("prop")
    member = at_path(TYPES[call.this.type], name)
    value = member.get(call.subject, call.world)
    return None if value is None else Typed(value, member.kind)
