"""EventManager, TaskManager, and the collectors of their records."""

from gateway.simulator.tasks import Task
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.event_values import event_data, read_filter
from gateway.simulator.vim.faults import VimError, not_found
from gateway.simulator.vim.history import MOST, HistoryCollector
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.service_properties import MAX_COLLECTORS, task_info
from gateway.simulator.vim.values import Ref, Typed, account_name

__all__: list[str] = []


@method("EventManager", "QueryEvents")
def _query(call: VimCall) -> list[Typed]:
    """The newest events that match the filter, at most 1,000, oldest first."""
    spec = call.arguments.need("filter")
    takes, most, world = read_filter(spec, call.world), spec.number("maxCount") or MOST, call.world
    found = []
    for event in reversed(world.events):
        if takes(event):
            found.append(event)
            if len(found) >= min(most, MOST):
                break
    return [Typed(event_data(event, world)) for event in reversed(found)]


@method("EventManager", "CreateCollectorForEvents")
def _collect_events(call: VimCall) -> Ref:
    spec, world = call.arguments.need("filter"), call.world
    takes = read_filter(spec, world)
    collector = HistoryCollector(
        "EventHistoryCollector",
        call.new_id(),
        lambda: [event for event in world.events if takes(event)],
        lambda event: event.key,
        lambda event: event_data(event, world),
        spec.as_value(),
    )
    world.events.followers[collector.id] = (collector.type, collector.id)
    return _keep(call, collector)


@method("TaskManager", "CreateCollectorForTasks")
def _collect_tasks(call: VimCall) -> Ref:
    spec, world = call.arguments.need("filter"), call.world
    tasks = world.inventory.tasks.tasks
    _check_entity(spec, call)
    collector = HistoryCollector(
        "TaskHistoryCollector",
        call.new_id(),
        lambda: [(number, task) for number, task in enumerate(tasks.values(), 1) if _takes(spec, task)],
        lambda item: int(item[0]),
        lambda item: task_info(item[1], world),
        spec.as_value(),
    )
    return _keep(call, collector)


def _keep(call: VimCall, collector: HistoryCollector) -> Ref:
    present = sum(isinstance(item, HistoryCollector) for item in call.own.objects.values())
    if present >= MAX_COLLECTORS:
        raise VimError("InvalidState", "The session has as many collectors as it can have.")
    call.own.objects[collector.id] = collector
    return Ref(collector.type, collector.id)


def _check_entity(spec: Arguments, call: VimCall) -> None:
    found = spec.find("entity")
    if found is not None and call.world.find(found.ref("entity")) is None:
        raise not_found(found.ref("entity"))


_STATES = {"PENDING": "queued", "RUNNING": "running", "SUCCEEDED": "success", "FAILED": "error"}


def _takes(spec: Arguments, task: Task) -> bool:
    entity, states = spec.find("entity"), spec.texts("state")
    if states and _STATES.get(task.status) not in states:
        return False
    user = spec.find("userName")
    if user is not None and account_name(task.user) not in user.texts("userList"):
        return False
    if entity is None or entity.text("recursion") != "self" or entity.ref("entity").type == "Folder":
        return True
    return task.target == tuple(entity.ref("entity"))


@method("EventHistoryCollector", "ReadNextEvents")
@method("TaskHistoryCollector", "ReadNextTasks")
def _next(call: VimCall) -> list[Typed]:
    collector: HistoryCollector = call.subject
    return collector.next(call.arguments.number("maxCount"))


@method("EventHistoryCollector", "ReadPreviousEvents")
@method("TaskHistoryCollector", "ReadPreviousTasks")
def _previous(call: VimCall) -> list[Typed]:
    collector: HistoryCollector = call.subject
    return collector.previous(call.arguments.number("maxCount"))


@method("HistoryCollector", "RewindCollector")
def _rewind(call: VimCall) -> None:
    call.subject.rewind()


@method("HistoryCollector", "ResetCollector")
def _reset(call: VimCall) -> None:
    call.subject.reset()


@method("HistoryCollector", "SetCollectorPageSize")
def _resize(call: VimCall) -> None:
    call.subject.resize(call.arguments.number("maxCount"))


@method("HistoryCollector", "DestroyCollector")
def _destroy(call: VimCall) -> None:
    call.world.events.followers.pop(call.this.id, None)
    del call.own.objects[call.this.id]
