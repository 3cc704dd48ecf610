"""JSON-RPC at `POST /api`, in which VMware's SDKs call: every type there and back, sessions and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from gateway.simulator import RELEASES, Fault, ManualClock, Simulator, SimulatorOptions
from gateway.simulator.catalogue import Field, Operation, Structure, Type, load
from gateway.simulator.exchange import Request, Response
from gateway.simulator.json_rpc import JsonRpc
from gateway.simulator.validation import Validator
from tests.unit.simulator.harness import ADMIN, PASSWORD, Answer, Api

VM = "com.vmware.vcenter.VM"
POWER = "com.vmware.vcenter.vm.power"
SESSIONS = "com.vmware.cis.session"
OVF_ITEM = "0b8f6a52-7d31-4e9c-8a64-f15e20c9d7b3"
OPERATIONS = load().operations


def structure(identifier: str, /, **fields: Any) -> dict[str, Any]:
    return {"STRUCTURE": {identifier: fields}}


def optional(value: Any = None) -> dict[str, Any]:
    return {"OPTIONAL": value}


def with_session(session: str) -> dict[str, Any]:
    return {"schemeId": "com.vmware.vapi.std.security.session_id", "sessionId": session}


def with_password(user: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"schemeId": "com.vmware.vapi.std.security.user_pass", "userName": user, "password": password}


def message(service: str, operation: str, parameters: Mapping[str, Any], security: Any = None) -> bytes:
    params = {
        "serviceId": service,
        "operationId": operation,
        "input": structure("operation-input", **parameters),
        "ctx": {"appCtx": {"opId": "op-1"}, "securityCtx": security},
    }
    return json.dumps({"jsonrpc": "2.0", "id": "7", "method": "invoke", "params": params}).encode()


def send(api: Api, body: bytes) -> Answer:
    answer = api.request("POST", "/api", body, headers={"content-type": "application/json"})
    assert answer.status == 200, "errors of the API are results"
    assert (answer.json["jsonrpc"], answer.json["id"]) == ("2.0", "7")
    return answer


def invoke(api: Api, service: str, operation: str, /, **parameters: Any) -> Any:
    """The output of a call in the administrator's session."""
    answer = send(api, message(service, operation, parameters, with_session(api.session)))
    assert "error" not in answer.json["result"], answer.json
    return answer.json["result"]["output"]


def refused(
    api: Api, service: str, operation: str, *, session: str | None = None, **parameters: Any
) -> tuple[str, Any]:
    """The type and the fields of the error in which a call ends."""
    security = with_session(api.session if session is None else session)
    answer = send(api, message(service, operation, parameters, security))
    ((name, fields),) = answer.json["result"]["error"]["ERROR"].items()
    return name.removeprefix("com.vmware.vapi.std.errors."), fields


def sample(kind: Type, depth: int = 0) -> Any:
    """A value of a type, with every field that does not lead to a structure within itself."""
    if not isinstance(kind, str):
        if "map" in kind:
            return {"key": sample(kind["map"][1], depth)}
        return [sample(kind.get("list") or kind["set"], depth)]
    if kind in load().structures:
        return sample_structure(load().structures[kind], depth + 1)
    if kind in load().enumerations:
        return min(load().enumerations[kind].values)
    values = {"int64": 5, "boolean": True, "double": 0.5, "date-time": "2026-01-02T03:04:05.000Z"}
    return values.get(kind, "text")


def sample_structure(structure: Structure, depth: int) -> dict[str, Any]:
    fields = {}
    tags = {union.tag: sample(structure.fields[union.tag].type) for union in structure.unions}
    left_out = set()
    for union in structure.unions:
        of_case = {name for name, _ in union.cases.get(tags[union.tag], ())}
        left_out |= {name for members in union.cases.values() for name, _ in members} - of_case
    for name, item in structure.fields.items():
        if name not in left_out and (item.required or depth < 8):
            fields[name] = sample(item.type, depth)
    return fields | tags


def encoded(kind: Type, value: Any) -> Any:
    """A value as the runtime writes it; written down apart from the simulator's own translation."""
    if not isinstance(kind, str):
        if "map" in kind:
            return [structure("map-entry", key=key, value=encoded(kind["map"][1], item)) for key, item in value.items()]
        return [encoded(kind.get("list") or kind["set"], item) for item in value]
    if kind in load().structures:
        known = load().structures[kind]
        return {"STRUCTURE": {known.id: {name: field_of(item, value.get(name)) for name, item in known.fields.items()}}}
    return {"SECRET": value} if kind == "password" else value


def field_of(field: Field, value: Any) -> Any:
    if field.required:
        return encoded(field.type, value)
    return optional(None if value is None else encoded(field.type, value))


