"""The comparison with the catalogue can fail: one change of the protos each, and the difference that is reported."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor as F

from gateway.contract import load_contract
from tests.contract.catalogue import catalogue
from tests.contract.changes import (
    Change,
    copy_rpc,
    drop,
    drop_field,
    drop_rpc,
    field,
    http,
    level,
    make_optional,
    mark,
    name_resource,
    set_field,
    swap_errors,
    take_presence,
    union,
)
from tests.contract.comparison import Protos, differences

HARDWARE = ".vcenter.vm.hardware.v1"
CDROM = "vcenter.vm.hardware.v1.CdromService"
CONNECT = f"{CDROM}/ConnectCdrom"
GET_PROCESS = "vcenter.vm.guest.v1.ProcessesService/GetProcess"

CONNECT_OPERATION = "com.vmware.vcenter.vm.hardware.cdrom/connect"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(drop_rpc, [f"{CONNECT_OPERATION}: has 0 rpcs: none"], id="rpc-dropped"),
        pytest.param(copy_rpc, [f"{CONNECT_OPERATION}: has 2 rpcs: {CONNECT}, {CDROM}/AttachCdrom"], id="rpc-twice"),
        pytest.param(
            lambda p: setattr(http(p, CONNECT), "post", "/api/vcenter/vm/{vm}/hardware/cdrom/{cdrom}?action=attach"),
            [f"{CONNECT_OPERATION}: has 0 rpcs: none", f"{CONNECT}: is no operation of the API"],
            id="other-action",
        ),
        pytest.param(
            lambda p: setattr(http(p, CONNECT), "put", http(p, CONNECT).post),
            [f"{CONNECT_OPERATION}: has 0 rpcs: none", f"{CONNECT}: is no operation of the API"],
            id="other-verb",
        ),
        pytest.param(
            lambda p: p.methods[CONNECT].options.Clear(),
            [f"{CONNECT_OPERATION}: has 0 rpcs: none", f"{CONNECT}: is no operation of the API"],
            id="no-rule",
        ),
        pytest.param(
            lambda p: setattr(http(p, CONNECT), "body", "*"), [f"{CONNECT}: has the body '*'"], id="body-too-many"
        ),
        pytest.param(
            lambda p: setattr(http(p, GET_PROCESS), "body", ""), [f"{GET_PROCESS}: has the body ''"], id="body-dropped"
        ),
        pytest.param(
            lambda p: setattr(http(p, f"{CDROM}/CreateCdrom"), "body", "*"),
            [
                f"{CDROM}/CreateCdrom: has a field that the API lacks: spec",
                f"{CDROM}/CreateCdrom: should have one field as its body",
            ],
            id="body-is-everything",
        ),
        pytest.param(
            lambda p: setattr(http(p, f"{CDROM}/GetCdrom"), "response_body", ""),
            [f"{CDROM}/GetCdrom: should have one field that is the result"],
            id="response-body-dropped",
        ),
        pytest.param(
            lambda p: setattr(http(p, CONNECT), "response_body", "x"),
            [f"{CONNECT}: should have no result"],
            id="response-body-too-many",
        ),
        pytest.param(
            lambda p: p.option(p.methods[CONNECT], "vapi.v1.errors").pop(),
            [
                f"{CONNECT}: has the errors {errors[:-1]} in place of {errors}"
                for errors in [list(load_contract().methods[CONNECT].errors)]
            ],
            id="error-dropped",
        ),
        pytest.param(
            swap_errors,
            [
                f"{CONNECT}: has the errors {[errors[1], errors[0], *errors[2:]]} in place of {errors}"
                for errors in [list(load_contract().methods[CONNECT].errors)]
            ],
            id="errors-in-another-order",
        ),
        pytest.param(
            level(GET_PROCESS, 0),
            [f"{GET_PROCESS}: is IDEMPOTENCY_UNKNOWN in place of NO_SIDE_EFFECTS"],
            id="post-that-reads",
        ),
        pytest.param(
            level(CONNECT, 1), [f"{CONNECT}: is NO_SIDE_EFFECTS in place of IDEMPOTENCY_UNKNOWN"], id="change-as-read"
        ),
        pytest.param(
            level(f"{CDROM}/UpdateCdrom", 0),
            [f"{CDROM}/UpdateCdrom: is IDEMPOTENCY_UNKNOWN in place of IDEMPOTENT"],
            id="update-as-unknown",
        ),
        pytest.param(
            drop_field(f"{HARDWARE}.ConnectCdromRequest.cdrom"),
            [f"{CONNECT}: lacks the path field cdrom"],
            id="path-field-dropped",
        ),
        pytest.param(
            set_field(f"{HARDWARE}.ConnectCdromRequest.cdrom", type=F.TYPE_BOOL),
            [f"{CONNECT}.cdrom: should be a string or an int64"],
            id="path-field-is-a-boolean",
        ),
        pytest.param(make_optional, [f"{CONNECT}.vm: should be REQUIRED and not optional"], id="path-field-optional"),
        pytest.param(
            mark(f"{HARDWARE}.ConnectCdromRequest.vm", "OPTIONAL"),
            [f"{CONNECT}.vm: should be REQUIRED and not optional"],
            id="path-field-not-required",
        ),
        pytest.param(
            drop_field(".vcenter.v1.ListVmsRequest.names"),
            ["vcenter.v1.VmService/ListVms: lacks the field names"],
            id="query-field-dropped",
        ),
        pytest.param(
            set_field(".vcenter.v1.ListVmsRequest.names", name="labels", json_name="labels"),
            [
                "vcenter.v1.VmService/ListVms: has a field that the API lacks: labels",
                "vcenter.v1.VmService/ListVms: lacks the field names",
            ],
            id="query-field-renamed",
        ),
    ],
)
def test_rpcs(change: Change, expected: list[str]) -> None:
    """A change of an rpc, its request or its result is reported with the rpc's name."""
    assert found_after(change) == expected


