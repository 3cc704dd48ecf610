"""The contract: what is read from compiled protos."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from gateway.contract import (
    Contract,
    ContractError,
    Idempotency,
    Local,
    Streaming,
    UnionCase,
    Variable,
    load_contract,
)
from gateway.contract.contract import wire_name
from gateway.contract.reader import build_contract
from gateway.transcoding import compile_bindings
from tests.protos import HEAD, compiled, contract_of

PROTO = """
service PumpService {
  rpc StartPump(StartPumpRequest) returns (StartPumpResponse) {
    option (google.api.http) = {
      post: "/api/pump/{pump}?action=start"
      body: "spec"
      response_body: "speed"
    };
    option (vapi.v1.errors) = ERROR_TYPE_NOT_FOUND;
    option (vapi.v1.errors) = ERROR_TYPE_ERROR;
  }
  rpc GetPump(GetPumpRequest) returns (GetPumpResponse) {
    option (google.api.http) = {get: "/api/pump/{pump}"};
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc SetPump(GetPumpRequest) returns (GetPumpResponse) {
    option (google.api.http) = {put: "/api/pump/{pump}"};
    option idempotency_level = IDEMPOTENT;
  }
}
message StartPumpRequest {
  string pump = 1 [(google.api.field_behavior) = REQUIRED];
  Spec spec = 2 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = INPUT_ONLY];
}
message StartPumpResponse { optional int64 speed = 1; }
message GetPumpRequest { string pump = 1 [(google.api.field_behavior) = REQUIRED]; }
message GetPumpResponse {
  message Valve { optional string name = 1 [(google.api.field_behavior) = REQUIRED]; }
  repeated Valve valves = 1;
}
message Spec {
  option (vapi.v1.unions) = {
    tag: "drive"
    cases: {value: "MOTOR" required: ["volts"] optional: ["amps"]}
    cases: {value: "HAND"}
  };
  optional Drive drive = 1;
  optional int64 volts = 2;
  optional int64 amps = 3 [(google.api.field_behavior) = OPTIONAL];
}
message Failure {
  option (vapi.v1.error_data) = true;
  optional string cause = 1 [(vapi.v1.json_text) = true];
  repeated string drives = 2 [(vapi.v1.open_enum) = "lab.v1.Drive"];
}
enum Drive {
  DRIVE_UNSPECIFIED = 0;
  DRIVE_MOTOR = 1;
  DRIVE_HAND = 2;
}
"""
START = "lab.v1.PumpService/StartPump"


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("pump"), PROTO)


def test_method(contract: Contract) -> None:
    """A method has its names, its types, its rule, and the documented errors in their order."""
    method = contract.methods[START]
    assert (method.service, method.name, method.full_name) == ("lab.v1.PumpService", "StartPump", START)
    assert method.input_type.full_name == "lab.v1.StartPumpRequest"
    assert method.output_type.full_name == "lab.v1.StartPumpResponse"
    assert method.rule.segments == ("api", "pump", Variable("pump"))
    assert (method.rule.body, method.rule.response_body) == ("spec", "speed")
    assert method.errors == ("NOT_FOUND", "ERROR")


def test_operation_has_no_identifiers(contract: Contract) -> None:
    """The operation's name is the REST call with the names of its variables."""
    assert contract.methods[START].operation == "POST /api/pump/{pump}?action=start"


def test_services(contract: Contract) -> None:
    """Services are found by their full names."""
    assert set(contract.services["lab.v1.PumpService"].methods_by_name) == {"StartPump", "GetPump", "SetPump"}


@pytest.mark.parametrize(
    ("name", "idempotency", "read_only"),
    [
        ("StartPump", Idempotency.UNKNOWN, False),
        ("GetPump", Idempotency.NO_SIDE_EFFECTS, True),
        ("SetPump", Idempotency.IDEMPOTENT, False),
    ],
)
def test_idempotency(contract: Contract, name: str, idempotency: Idempotency, read_only: bool) -> None:
    """What repeating a call does is what `idempotency_level` says; only calls without side effects are read-only."""
    full_name = f"lab.v1.PumpService/{name}"
    assert contract.methods[full_name].idempotency is idempotency
    assert compile_bindings(contract)[full_name].is_read_only is read_only


def test_required(contract: Contract) -> None:
    """The required fields of a message are those marked REQUIRED, also beside other marks and in nested messages."""
    messages = contract.messages
    assert contract.required(messages["lab.v1.StartPumpRequest"]) == {"pump", "spec"}
    assert contract.required(messages["lab.v1.GetPumpResponse.Valve"]) == {"name"}
    assert contract.required(messages["lab.v1.Spec"]) == frozenset()


def test_unions(contract: Contract) -> None:
    """A union has a tag and, for each of its values, the fields that the value requires and allows."""
    [union] = contract.unions(contract.messages["lab.v1.Spec"])
    assert union.tag == "drive"
    assert union.cases == {
        "MOTOR": UnionCase(frozenset({"volts"}), frozenset({"amps"})),
        "HAND": UnionCase(frozenset(), frozenset()),
    }
    assert union.members == {"volts", "amps"}
    assert contract.unions(contract.messages["lab.v1.Failure"]) == ()


def test_error_data(contract: Contract) -> None:
    """Messages that are marked as data of errors are known."""
    assert [descriptor.full_name for descriptor in contract.error_data()] == ["lab.v1.Failure"]


def test_json_texts(contract: Contract) -> None:
    """Fields that are marked as JSON text are known."""
    assert contract.json_texts == {"lab.v1.Failure.cause"}


