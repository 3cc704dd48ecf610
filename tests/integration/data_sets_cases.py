"""Cases of data sets and their entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.data_sets import DataSet, DataSets
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.guest_cases import machine, powered

__all__ = ["ERRORS", "SUCCESSES"]

CREATE, GET, UPDATE, DELETE = (
    f"vcenter.vm.v1.DataSetsService/{verb}DataSet" for verb in ("Create", "Get", "Update", "Delete")
)
LIST = "vcenter.vm.v1.DataSetsService/ListDataSets"
_ENTRIES = "vcenter.vm.data_sets.v1.EntriesService"
GET_ENTRY, SET_ENTRY, DELETE_ENTRY = (f"{_ENTRIES}/{verb}Entry" for verb in ("Get", "Set", "Delete"))
LIST_ENTRIES = f"{_ENTRIES}/ListEntries"

VM, OLD = "vm-1001", "vm-1002"
MESSAGES = "com.vmware.api.vcenter.vm.data_sets"
ENTRIES = f"{MESSAGES}.entries"
POWER = "vmsg.InvalidPowerState.summary"
ID = "one"
NONE, READ_ONLY, READ_WRITE = (f"DATA_SETS_ACCESS_{mode}" for mode in ("NONE", "READ_ONLY", "READ_WRITE"))
SPEC = {"name": "com.example.one", "description": "First", "host": READ_WRITE, "guest": READ_ONLY}
KEY = "a/b c?%"


def supporting(*sets: DataSet, room: int = 1 << 20) -> Setup:
    """The machine has hardware that is new enough, and these data sets."""

    def setup(simulator: Simulator) -> None:
        found = machine(simulator, VM)
        found.hardware_version = "VMX_20"
        found.data_sets = DataSets(room, {item.data_set: item for item in sets})

    return setup


def one(host: str = "READ_WRITE", **entries: str) -> Setup:
    """There is one data set, with these entries."""

    def setup(simulator: Simulator) -> None:
        item = DataSet(ID, "com.example.one", "First", host, "READ_ONLY")
        for key, value in entries.items():
            item.put(key, value)
        supporting(item)(simulator)

    return setup


def suspended(simulator: Simulator) -> None:
    one(old="value")(simulator)
    powered("SUSPENDED", VM)(simulator)


def full(simulator: Simulator) -> None:
    one(old="value")(simulator)
    machine(simulator, VM).data_sets.room = 30


def leaves(*names: str, **entries: str) -> Callable[[Any, Simulator], None]:
    """A check of the names of the data sets, and of the entries of the first."""

    def check(response: Any, simulator: Simulator) -> None:
        sets = list(machine(simulator, VM).data_sets.sets.values())
        assert [item.name for item in sets] == list(names)
        assert not entries or sets[0].entries == entries

    return check


def created(response: Any, simulator: Simulator) -> None:
    (item,) = machine(simulator, VM).data_sets.sets.values()
    assert response == {"data_set": item.data_set}
    expected = {"host": "READ_WRITE", "guest": "READ_ONLY", "used": 0, "omit_from_snapshot_and_clone": False}
    assert item.to_json() == {"name": "com.example.one", "description": "First", **expected}


def updated(response: Any, simulator: Simulator) -> None:
    item = machine(simulator, VM).data_sets.sets[ID]
    assert (item.description, item.host, item.guest) == ("", "NONE", "READ_ONLY")
    assert item.omit_from_snapshot_and_clone


def on(rpc: str, **more: Any) -> dict[str, Any]:
    """A request about the data set, as far as the rpc names one."""
    return {"vm": VM, **({} if rpc in (CREATE, LIST) else {"data_set": ID}), **more}


REQUESTS: dict[str, Json] = {
    CREATE: on(CREATE, spec=SPEC),
    GET: on(GET),
    UPDATE: on(UPDATE, spec={"description": "", "host": NONE, "omit_from_snapshot_and_clone": True}),
    DELETE: on(DELETE, force=True),
    LIST: on(LIST),
    GET_ENTRY: on(GET_ENTRY, key="old"),
    SET_ENTRY: on(SET_ENTRY, key=KEY, value="new"),
    DELETE_ENTRY: on(DELETE_ENTRY, key="old"),
    LIST_ENTRIES: on(LIST_ENTRIES),
}

SUCCESSES = (
    Success(id="empty", rpc=CREATE, request=REQUESTS[CREATE], setup=supporting(), check=created),
    Success(
        id="attributes",
        rpc=GET,
        request=REQUESTS[GET],
        setup=one(key="value"),
        response={"data_set": {**SPEC, "used": "8", "omit_from_snapshot_and_clone": False}},
    ),
    Success(id="some", rpc=UPDATE, request=REQUESTS[UPDATE], setup=one(), check=updated),
    Success(id="by-force", rpc=DELETE, request=REQUESTS[DELETE], setup=one(old="value"), check=leaves()),
    Success(id="empty", rpc=DELETE, request=on(DELETE), setup=one(), check=leaves()),
    Success(
        id="one",
        rpc=LIST,
        request=REQUESTS[LIST],
        setup=one(),
        response={"data_sets": [{"data_set": ID, "name": "com.example.one", "description": "First"}]},
    ),
    Success(id="none", rpc=LIST, request=REQUESTS[LIST], setup=supporting(), response={}),
    Success(
        id="value", rpc=GET_ENTRY, request=REQUESTS[GET_ENTRY], setup=one(old="value"), response={"value": "value"}
    ),
    Success(
        id="new",
        rpc=SET_ENTRY,
        request=REQUESTS[SET_ENTRY],
        setup=one(),
        check=leaves("com.example.one", **{KEY: "new"}),
    ),
    Success(
        id="largest",
        rpc=SET_ENTRY,
        request=on(SET_ENTRY, key="k" * 4096, value='"'),
        setup=one(),
        check=leaves("com.example.one", **{"k" * 4096: '"'}),
    ),
    Success(
        id="in-place-of-another",
        rpc=SET_ENTRY,
        request=on(SET_ENTRY, key="old", value=""),
        setup=one(old="value"),
        check=leaves("com.example.one", old=""),
    ),
    Success(
        id="one",
        rpc=DELETE_ENTRY,
        request=REQUESTS[DELETE_ENTRY],
        setup=one(old="value", other=""),
        check=leaves("com.example.one", other=""),
    ),
    Success(
        id="keys",
        rpc=LIST_ENTRIES,
        request=REQUESTS[LIST_ENTRIES],
        setup=one(b="", a=""),
        response={"keys": ["a", "b"]},
    ),
)


def refused(rpc: str, error: str, case: str, message: str, setup: Setup | None = None, **more: Any) -> ErrorCase:
    fields = {**REQUESTS[rpc], **more}
    return ErrorCase(
        rpc=rpc, error=error, id=case, request=fields, messages=(message,), setup=setup or one(old="value")
    )


def shared_errors() -> Iterator[ErrorCase]:
    """What the operations have in common."""
    for rpc, fields in REQUESTS.items():
        yield ErrorCase(
            rpc=rpc, error="UNSUPPORTED", request={**fields, "vm": OLD}, messages=(f"{MESSAGES}.hardware_version",)
        )
        if "data_set" in fields:
            yield refused(rpc, "NOT_FOUND", "data-set", f"{MESSAGES}.not_found", data_set="none")
    for rpc in (CREATE, UPDATE, DELETE, SET_ENTRY, DELETE_ENTRY):
        yield ErrorCase(
            rpc=rpc,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request=REQUESTS[rpc],
            messages=(f"{MESSAGES}.suspended", POWER),
            setup=suspended,
        )


ERRORS = (
    *shared_errors(),
    refused(CREATE, "ALREADY_EXISTS", "", f"{MESSAGES}.already_exists"),
    refused(CREATE, "INVALID_ARGUMENT", "name", f"{MESSAGES}.invalid_name", spec={**SPEC, "name": ""}),
    refused(
        CREATE,
        "INVALID_ARGUMENT",
        "description",
        f"{MESSAGES}.invalid_description",
        spec={**SPEC, "description": "d" * 1025},
    ),
    refused(CREATE, "UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.no_room", supporting(room=5)),
    refused(UPDATE, "INVALID_ARGUMENT", "", f"{MESSAGES}.invalid_description", spec={"description": "d" * 1025}),
    refused(
        UPDATE, "UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.no_room", full, spec={"description": "much longer"}
    ),
    refused(DELETE, "RESOURCE_IN_USE", "", f"{MESSAGES}.not_empty", force=False),
    *(refused(rpc, "NOT_FOUND", "entry", f"{ENTRIES}.not_found", key="none") for rpc in (GET_ENTRY, DELETE_ENTRY)),
    *(
        refused(rpc, "UNAUTHORIZED", "access", f"{ENTRIES}.access_denied", one(mode, old="value"))
        for rpc, mode in (
            (GET_ENTRY, "NONE"),
            (LIST_ENTRIES, "NONE"),
            (SET_ENTRY, "READ_ONLY"),
            (DELETE_ENTRY, "READ_ONLY"),
        )
    ),
    refused(SET_ENTRY, "INVALID_ARGUMENT", "key", f"{ENTRIES}.key_too_large", key="k" * 4097),
    refused(SET_ENTRY, "INVALID_ARGUMENT", "value", f"{ENTRIES}.value_too_large", value="v" * ((1 << 20) + 1)),
    refused(SET_ENTRY, "UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.no_room", full),
)