UPDATE = "vcenter.vm.hardware.v1.CdromUpdateSpec"
INFO = "vcenter.vm.hardware.v1.CdromInfo"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            drop_field(f".{UPDATE}.start_connected"), [f"{UPDATE}: lacks the field start_connected"], id="dropped"
        ),
        pytest.param(
            drop_field(".vcenter.guest.v1.Domain.domain_ou"),
            ["vcenter.guest.v1.Domain: has another union type", "vcenter.guest.v1.Domain: lacks the field domain_OU"],
            id="field-of-a-newer-release-dropped",
        ),
        pytest.param(
            lambda p: p.messages[f".{UPDATE}"].field.add(
                name="colour", number=99, type=F.TYPE_MESSAGE, type_name=f".{UPDATE}", label=F.LABEL_OPTIONAL
            ),
            [f"{UPDATE}: has a field that the API lacks: colour"],
            id="added",
        ),
        pytest.param(
            set_field(f".{UPDATE}.start_connected", type=F.TYPE_STRING),
            [f"{UPDATE}.start_connected: should be boolean"],
            id="text-for-boolean",
        ),
        pytest.param(
            set_field(".vcenter.vm.hardware.v1.CpuInfo.count", type=F.TYPE_INT32),
            ["vcenter.vm.hardware.v1.CpuInfo.count: should be int64"],
            id="32-for-64-bits",
        ),
        pytest.param(
            set_field(f".{INFO}.state", type=F.TYPE_STRING, type_name=None),
            [f"{INFO}.state: should be the enum VcenterVmHardwareConnectionState"],
            id="text-for-enum",
        ),
        pytest.param(
            set_field(f".{INFO}.backing", type_name=f".{UPDATE}"),
            [
                f"{UPDATE}: has a field that the API lacks: allow_guest_control",
                f"{UPDATE}: has a field that the API lacks: backing",
                f"{UPDATE}: has a field that the API lacks: start_connected",
                f"{UPDATE}: has another union type",
                f"{UPDATE}: lacks the field auto_detect",
                f"{UPDATE}: lacks the field device_access_type",
                f"{UPDATE}: lacks the field host_device",
                f"{UPDATE}: lacks the field iso_file",
                f"{UPDATE}: lacks the field type",
            ],
            id="another-message",
        ),
        pytest.param(
            set_field(".vcenter.vm.guest.v1.ProcessesSummary.started", type_name=".google.protobuf.Struct"),
            ["vcenter.vm.guest.v1.ProcessesSummary.started: should be google.protobuf.Timestamp"],
            id="structure-for-time",
        ),
        pytest.param(
            set_field(".vcenter.v1.VmInfo.disks", type_name=".vcenter.vm.hardware.v1.DiskInfo"),
            ["vcenter.v1.VmInfo.disks: should be a map"],
            id="list-for-map",
        ),
        pytest.param(
            set_field(".vcenter.v1.VmInfo.boot_devices", label=F.LABEL_OPTIONAL),
            ["vcenter.v1.VmInfo.boot_devices: should be repeated"],
            id="single-for-list",
        ),
        pytest.param(
            set_field(f".{INFO}.backing", label=F.LABEL_REPEATED),
            [f"{INFO}.backing: should not be repeated"],
            id="list-for-single",
        ),
        pytest.param(take_presence(f".{INFO}.label"), [f"{INFO}.label: should be optional"], id="presence-dropped"),
        pytest.param(
            set_field(".vcenter.vm.hardware.v1.MemoryInfo.size_mib", json_name="sizeMib"),
            [
                "vcenter.vm.hardware.v1.MemoryInfo: has a field that the API lacks: size_mib",
                "vcenter.vm.hardware.v1.MemoryInfo: lacks the field size_MiB",
            ],
            id="json-name-dropped",
        ),
        pytest.param(
            mark(".vcenter.vm.hardware.v1.CdromBackingSpec.type", "OPTIONAL"),
            [
                "vcenter.vm.hardware.v1.CdromBackingSpec.type: should be REQUIRED",
                "vcenter.vm.hardware.v1.CdromBackingSpec.type: should not be OPTIONAL",
            ],
            id="required-dropped",
        ),
        pytest.param(
            mark(f".{UPDATE}.start_connected", "REQUIRED"),
            [
                f"{UPDATE}.start_connected: should be OPTIONAL",
                f"{UPDATE}.start_connected: should not be REQUIRED",
            ],
            id="required-added",
        ),
        pytest.param(
            lambda p: field(p, ".vcenter.vm.guest.v1.Credentials.password").options.ClearField("debug_redact"),
            ["vcenter.vm.guest.v1.Credentials.password: is a secret: should be redacted"],
            id="secret-in-the-open",
        ),
        pytest.param(
            lambda p: union(p, f".{INFO}").cases.pop(), [f"{INFO}: has another union type"], id="union-case-dropped"
        ),
        pytest.param(
            lambda p: union(p, f".{INFO}").cases[0].required.pop(),
            [f"{INFO}: has another union type"],
            id="union-field-dropped",
        ),
        pytest.param(
            lambda p: p.messages[f".{INFO}"].options.Clear(), [f"{INFO}: has another union type"], id="union-dropped"
        ),
        pytest.param(
            lambda p: drop(p.enums[f"{HARDWARE}.ConnectionState"].value, "CONNECTION_STATE_UNKNOWN"),
            [
                "ConnectionInfo: is no message, or not with these fields",
                "vcenter.vm.hardware.v1.ConnectionState: lacks the value UNKNOWN",
            ],
            id="enum-value-dropped",
        ),
        pytest.param(
            lambda p: drop(p.enums[".vcenter.guest.v1.Ipv4Type"].value, "IPV4_TYPE_DISABLED"),
            ["vcenter.guest.v1.Ipv4Type: lacks the value DISABLED"],
            id="enum-value-of-a-newer-release-dropped",
        ),
        pytest.param(
            lambda p: p.enums[".vcenter.guest.v1.Ipv4Type"].value.add(name="IPV4_TYPE_MAGIC", number=99),
            ["vcenter.guest.v1.Ipv4Type: has a value that the API lacks: MAGIC"],
            id="enum-value-added",
        ),
        pytest.param(
            lambda p: setattr(p.enums[".vcenter.guest.v1.Ipv4Type"].value[0], "name", "IPV4_TYPE_NONE"),
            ["vcenter.guest.v1.Ipv4Type: should begin with ..._UNSPECIFIED = 0"],
            id="unspecified-renamed",
        ),
        pytest.param(
            drop_field(f"{HARDWARE}.ConnectionInfo.state"),
            ["ConnectionInfo: is no message, or not with these fields"],
            id="structure-that-no-operation-uses",
        ),
    ],
)
def test_structures(change: Change, expected: list[str]) -> None:
    """A change of a structure, a union or an enum is reported with its name."""
    assert found_after(change) == expected


