"""Which resources a request names, wherever in it they are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.contract import Contract, ContractError, load_contract
from tests.protos import contract_of

PROTO = """
service Lab {
  rpc Act(ActRequest) returns (Nothing) { option (google.api.http) = {post: "/lab/{vm}/{pid}" body: "spec"}; }
  rpc List(ListRequest) returns (Nothing) { option (google.api.http) = {get: "/lab"}; }
  rpc Plain(PlainRequest) returns (Nothing) { option (google.api.http) = {post: "/plain" body: "spec"}; }
}
message Nothing {}
message ActRequest {
  string vm = 1 [(vapi.v1.resource).types = "VirtualMachine"];
  int64 pid = 2;
  Spec spec = 3 [(google.api.field_behavior) = REQUIRED];
}
message ListRequest {
  repeated string vms = 1 [(vapi.v1.resource).types = "VirtualMachine"];
  repeated string names = 2;
  optional string folder = 3 [(vapi.v1.resource).types = "Folder"];
}
message PlainRequest { PlainSpec spec = 1 [(google.api.field_behavior) = REQUIRED]; }
message PlainSpec { optional string name = 1; PlainSpec inner = 2; map<string, PlainSpec> by_name = 3; }
message Spec {
  optional string source = 1 [(vapi.v1.resource).types = "VirtualMachine"];
  Placement placement = 2;
  repeated Placement alternatives = 3;
  map<string, string> policies = 4 [
    (vapi.v1.key_resource).types = "Disk",
    (vapi.v1.resource).types = "Policy"
  ];
  map<string, Placement> by_disk = 5 [(vapi.v1.key_resource).types = "Disk"];
  map<string, string> networks = 6 [(vapi.v1.resource).types = "Network"];
  Dynamic object = 7;
  repeated Dynamic objects = 8;
  optional string either = 9 [(vapi.v1.resource) = {types: ["VirtualMachine", "VirtualApp"]}];
  Deployable deployable = 10;
  google.protobuf.Struct open = 11;
  map<string, google.protobuf.Struct> opens = 12;
  google.protobuf.ListValue open_list = 13;
  Spec inner = 14;
  oneof place {
    string host = 15 [(vapi.v1.resource).types = "HostSystem"];
    Placement pool = 16;
  }
  optional string note = 17;
}
message Placement {
  optional string folder = 1 [(vapi.v1.resource).types = "Folder"];
  repeated string datastores = 2 [(vapi.v1.resource).types = "Datastore"];
}
message Dynamic {
  optional string type = 1;
  optional string id = 2 [(vapi.v1.resource).type_field = "type"];
}
message Deployable {
  optional string kind = 1;
  optional string id = 2 [(vapi.v1.resource) = {types: ["VirtualMachine", "VirtualApp"] type_field: "kind"}];
}
"""
VM = ("VirtualMachine",)
EITHER = ("VirtualApp", "VirtualMachine")
ANY = ()
Find = Callable[..., list[tuple[tuple[str, ...], str]]]


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("lab"), PROTO)


@pytest.fixture(scope="module")
def named(contract: Contract) -> Find:
    """The resources that a request of an rpc names, given by its fields: each as its types and its identifier."""

    def find(rpc: str, /, **fields: Any) -> list[tuple[tuple[str, ...], str]]:
        method = contract.methods[f"lab.v1.Lab/{rpc}"]
        message = contract.message_class(method.input_type)(**fields)
        return [(tuple(sorted(item.types)), item.identifier) for item in method.resources(message)]

    return find


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"note": "vm-9"}, [], id="text"),
        pytest.param({"source": "vm-1"}, [(VM, "vm-1")], id="body"),
        pytest.param({"source": ""}, [(VM, "")], id="set-and-empty"),
        pytest.param({"placement": {"folder": "f-1"}}, [(("Folder",), "f-1")], id="nested"),
        pytest.param(
            {"placement": {"datastores": ["d-1", "d-2"]}},
            [(("Datastore",), "d-1"), (("Datastore",), "d-2")],
            id="nested-list",
        ),
        pytest.param(
            {"alternatives": [{"folder": "f-1"}, {}, {"folder": "f-2"}]},
            [(("Folder",), "f-1"), (("Folder",), "f-2")],
            id="list-of-messages",
        ),
        pytest.param({"policies": {"2000": "p-1"}}, [(("Disk",), "2000"), (("Policy",), "p-1")], id="keys-and-values"),
        pytest.param(
            {"by_disk": {"2000": {"folder": "f-1"}}}, [(("Disk",), "2000"), (("Folder",), "f-1")], id="map-of-messages"
        ),
        pytest.param({"networks": {"VM Network": "n-1"}}, [(("Network",), "n-1")], id="values"),
        pytest.param({"object": {"type": "VirtualMachine", "id": "vm-1"}}, [(VM, "vm-1")], id="dynamic"),
        pytest.param({"object": {"type": "Folder", "id": "vm-1"}}, [(("Folder",), "vm-1")], id="dynamic-other"),
        pytest.param({"object": {"id": "vm-1"}}, [(ANY, "vm-1")], id="dynamic-without-type"),
        pytest.param({"object": {"type": "virtualmachine", "id": "vm-1"}}, [(ANY, "vm-1")], id="dynamic-other-case"),
        pytest.param({"object": {"type": "Galaxy", "id": "g-1"}}, [(ANY, "g-1")], id="dynamic-unknown-type"),
        pytest.param({"object": {"type": "VirtualMachine"}}, [], id="dynamic-without-identifier"),
        pytest.param(
            {"objects": [{"type": "VirtualMachine", "id": "vm-1"}, {"type": "Folder", "id": "f-1"}]},
            [(VM, "vm-1"), (("Folder",), "f-1")],
            id="list-of-dynamics",
        ),
        pytest.param({"either": "x-1"}, [(EITHER, "x-1")], id="several-types"),
        pytest.param({"deployable": {"kind": "VirtualApp", "id": "x"}}, [(("VirtualApp",), "x")], id="one-of-several"),
        pytest.param({"deployable": {"kind": "Folder", "id": "x"}}, [(EITHER, "x")], id="none-of-several"),
        pytest.param({"deployable": {"id": "x"}}, [(EITHER, "x")], id="several-without-type"),
        pytest.param({"open": {"vm": "vm-1", "n": {"password": "hunter2"}}}, [(ANY, "")], id="struct"),
        pytest.param({"open": {}}, [], id="empty-struct"),
        pytest.param({"opens": {"a": {"fields": {"b": {"number_value": 1}}}}}, [(ANY, "")], id="map-of-structs"),
        pytest.param({"open_list": ["vm-1"]}, [(ANY, "")], id="list-value"),
        pytest.param({"inner": {"inner": {"source": "vm-1"}}}, [(VM, "vm-1")], id="message-in-itself"),
        pytest.param({"host": "h-1"}, [(("HostSystem",), "h-1")], id="oneof"),
        pytest.param({"host": ""}, [(("HostSystem",), "")], id="oneof-empty"),
        pytest.param({"pool": {"folder": "f-1"}}, [(("Folder",), "f-1")], id="oneof-message"),
    ],
)
def test_bodies(named: Find, spec: Any, expected: Any) -> None:
    """A body names what its fields say, however deep they are, beside what the path names."""
    assert named("Act", vm="vm-0", pid=7, spec=spec) == [(VM, "vm-0"), *expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"names": ["vm-9"]}, [], id="text"),
        pytest.param({"vms": ["vm-1", "vm-2"]}, [(VM, "vm-1"), (VM, "vm-2")], id="list"),
        pytest.param({"vms": [""]}, [(VM, "")], id="empty-text-in-a-list"),
        pytest.param({"vms": ["vm-1"], "folder": "f-1"}, [(VM, "vm-1"), (("Folder",), "f-1")], id="several-fields"),
    ],
)
def test_queries(named: Find, query: Any, expected: Any) -> None:
    """A query names the elements of its lists, and what has a single value only where it is set."""
    assert named("List", **query) == expected


def test_path_that_is_not_filled(named: Find) -> None:
    """What stands in the path is always named, were it with nothing."""
    assert named("Act") == [(VM, "")]


def test_no_identifiers(named: Find) -> None:
    """A request that can name nothing names nothing, whatever texts it has."""
    assert named("Plain", spec={"name": "vm-1", "inner": {"name": "vm-2"}, "by_name": {"vm-3": {}}}) == []


def test_types(contract: Contract) -> None:
    """The contract knows the types that its identifiers can have."""
    disks = {"Disk", "Policy"}
    inventory = {"VirtualMachine", "VirtualApp", "Folder", "Datastore", "Network", "HostSystem"}
    assert contract.resource_types == disks | inventory


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        pytest.param(
            'optional int64 x = 1 [(vapi.v1.resource).types = "A"];', "only a string can be an identifier", id="number"
        ),
        pytest.param(
            'map<string, int64> x = 1 [(vapi.v1.resource).types = "A"];',
            "only a string can be an identifier",
            id="numbers",
        ),
        pytest.param(
            'optional string x = 1 [(vapi.v1.key_resource).types = "A"];', "only a map has keys", id="keys-of-no-map"
        ),
        pytest.param(
            'repeated string x = 1 [(vapi.v1.key_resource).types = "A"];', "only a map has keys", id="keys-of-a-list"
        ),
        pytest.param(
            'optional string x = 1 [(vapi.v1.resource).type_field = "y"];',
            "the type_field 'y' is not a singular string field of the same message",
            id="no-type-field",
        ),
        pytest.param(
            'optional string x = 1 [(vapi.v1.resource).type_field = "y"]; repeated string y = 2;',
            "the type_field 'y' is not a singular string field of the same message",
            id="type-field-is-a-list",
        ),
        pytest.param(
            "optional string x = 1 [(vapi.v1.resource) = {}];",
            "a resource needs types, or the field that holds the type",
            id="nothing-told",
        ),
    ],
)
def test_refusals(tmp_path: Path, field: str, sentence: str) -> None:
    """An option that cannot be is refused with the name of the field."""
    with pytest.raises(ContractError) as caught:
        contract_of(tmp_path, f"message Spec {{ {field} }}")
    assert str(caught.value) == f"field lab.v1.Spec.x: {sentence}"


def test_todays_surface() -> None:
    """The rpcs that there are name machines, devices, policies and places."""
    contract = load_contract()
    method = contract.methods["vcenter.vm.storage.v1.PolicyService/UpdatePolicy"]
    disk = {"type": "POLICY_DISK_POLICY_TYPE_USE_SPECIFIED_POLICY", "policy": "p-1"}
    request = contract.message_class(method.input_type)(vm="vm-1", spec={"disks": {"2000": disk}})
    assert [(*item.types, item.identifier) for item in method.resources(request)] == [
        ("VirtualMachine", "vm-1"),
        ("com.vmware.vcenter.vm.hardware.Disk", "2000"),
        ("com.vmware.vcenter.StoragePolicy", "p-1"),
    ]