def parameters_of(operation: Operation) -> tuple[dict[str, Any], dict[str, Any], dict[str, list[str]], Any]:
    """Parameters as they are sent, and where they belong: in the path, in the query, in the body."""
    sent: dict[str, Any] = {name: f"{name}/1" for name in operation.path_names}
    path = dict(sent)
    query: dict[str, list[str]] = {name: [value] for name, value in operation.fixed_query.items()}
    spread = {}
    for name, item in operation.query.items():
        value = sample(item.type)
        spread[name] = optional(encoded(item.type, value))
        query[name] = [
            str(part).lower() if part is True else str(part) for part in (value if isinstance(value, list) else [value])
        ]
    if spread:
        # Beside a body they are parameters themselves.
        sent |= {"filter": optional(structure("filter_spec", **spread))} if operation.body is None else spread
    body = operation.body
    if isinstance(body, Structure):
        value = sample_structure(body, 0)
        if operation.takes_fields:
            sent |= {name: field_of(item, value.get(name)) for name, item in body.fields.items()}
        else:
            sent["spec"] = encoded(body.name, value)
        return sent, path, query, value
    if body is not None:
        sent["value"] = "text"
    return sent, path, query, None if body is None else "text"


@pytest.mark.parametrize("key", sorted(OPERATIONS))
def test_parameters_find_their_places(key: str) -> None:
    """Those of every operation: what the runtime wrote is what a REST request would have brought, and fits."""
    operation = OPERATIONS[key]
    sent, path, query, body = parameters_of(operation)
    request = Request("POST", "/api", {}, message(operation.service, operation.name.replace("_task", "$task"), sent))
    found = JsonRpc(load()).read(request)
    assert (found.operation, found.path, found.query, found.body()) == (operation, path, query, body)
    Validator(load(), load()).request(operation, found.query, found.body(), has_body=found.has_body)


@pytest.mark.parametrize("key", sorted(key for key, item in OPERATIONS.items() if item.result is not None))
def test_results_have_their_types(key: str) -> None:
    """Those of every operation, with all optional fields set and, where a field is required alone, without."""
    operation = OPERATIONS[key]
    kind = operation.result
    assert kind is not None
    request = Request("POST", "/api", {}, message(operation.service, operation.name.replace("_task", "$task"), {}))
    value = sample(kind)
    written = JsonRpc(load()).write(request, Response(200, json.dumps(value).encode()))
    expected = encoded(kind, value)
    if key.startswith("com.vmware.vcenter.inventory."):
        expected = [structure("map-entry", key="key", value=optional(encoded(kind["map"][1], value["key"])))]  # type: ignore[index]
    if operation.result_is_optional and key != "com.vmware.vcenter.vm.evc_mode.get":
        expected = optional(expected)
    assert json.loads(written.body)["result"] == {"output": expected}


def test_a_session(api: Api) -> None:
    """It is made with a password, told about, and ended; the identifier is a secret of the runtime."""
    created = send(api, message(SESSIONS, "create", {}, with_password(ADMIN))).json["result"]["output"]
    api.session = created["SECRET"]
    info = invoke(api, SESSIONS, "get")["STRUCTURE"]["com.vmware.cis.session.info"]
    assert info["user"] == ADMIN
    assert invoke(api, SESSIONS, "delete") is None
    assert refused(api, SESSIONS, "get")[0] == "unauthenticated"


def test_a_session_is_that_of_the_rest_api(api: Api) -> None:
    """Whichever way it was made."""
    assert invoke(api, POWER, "get", vm="vm-1001")["STRUCTURE"]["com.vmware.vcenter.vm.power.info"]["state"]
    created = send(api, message(SESSIONS, "create", {}, with_password(ADMIN))).json["result"]["output"]["SECRET"]
    assert api("GET", "/api/session", session=created).status == 200


def test_a_wrong_password_counts(api: Api) -> None:
    """As a refused login does."""
    answer = send(api, message(SESSIONS, "create", {}, with_password(ADMIN, "wrong")))
    ((name, fields),) = answer.json["result"]["error"]["ERROR"].items()
    assert name == "com.vmware.vapi.std.errors.unauthenticated"
    assert fields["challenge"]["OPTIONAL"].startswith("Basic realm=")
    assert api.sessions.rejected_logins == 1


def test_without_a_session(api: Api) -> None:
    """Nothing is carried out."""
    assert refused(api, POWER, "stop", session="", vm="vm-1001")[0] == "unauthenticated"
    assert api.inventory.machines["vm-1001"].power_state == "POWERED_ON"


