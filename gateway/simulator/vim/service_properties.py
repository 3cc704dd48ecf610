"""The properties of objects outside the inventory: the service's managers, sessions, and tasks."""

import zlib
from typing import Any

from gateway.simulator.sessions import Session
from gateway.simulator.tasks import Task
from gateway.simulator.vim.event_log import FORMATS
from gateway.simulator.vim.event_values import event_data
from gateway.simulator.vim.faults import localized
from gateway.simulator.vim.performance import COUNTERS, INTERVALS
from gateway.simulator.vim.structures import Member, Structure, array
from gateway.simulator.vim.values import Data, Ref, Typed, account_name, escape_name
from gateway.simulator.vim.world import SINGLETONS

__all__ = ["MANAGERS", "MAX_COLLECTORS", "TASK", "service_content", "task_info", "user_session"]

_STATES = {"PENDING": "queued", "RUNNING": "running", "SUCCEEDED": "success", "FAILED": "error"}
_METHODS = {"clone$task": "CloneVM_Task", "relocate$task": "RelocateVM_Task"}
_CONTENT = {
    "viewManager": "ViewManager",
    "setting": "VpxSettings",
    "sessionManager": "SessionManager",
    "perfManager": "PerfMgr",
    "eventManager": "EventManager",
    "taskManager": "TaskManager",
    "customFieldsManager": "CustomFieldsManager",
    "searchIndex": "SearchIndex",
    "fileManager": "FileManager",
}
MAX_COLLECTORS = 32
"""Maximum number of history collectors of a session."""
_METHOD_NAMES = (
    "PowerOnVM_Task", "PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task", "ReconfigVM_Task", "Rename_Task",
    "CreateSnapshot_Task", "CreateSnapshotEx_Task", "RevertToSnapshot_Task", "RevertToCurrentSnapshot_Task",
    "RemoveSnapshot_Task", "RemoveAllSnapshots_Task", "CreateScreenshot_Task", "MoveIntoFolder_Task", "Destroy_Task",
    "CloneVM_Task", "RelocateVM_Task", "DeleteDatastoreFile_Task",
)  # fmt: skip


def service_content(world: Any) -> Data:
    """ServiceContent: the entry point of the API."""
    managers: dict[str, Any] = {name: Ref(SINGLETONS[key], key) for name, key in _CONTENT.items()}
    return Data(
        "ServiceContent",
        rootFolder=Ref("Folder", "group-d1"),
        propertyCollector=Ref("PropertyCollector", "propertyCollector"),
        about=world.about(),
        **managers,
    )


def user_session(session: Session) -> Data:
    """UserSession."""
    return Data(
        "UserSession",
        key=session.key,
        userName=account_name(session.user.name),
        fullName=session.user.name.partition("@")[0],
        loginTime=session.created,
        lastActiveTime=session.last_accessed,
        locale=session.locale,
        messageLocale=session.locale,
        extensionSession=False,
        ipAddress="127.0.0.1",
        userAgent=session.user_agent,
        callCount=session.calls,
    )


def _current_session(subject: Any, world: Any) -> Data | None:
    return None if world.session is None else user_session(world.session)


def _session_list(subject: Any, world: Any) -> list[Data]:
    return [] if world.session is None else [user_session(session) for session in world.sessions.shown("VIM")]


def task_info(task: Task, world: Any) -> Data:
    """TaskInfo of a task, whichever API started it."""
    machine = world.inventory.machines.get(task.target[1]) if task.target else None
    method = task.method or _METHODS.get(task.operation, task.operation)
    value = task.value
    if value is None and task.operation == "clone$task" and task.result is not None:
        value = Ref("VirtualMachine", str(task.result))
    ended = task.ended is not None
    return Data(
        "TaskInfo",
        key=task.task,
        task=Ref("Task", task.task),
        name=method,
        descriptionId=_description_id(method),
        entity=None if task.target is None else Ref(*task.target),
        entityName=None if machine is None else escape_name(machine.name),
        state=_STATES.get(task.status, "running"),
        cancelled=task.error is not None and task.error.error_type == "CANCELED",
        cancelable=task.cancelable(world.now),
        error=None if task.error is None else localized(task.error),
        result=None if value is None else Typed(value),
        progress=None if ended else task.progress(world.now),
        reason=Typed(Data("TaskReasonUser", userName=account_name(task.user))),
        queueTime=task.started,
        startTime=task.started,
        completeTime=task.ended,
        eventChainId=zlib.crc32(task.task.encode()) & 0x7FFFFFFF,
    )