def test_open_enums(contract: Contract) -> None:
    """Texts that hold values of an enum are known, with what the enum's own names have in front."""
    assert contract.open_enums == {"lab.v1.Failure.drives": "DRIVE_"}


def test_message_class(contract: Contract) -> None:
    """A message class is had by name or by descriptor; an unknown name is a KeyError."""
    by_name = contract.message_class("lab.v1.Spec")
    assert by_name is contract.message_class(contract.messages["lab.v1.Spec"])
    assert by_name(volts=7).volts == 7
    with pytest.raises(KeyError):
        contract.message_class("lab.v1.Speck")


@pytest.mark.parametrize(
    ("field", "wire"),
    [
        pytest.param("size_mib", "size_mib", id="field's-name"),
        pytest.param('size_mib [json_name = "size_MiB"]', "size_MiB", id="written-name"),
        pytest.param('size_mib [json_name = "sizeMib"]', "size_mib", id="derived-name-written"),
        pytest.param('ipv4 [json_name = "IPv4"]', "IPv4", id="one-word"),
        pytest.param("a_2_b", "a_2_b", id="digit"),
    ],
)
def test_wire_names(tmp_path: Path, field: str, wire: str) -> None:
    """A field's name in JSON is the json_name where the proto has one of its own, else the field's name."""
    name, _, options = field.partition(" ")
    contract = contract_of(tmp_path, f"message Disk {{ optional int64 {name} = 1 {options}; }}")
    [descriptor] = contract.messages["lab.v1.Disk"].fields
    assert wire_name(descriptor) == wire


def test_message_without_package(tmp_path: Path) -> None:
    """Protos need no package."""
    head = HEAD.replace("package lab.v1;", "")
    contract = build_contract(compiled(tmp_path, "message Pump { string name = 1; }", head=head))
    assert contract.message_class("Pump")(name="a").name == "a"


def test_two_contracts_in_one_process(contract: Contract, tmp_path: Path) -> None:
    """Each contract has a pool of its own: the same names may mean different messages."""
    other = contract_of(tmp_path, "message Spec { optional string volts = 1; }")
    assert other.message_class("lab.v1.Spec")(volts="7").volts == "7"
    assert contract.message_class("lab.v1.Spec")(volts=7).volts == 7


def test_compiled_contract_is_loaded_once() -> None:
    """The package's own contract is read once, and serves every service of its protos."""
    contract = load_contract()
    assert contract is load_contract()
    assert {method.service for method in contract.methods.values()} == contract.services.keys()


def test_imports_are_part_of_the_set(tmp_path: Path) -> None:
    """A descriptor set without the imported files is refused with the names of both files."""
    with pytest.raises(ContractError, match=r"^lab\.proto: .*'google/api/annotations\.proto'"):
        build_contract(compiled(tmp_path, "", imports=False))


def test_two_fields_with_one_wire_name(tmp_path: Path) -> None:
    """Two fields that JSON could not tell apart are refused with their names."""
    text = 'message Disk { optional int64 size_mib = 1; optional int64 size = 2 [json_name = "size_mib"]; }'
    with pytest.raises(ContractError, match=r"^lab\.proto: .*\(size\).*\(size_mib\)"):
        contract_of(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"\xff\xff", "the descriptor set cannot be read", id="damaged"),
        pytest.param(b"", "the descriptor set is not complete: ", id="empty"),
        pytest.param(
            descriptor_pb2.FileDescriptorSet(file=[{"name": "a.proto"}]).SerializeToString(),
            "the descriptor set is not complete: ",
            id="nothing-that-the-gateway-needs",
        ),
    ],
)
def test_unusable_descriptor_sets(content: bytes, sentence: str) -> None:
    """Bytes that are no usable descriptor set are refused with a sentence."""
    with pytest.raises(ContractError, match=f"^{sentence}"):
        build_contract(content)


def test_a_package_without_compiled_protos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources whose protos were not compiled yet say what to do."""
    monkeypatch.setattr("gateway.contract.reader.__file__", str(tmp_path / "reader.py"))
    with pytest.raises(ContractError, match="run `make generate`"):
        load_contract.__wrapped__()


OWN = """
service OwnService {
  rpc GetOwn(GetOwnRequest) returns (GetOwnResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc WatchOwn(WatchOwnRequest) returns (stream WatchOwnResponse);
  rpc SendOwn(stream SendOwnRequest) returns (SendOwnResponse);
  rpc TalkOwn(stream TalkOwnRequest) returns (stream TalkOwnResponse);
}
""" + "".join(
    f"message {verb}Own{side} {{}}\n" for verb in ("Get", "Watch", "Send", "Talk") for side in ("Request", "Response")
)


def test_rpcs_of_the_gateways_own(tmp_path: Path) -> None:
    """An rpc without a REST call is the gateway's own, and may stream on either side."""
    methods = contract_of(tmp_path, OWN).methods
    assert {name.rpartition("/")[2]: method.streaming for name, method in methods.items()} == {
        "GetOwn": Streaming.UNARY,
        "WatchOwn": Streaming.SERVER,
        "SendOwn": Streaming.CLIENT,
        "TalkOwn": Streaming.BIDIRECTIONAL,
    }
    method = methods["lab.v1.OwnService/GetOwn"]
    assert (method.backing, method.operation, method.is_read_only) == (Local(), "", True)
    with pytest.raises(ContractError, match="OwnService/GetOwn is the gateway's own"):
        _ = method.rule
    binding = compile_bindings(contract_of(tmp_path, OWN))["lab.v1.OwnService/GetOwn"]
    with pytest.raises(ContractError, match=r"GetOwnRequest is a request of the gateway's own"):
        binding.encode(binding.request_class())