def test_a_filter_goes_into_the_query(api: Api) -> None:
    """Its fields are parameters in the REST API."""
    spec = structure("com.vmware.vcenter.VM.filter_spec", names=optional(["web-0001"]), hosts=optional())
    (found,) = invoke(api, VM, "list", filter=optional(spec))
    assert found == structure(
        "com.vmware.vcenter.VM.summary",
        vm="vm-1001",
        name="web-0001",
        power_state="POWERED_ON",
        cpu_count=optional(2),
        memory_size_MiB=optional(4096),
    )


def test_an_error_is_a_structure(api: Api) -> None:
    """With its messages, their arguments, and its type as a field, too."""
    name, fields = refused(api, VM, "get", vm="vm-9")
    (text,) = fields["messages"]
    said = text["STRUCTURE"]["com.vmware.vapi.std.localizable_message"]
    assert (name, fields["error_type"], fields["data"]) == ("not_found", optional("NOT_FOUND"), optional())
    assert said["id"] == "com.vmware.api.vcenter.vm.not_found"
    assert said["params"] == said["localized"] == optional()


def test_a_clone_is_waited_for(api: Api) -> None:
    """Its answer comes when it is complete."""
    spec = structure(f"{VM}.clone_spec", source="vm-1002", name="copy")
    made = invoke(api, VM, "clone", spec=spec)
    assert api.inventory.machines[made].name == "copy"


def test_a_task_variant_has_a_name_of_its_own(api: Api) -> None:
    """`clone$task` answers with the task; the result of a task, whose type nobody knows, is as it is."""
    task = invoke(api, VM, "clone$task", spec=structure(f"{VM}.clone_spec", source="vm-1002", name="copy"))
    api.clock.advance(10)
    info = invoke(api, "com.vmware.cis.tasks", "get", task=task, spec=optional())["STRUCTURE"][
        "com.vmware.cis.task.info"
    ]
    assert (info["operation"], info["result"]) == ("clone$task", optional("vm-1022"))
    assert refused(api, VM, "clone_task", spec=structure("x"))[0] == "operation_not_found"