def _description_id(method: str) -> str:
    name = method.removesuffix("_Task").removesuffix("VM")
    return f"VirtualMachine.{name[:1].lower()}{name[1:]}"


def _latest_event(subject: Any, world: Any) -> Data | None:
    latest = world.events.latest
    return None if latest is None else event_data(latest, world)


def _element(key: str, label: str) -> Data:
    return Data("ElementDescription", label=label, summary=label, key=key)


def _method_infos() -> list[Data]:
    return [_element(_description_id(name), name.removesuffix("_Task")) for name in _METHOD_NAMES]


def _event_infos() -> list[Data]:
    return [
        Data(
            "EventDescriptionEventDetail",
            key=kind,
            description=text,
            category="info",
            formatOnDatacenter=text,
            formatOnComputeResource=text,
            formatOnHost=text,
            formatOnVm=text,
            fullFormat=text,
        )
        for kind, text in FORMATS.items()
    ]


def _singleton(type: str, members: dict[str, Member | Structure] | None = None, unset: str = "") -> Structure:  # noqa: A002
    return Structure(type, members or {}, frozenset(unset.split()))


MANAGERS = {
    "ServiceInstance": _singleton(
        "ServiceInstance",
        {
            "serverClock": Member("xsd:dateTime", lambda subject, world: world.now),
            "content": Member("ServiceContent", lambda subject, world: service_content(world)),
        },
        "capability",
    ),
    "SessionManager": _singleton(
        "SessionManager",
        {
            "sessionList": array("UserSession", _session_list),
            "currentSession": Member("UserSession", _current_session),
            "message": Member("xsd:string", lambda subject, world: ""),
            "messageLocaleList": Member("ArrayOfString", lambda subject, world: ["en"]),
            "supportedLocaleList": Member("ArrayOfString", lambda subject, world: ["en"]),
            "defaultLocale": Member("xsd:string", lambda subject, world: "en"),
        },
    ),
    "ViewManager": _singleton("ViewManager", unset="viewList"),
    "SearchIndex": _singleton("SearchIndex"),
    "FileManager": _singleton("FileManager"),
    "OptionManager": _singleton("OptionManager", unset="supportedOption setting"),
    "TaskManager": _singleton(
        "TaskManager",
        {
            "recentTask": array("ManagedObjectReference", lambda subject, world: world.recent_tasks()),
            "maxCollector": Member("xsd:int", lambda subject, world: MAX_COLLECTORS),
            "description": Structure(
                "TaskDescription",
                {"methodInfo": array("ElementDescription", lambda subject, world: _method_infos())},
                frozenset({"state", "reason"}),
            ),
        },
    ),
    "EventManager": _singleton(
        "EventManager",
        {
            "description": Structure(
                "EventDescription",
                {
                    "category": array("ElementDescription", lambda subject, world: [_element("info", "Information")]),
                    "eventInfo": array("EventDescriptionEventDetail", lambda subject, world: _event_infos()),
                },
                frozenset({"enumeratedTypes"}),
            ),
            "latestEvent": Member("Event", _latest_event),
            "maxCollector": Member("xsd:int", lambda subject, world: MAX_COLLECTORS),
        },
    ),
    "PerformanceManager": _singleton(
        "PerformanceManager",
        {
            "historicalInterval": Member("ArrayOfPerfInterval", lambda subject, world: list(INTERVALS)),
            "perfCounter": array(
                "PerfCounterInfo", lambda subject, world: [counter.to_data() for counter in COUNTERS.values()]
            ),
        },
        "description",
    ),
    "CustomFieldsManager": _singleton(
        "CustomFieldsManager",
        {"field": array("CustomFieldDef", lambda subject, world: world.custom_fields.definitions())},
    ),
}
"""The managers' properties by type, except for those with their own module."""

TASK = Structure("Task", {"info": Member("TaskInfo", task_info)}, frozenset({"value", "availableField"}))