MACHINE = "VirtualMachine"
DISK = "com.vmware.vcenter.vm.hardware.Disk"
UPDATE_STORAGE = "vcenter.vm.storage.v1.PolicyUpdateSpec"
LIST_VMS = "vcenter.v1.VmService/ListVms"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            name_resource(f"{HARDWARE}.ConnectCdromRequest.vm"),
            [f"{CONNECT}.vm: should have the resource {MACHINE}, not none"],
            id="path-missing",
        ),
        pytest.param(
            name_resource(f"{HARDWARE}.ConnectCdromRequest.cdrom", DISK),
            [f"{CONNECT}.cdrom: should have the resource com.vmware.vcenter.vm.hardware.Cdrom, not {DISK}"],
            id="path-wrong",
        ),
        pytest.param(
            name_resource(f"{HARDWARE}.ConnectCdromRequest.vm", MACHINE, "VirtualApp"),
            [f"{CONNECT}.vm: should have the resource {MACHINE}, not {MACHINE} or VirtualApp"],
            id="path-one-too-many",
        ),
        pytest.param(
            name_resource(".vcenter.vm.guest.v1.GetProcessRequest.pid", "Process"),
            [f"{GET_PROCESS}.pid: should have no resource, not Process"],
            id="path-superfluous",
        ),
        pytest.param(
            name_resource(".vcenter.v1.ListVmsRequest.folders"),
            [f"{LIST_VMS}.folders: should have the resource Folder, not none"],
            id="query-missing",
        ),
        pytest.param(
            name_resource(".vcenter.v1.ListVmsRequest.names", MACHINE),
            [f"{LIST_VMS}.names: should have no resource, not {MACHINE}"],
            id="query-superfluous",
        ),
        pytest.param(
            name_resource(".vcenter.v1.ListVmsRequest.vms", MACHINE, type_field="names"),
            [f"{LIST_VMS}.vms: should have the resource {MACHINE}, not {MACHINE} by names"],
            id="type-field-superfluous",
        ),
        pytest.param(
            name_resource(f".{UPDATE_STORAGE}.disks", option="key_resource"),
            [f"{UPDATE_STORAGE}.disks: should have the key_resource {DISK}, not none"],
            id="body-key-missing",
        ),
        pytest.param(
            name_resource(f".{UPDATE_STORAGE}.disks", MACHINE, option="key_resource"),
            [f"{UPDATE_STORAGE}.disks: should have the key_resource {DISK}, not {MACHINE}"],
            id="body-key-wrong",
        ),
        pytest.param(
            name_resource(f".{UPDATE_STORAGE}.disks", DISK),
            [f"{UPDATE_STORAGE}.disks: should have no resource, not {DISK}"],
            id="body-value-superfluous",
        ),
        pytest.param(
            name_resource(".vcenter.vm.storage.v1.PolicyInfo.disks"),
            [
                "vcenter.vm.storage.v1.PolicyInfo.disks: "
                "should have the resource com.vmware.vcenter.StoragePolicy, not none"
            ],
            id="result-value-missing",
        ),
        pytest.param(
            name_resource(".vcenter.v1.VmSummary.vm"),
            [f"vcenter.v1.VmSummary.vm: should have the resource {MACHINE}, not none"],
            id="result-missing",
        ),
        pytest.param(
            name_resource(f"{HARDWARE}.CreateDiskResponse.disk", type_field="x"),
            [f"vcenter.vm.hardware.v1.DiskService/CreateDisk.disk: should have the resource {DISK}, not any by x"],
            id="bare-result-wrong",
        ),
        pytest.param(
            name_resource(f".{INFO}.label", MACHINE),
            [f"{INFO}.label: should have no resource, not {MACHINE}"],
            id="result-superfluous",
        ),
    ],
)
def test_resources(change: Change, expected: list[str]) -> None:
    """An identifier that says something else than the API of what it stands for is reported, and one more as well."""
    assert found_after(change) == expected


def found_after(change: Change) -> list[str]:
    protos = Protos(load_contract().descriptor_set)
    change(protos)
    return differences(protos.set.SerializeToString(), catalogue())