@pytest.mark.parametrize("release", ["7.0.3", "9.1"])
def test_a_client_token_is_a_parameter(clock: ManualClock, release: str) -> None:
    """In every release, wherever the REST API of that release expects it."""
    api = Api(clock, release=RELEASES[release])
    api.login()
    spec = structure(
        "com.vmware.content.library.item_model",
        name=optional("twice"),
        library_id=optional("b3c6d9a1-52f4-4c9e-8d07-1f2a3b4c5d6e"),
    )
    token = optional("6f6e2a1e-57d4-4c3c-9d2f-0b6a3f1d9c11")
    service = "com.vmware.content.library.item"
    made = [invoke(api, service, "create", client_token=token, create_spec=spec) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("release", ["7.0.3", "9.1"])
def test_a_renamed_parameter_has_its_old_name(clock: ManualClock, release: str) -> None:
    """The query of the REST API changed, the runtime did not."""
    api = Api(clock, release=RELEASES[release])
    api.login()
    assert invoke(api, "com.vmware.vcenter.ovf.import_flag", "list", rp="resgroup-9")


def test_the_data_of_errors_say_their_names(api: Api) -> None:
    """As the structures that the SDK has for them."""
    guest = "com.vmware.vcenter.vm.guest"
    login = {"type": "USERNAME_PASSWORD", "interactive_session": False, "user_name": "root", "password": PASSWORD}
    credentials = structure(
        f"{guest}.credentials", **{name: item if name == "type" else optional(item) for name, item in login.items()}
    )
    parameters = {"vm": "vm-1001", "credentials": credentials}
    _, fields = refused(api, f"{guest}.processes", "get", pid=9999, **parameters)
    assert fields["data"] == optional(structure(f"{guest}.processes.process_error_details", pid=9999))
    _, fields = refused(api, f"{guest}.filesystem.files", "get", path="/none", **parameters)
    details = structure(f"{guest}.filesystem.file_error_details", reason="FILE_NOT_FOUND", file_path="/none")
    assert fields["data"] == optional(details)


def test_dynamic_structures_say_their_names(api: Api) -> None:
    """In both directions: policies of a capability, parameters of an OVF package."""
    capability = "com.vmware.vcenter.compute.policies.capabilities.vm_vm_anti_affinity"
    (tag, *_) = invoke(api, "com.vmware.cis.tagging.tag", "list")
    spec = structure(f"{capability}.create_spec", capability=capability, name="apart", description="", vm_tag=tag)
    policy = invoke(api, "com.vmware.vcenter.compute.policies", "create", spec=spec)
    ((name, fields),) = invoke(api, "com.vmware.vcenter.compute.policies", "get", policy=policy)["STRUCTURE"].items()
    assert (name, fields["vm_tag"]) == (f"{capability}.info", tag)
    target = structure("target", resource_pool_id=optional("resgroup-9"))
    found = invoke(api, "com.vmware.vcenter.ovf.library_item", "filter", ovf_library_item_id=OVF_ITEM, target=target)
    (parameters,) = found["STRUCTURE"]["com.vmware.vcenter.ovf.library_item.ovf_summary"]["additional_params"][
        "OPTIONAL"
    ]
    assert parameters["STRUCTURE"]["com.vmware.vcenter.ovf.property_params"]["type"] == optional("PropertyParams")


@pytest.mark.parametrize(
    ("service", "operation", "said"),
    [
        ("com.vmware.vcenter.no_such", "get", "vapi.method.input.invalid.interface"),
        (VM, "levitate", "vapi.method.input.invalid.method"),
        (SESSIONS, "levitate", "vapi.method.input.invalid.method"),
    ],
    ids=["service", "operation", "operation of sessions"],
)
def test_what_does_not_exist(api: Api, service: str, operation: str, said: str) -> None:
    """OPERATION_NOT_FOUND, with a message that tells service and operation apart."""
    name, fields = refused(api, service, operation)
    (text,) = fields["messages"]
    assert name == "operation_not_found"
    assert text["STRUCTURE"]["com.vmware.vapi.std.localizable_message"]["id"] == said


def test_what_came_later_does_not_exist(clock: ManualClock) -> None:
    """As in the REST API of an older release."""
    api = Api(clock, release=RELEASES["7.0.3"])
    api.login()
    assert refused(api, "com.vmware.vcenter.vm.data_sets", "list", vm="vm-1001")[0] == "operation_not_found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"jsonrpc": "2.0", "id": 1, "method": "invoke"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "invoke", "params": null}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "invoke", "params": {"serviceId": 1, "operationId": {}, "input": 1}}',
        message(VM, "list", {}).replace(b'"2.0"', b'"1.0"'),
        message(VM, "list", {}).replace(b'"invoke"', b'"levitate"'),
        b"[" * 100_000,
    ],
    ids=range(11),
)
def test_what_is_no_message(api: Api, body: bytes) -> None:
    """An error of JSON-RPC itself."""
    answer = api.request("POST", "/api", body)
    assert answer.json == {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid request."}, "id": None}


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        [],
        "text",
        {},
        {"STRUCTURE": 1},
        {"STRUCTURE": {}},
        {"STRUCTURE": {"a": {}, "b": {}}},
        {"OPTIONAL": {"X": 1}},
    ],
    ids=range(9),
)
def test_values_that_are_none(api: Api, value: Any) -> None:
    """Input that is no value of the runtime is the client's mistake, and never one of the simulator."""
    body = json.loads(message(VM, "list", {}, with_session(api.session)))
    body["params"]["input"] = value
    assert "invalid_request" in json.dumps(send(api, json.dumps(body).encode()).json)
    body["params"]["input"] = structure("operation-input", filter=value)
    answer = json.dumps(send(api, json.dumps(body).encode()).json)
    assert "internal_server_error" not in answer


async def test_faults_and_the_record_know_the_operation() -> None:
    """A fault for an operation is for every dialect, and so is the record of calls."""
    async with Simulator(SimulatorOptions(vms=8)) as vcenter, aiohttp.ClientSession() as client:
        vcenter.faults.add(Fault.error("RESOURCE_BUSY"), operation=f"{POWER}.start")
        session = vcenter.sessions.login(vcenter.user, vcenter.password).identifier
        body = message(POWER, "start", {"vm": "vm-1002"}, with_session(session))
        async with client.post(f"{vcenter.url}/api", data=body) as response:
            answer = await response.json()
        assert "com.vmware.vapi.std.errors.resource_busy" in answer["result"]["error"]["ERROR"]
        async with client.post(f"{vcenter.url}/api", data=body) as response:
            assert await response.json() == {"jsonrpc": "2.0", "result": {"output": None}, "id": "7"}
        assert [call.executed for call in vcenter.record.of(f"{POWER}.start")] == [False, True]


@pytest.mark.parametrize(
    ("target", "made_up"),
    [
        ("/api", Response(200, b"[1]")),
        ("/api", Response(500, b'{"x": 1}')),
        ("/api", Response(500, b"5")),
        ("/rest/vcenter/vm/vm-1001", Response(500, b'{"x": 1}')),
        ("/rest/vcenter/vm/vm-1001", Response(200, b'{"x": 1}')),
    ],
    ids=range(5),
)
def test_what_a_fault_makes_up_stays(api: Api, target: str, made_up: Response) -> None:
    """There is nothing that it would mean in another dialect."""
    method = "POST" if target == "/api" else "GET"
    request = Request(method, target, {}, message(VM, "get", {"vm": "vm-1001"}))
    assert api.endpoint.in_dialect(request, made_up) == made_up
