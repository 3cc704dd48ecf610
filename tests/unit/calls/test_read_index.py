"""Which reads a change shows in, request by request."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.calls.read_index import ReadIndex, Subject, subject_of
from gateway.contract import Contract, load_contract
from tests.protos import contract_of

PROTO = """
service Lab {
  rpc Move(MoveRequest) returns (Nothing) { option (google.api.http) = {post: "/vm/{vm}?action=move" body: "spec"}; }
  rpc Place(Spec) returns (Nothing) { option (google.api.http) = {post: "/place" body: "*"}; }
  rpc Tag(TagRequest) returns (Nothing) { option (google.api.http) = {post: "/tag/{tag}" body: "*"}; }
  rpc Refresh(Nothing) returns (Nothing) { option (google.api.http) = {post: "/refresh"}; }
}
message Nothing {}
message MoveRequest {
  string vm = 1 [(vapi.v1.resource).types = "VirtualMachine"];
  Spec spec = 2 [(google.api.field_behavior) = REQUIRED];
}
message Spec {
  optional string folder = 1 [(vapi.v1.resource).types = "Folder"];
  optional string cluster = 2 [(vapi.v1.resource).types = "ClusterComputeResource"];
  google.protobuf.Struct open = 3;
}
message TagRequest {
  string tag = 1 [(vapi.v1.resource).types = "com.vmware.cis.tagging.Tag"];
  repeated Dynamic objects = 2;
}
message Dynamic {
  optional string type = 1;
  optional string id = 2 [(vapi.v1.resource).type_field = "type"];
}
"""
GET_CPU = "vcenter.vm.hardware.v1.CpuService/GetCpu"
GET_CDROM = "vcenter.vm.hardware.v1.CdromService/GetCdrom"
UPDATE_CDROM = "vcenter.vm.hardware.v1.CdromService/UpdateCdrom"
LIST_VMS = "vcenter.v1.VmService/ListVms"
READS = {
    "cpu of vm-1": (GET_CPU, {"vm": "vm-1"}),
    "cpu of vm-2": (GET_CPU, {"vm": "vm-2"}),
    "cdrom of vm-1": (GET_CDROM, {"vm": "vm-1", "cdrom": "16001"}),
    "cdrom of vm-2": (GET_CDROM, {"vm": "vm-2", "cdrom": "16000"}),
    "all": (LIST_VMS, {}),
    "list of vm-1": (LIST_VMS, {"vms": ["vm-1", "vm-3"]}),
    "list of vm-2": (LIST_VMS, {"vms": ["vm-2"]}),
    "list of vm-2 in f-1": (LIST_VMS, {"vms": ["vm-2"], "folders": ["f-1"]}),
    "list of an empty text": (LIST_VMS, {"vms": [""]}),
    "list of f-2": (LIST_VMS, {"folders": ["f-2"]}),
    "list of f-2 in c-2": (LIST_VMS, {"folders": ["f-2"], "clusters": ["c-2"]}),
    "tag t-1": ("lab.v1.Lab/Tag", {"tag": "t-1"}),
    "tag t-2": ("lab.v1.Lab/Tag", {"tag": "t-2"}),
}
MACHINE_1 = {"cpu of vm-1", "cdrom of vm-1", "list of vm-1"}
NO_MACHINE = {"all", "list of an empty text", "list of f-2", "list of f-2 in c-2", "tag t-1", "tag t-2"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("lab"), PROTO)


def about(lab: Contract, rpc: str, fields: Any) -> Subject:
    contract = lab if rpc.startswith("lab.") else load_contract()
    method = contract.methods[rpc]
    return subject_of(method.resources(contract.message_class(method.input_type)(**fields)))


def dynamic(*objects: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": of_type, "id": name} for of_type, name in objects]


@pytest.mark.parametrize(
    ("rpc", "fields", "expected"),
    [
        pytest.param(UPDATE_CDROM, {"vm": "vm-1", "cdrom": "16000"}, MACHINE_1 | NO_MACHINE, id="device"),
        pytest.param("lab.v1.Lab/Move", {"vm": "vm-1"}, MACHINE_1 | NO_MACHINE, id="machine"),
        pytest.param(
            "lab.v1.Lab/Move",
            {"vm": "vm-1", "spec": {"folder": "f-1", "cluster": "c-1"}},
            MACHINE_1 | NO_MACHINE | {"list of vm-2 in f-1"},
            id="machine-and-places",
        ),
        pytest.param("lab.v1.Lab/Move", {"vm": "vm-1", "spec": {"open": {"a": "b"}}}, set(READS), id="untold-beside"),
        pytest.param("lab.v1.Lab/Move", {"vm": ""}, set(READS), id="empty-text"),
        pytest.param("lab.v1.Lab/Place", {"folder": "f-1", "cluster": "c-1"}, set(READS), id="places"),
        pytest.param("lab.v1.Lab/Refresh", {}, set(READS), id="nothing"),
        pytest.param("lab.v1.Lab/Tag", {"tag": "t-1"}, set(READS) - {"tag t-2"}, id="neither-machine-nor-place"),
        pytest.param(
            "lab.v1.Lab/Tag",
            {"tag": "t-1", "objects": dynamic(("Folder", "f-1"))},
            set(READS),
            id="dynamic-place",
        ),
        pytest.param(
            "lab.v1.Lab/Tag",
            {"tag": "t-3", "objects": dynamic(("VirtualMachine", "vm-1"))},
            MACHINE_1 | NO_MACHINE,
            id="dynamic-machine",
        ),
        pytest.param("lab.v1.Lab/Tag", {"tag": "t-3", "objects": dynamic(("", "vm-1"))}, set(READS), id="untold"),
    ],
)
def test_touched(lab: Contract, rpc: str, fields: Any, expected: set[str]) -> None:
    """A change shows in the reads of its machines and in those of no machine; of a place, everywhere."""
    index = ReadIndex()
    for name, read in READS.items():
        index.add(name.encode(), about(lab, *read))
    assert {key.decode() for key in index.touched(about(lab, rpc, fields))} == expected


def test_nothing_is_left() -> None:
    """What was added and removed leaves nothing behind."""
    index, subject = ReadIndex(), about(load_contract(), GET_CPU, {"vm": "vm-1"})
    index.add(b"1", subject)
    index.add(b"2", subject)
    index.remove(b"1", subject)
    assert index.touched(subject) == {b"2"}
    index.remove(b"2", subject)
    assert repr(index) == repr(ReadIndex())
