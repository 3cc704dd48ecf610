"""Cases of storage policies, the datastores that suit them, and compliance with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.simulator import Fault, Simulator
from gateway.simulator.storage_policies import StoragePolicy
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.guest_cases import advance, machine

__all__ = ["ERRORS", "SUCCESSES"]

LIST = "vcenter.storage.v1.PoliciesService/ListStoragePolicies"
CHECK = "vcenter.storage.v1.PoliciesService/CheckCompatibility"
VMS = "vcenter.storage.policies.v1.VmService/ListPolicyVms"
ENTITIES = "vcenter.storage.policies.v1.ComplianceService/ListCompliance"
COMPLIANCE = "vcenter.storage.policies.compliance.v1.VmService/ListVmCompliance"
GET_OWN, CHECK_OWN = (f"vcenter.vm.storage.policy.v1.ComplianceService/{verb}Compliance" for verb in ("Get", "Check"))

VSAN, VVOL, GOLD = (
    "aa6d5a82-1c88-45da-85d3-3d74b91a5bad",
    "f4e5bade-15a2-4805-bf8e-52318c4ce443",
    "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11",
)
VM, OTHER = "vm-1001", "vm-1002"
MESSAGES = "com.vmware.api.vcenter.storage.policies"
NOW = "2026-01-15T12:00:00Z"
ENUM = "vapi.bindings.typeconverter.enum.unknown.value"


def following(home: str | None, *disks: str | None, vm: str = VM) -> Setup:
    """Of all machines, only this one follows policies: its home directory and its disks."""

    def setup(simulator: Simulator) -> None:
        for item in simulator.inventory.machines.values():
            item.home_storage_policy = None
            for disk in item.disks.values():
                disk.storage_policy = None
        found = machine(simulator, vm)
        found.home_storage_policy = home
        for disk, policy in zip(found.disks.values(), disks, strict=False):
            disk.storage_policy = policy

    return setup


def part(status: str, policy: str, time: str = NOW, *causes: Json) -> Json:
    found: dict[str, Any] = {"status": f"COMPLIANCE_STATUS_{status}", "check_time": time, "policy": policy}
    return {**found, "failure_cause": list(causes)} if causes else found


def own(overall: str, home: Json | None, **disks: Json) -> Json:
    info: dict[str, Any] = {"overall_compliance": f"COMPLIANCE_STATUS_{overall}"}
    if home is not None:
        info["vm_home"] = home
    return {"compliance": {**info, "disks": disks} if disks else info}


def policies(number: int) -> Setup:
    """There are so many policies."""

    def setup(simulator: Simulator) -> None:
        for position in range(number):
            key = f"00000000-0000-4000-8000-{position:012x}"
            simulator.inventory.storage_policies[key] = StoragePolicy(key, f"policy-{position}", "")

    return setup


def many_machines(simulator: Simulator) -> None:
    """There are more machines that follow the policy than vCenter lists."""
    found = machine(simulator, VM)
    found.home_storage_policy = GOLD
    for number in range(5000, 6001):
        vm = f"vm-{number}"
        simulator.inventory.machines[vm] = replace(found, vm=vm, name=vm, home=vm)


def compatible(*datastores: str) -> Json:
    return {"compatibility": {"compatible_datastores": [{"datastore": key} for key in datastores]}}


def summary(policy: str, name: str, description: str) -> Json:
    return {"policy": policy, "name": name, "description": description}


def steps(*setups: Setup) -> Setup:
    def setup(simulator: Simulator) -> None:
        for item in setups:
            item(simulator)

    return setup


def looked_at(simulator: Simulator) -> None:
    """The machine is checked, and an hour passes."""
    simulator.inventory.storage_policies.compliance_of(machine(simulator, VM), simulator.options.clock())
    advance(simulator, 3600)


def inaccessible(datastore: str) -> Setup:
    return lambda simulator: setattr(simulator.inventory.places.datastores[datastore], "accessible", False)


FIXED = following(GOLD, VSAN, VVOL)
THREE = (
    summary(VSAN, "vSAN Default Storage Policy", "Storage policy used as default for vSAN datastores"),
    summary(
        VVOL,
        "VVol No Requirements Policy",
        "Allow the datastore to determine the best placement strategy for storage objects",
    ),
    summary(GOLD, "Gold", "Block storage for production"),
)
UNREACHABLE = {"id": "vmsg.InaccessibleDatastore.summary", "default_message": "The datastore is not accessible."}

SUCCESSES = (
    Success(id="all", rpc=LIST, request={}, response={"policies": list(THREE)}),
    Success(id="one", rpc=LIST, request={"policies": [GOLD]}, response={"policies": [THREE[2]]}),
    Success(
        id="block-storage",
        rpc=CHECK,
        request={"policy": GOLD, "datastores": ["datastore-11", "datastore-15", "datastore-24"]},
        response=compatible("datastore-11", "datastore-24"),
    ),
    Success(
        id="none", rpc=CHECK, request={"policy": VSAN, "datastores": ["datastore-11"]}, response={"compatibility": {}}
    ),
    Success(
        id="inaccessible",
        rpc=CHECK,
        request={"policy": GOLD, "datastores": ["datastore-11"]},
        setup=inaccessible("datastore-11"),
        response={"compatibility": {}},
    ),
    Success(
        id="home-and-disk",
        rpc=VMS,
        request={"policy": GOLD},
        setup=following(GOLD, GOLD, VSAN),
        response={"vms": {VM: {"vm_home": True, "disks": ["2000"]}}},
    ),
    Success(
        id="disk",
        rpc=VMS,
        request={"policy": VSAN},
        setup=following(GOLD, GOLD, VSAN),
        response={"vms": {VM: {"vm_home": False, "disks": ["2001"]}}},
    ),
    Success(
        id="one-status",
        rpc=ENTITIES,
        request={"status": ["COMPLIANCE_STATUS_NON_COMPLIANT"]},
        setup=FIXED,
        response={
            "entities": [
                {
                    "vm": VM,
                    "vm_home": "COMPLIANCE_STATUS_COMPLIANT",
                    "disks": {
                        "2000": "COMPLIANCE_STATUS_NON_COMPLIANT",
                        "2001": "COMPLIANCE_STATUS_NOT_APPLICABLE",
                    },
                }
            ]
        },
    ),
    Success(
        id="all",
        rpc=ENTITIES,
        request={},
        setup=steps(following(None, GOLD, vm=OTHER), inaccessible("datastore-11")),
        response={"entities": [{"vm": OTHER, "disks": {"2000": "COMPLIANCE_STATUS_UNKNOWN"}}]},
    ),
    Success(id="no-match", rpc=ENTITIES, request={"status": ["OUT_OF_DATE"]}, setup=FIXED, response={}),
    Success(
        id="statuses",
        rpc=COMPLIANCE,
        request={"status": ["VM_STATUS_COMPLIANT", "OUT_OF_DATE"]},
        setup=FIXED,
        response={
            "vms": {
                VM: {
                    "vm_home": "VM_STATUS_COMPLIANT",
                    "disks": {"2000": "VM_STATUS_NON_COMPLIANT", "2001": "VM_STATUS_NOT_APPLICABLE"},
                }
            }
        },
    ),
    Success(
        id="other-machines",
        rpc=COMPLIANCE,
        request={"status": ["COMPLIANT"], "vms": [OTHER, "vm-999999"]},
        setup=FIXED,
        response={},
    ),
    Success(
        id="cached",
        rpc=GET_OWN,
        request={"vm": VM},
        setup=steps(FIXED, looked_at),
        response=own(
            "NON_COMPLIANT",
            part("COMPLIANT", GOLD),
            **{"2000": part("NON_COMPLIANT", VSAN), "2001": part("NOT_APPLICABLE", VVOL)},
        ),
    ),
    Success(id="no-policy", rpc=GET_OWN, request={"vm": VM}, setup=following(None), response={}),
    Success(
        id="unreachable",
        rpc=GET_OWN,
        request={"vm": VM},
        setup=steps(following(GOLD), inaccessible("datastore-11")),
        response=own("UNKNOWN_COMPLIANCE", part("UNKNOWN_COMPLIANCE", GOLD, NOW, UNREACHABLE)),
    ),
    Success(
        id="everything",
        rpc=CHECK_OWN,
        request={"vm": VM, "spec": {"vm_home": True}},
        setup=steps(following(GOLD, VVOL), looked_at),
        response=own(
            "COMPLIANT",
            part("COMPLIANT", GOLD, "2026-01-15T13:00:00Z"),
            **{"2000": part("NOT_APPLICABLE", VVOL, "2026-01-15T13:00:00Z")},
        ),
    ),
    Success(
        id="one-disk",
        rpc=CHECK_OWN,
        request={"vm": VM, "spec": {"vm_home": False, "disks": ["2000"]}},
        setup=steps(following(GOLD, VVOL, VVOL), looked_at),
        response=own(
            "COMPLIANT",
            part("COMPLIANT", GOLD),
            **{
                "2000": part("NOT_APPLICABLE", VVOL, "2026-01-15T13:00:00Z"),
                "2001": part("NOT_APPLICABLE", VVOL),
            },
        ),
    ),
    Success(
        id="no-policy",
        rpc=CHECK_OWN,
        request={"vm": VM, "spec": {"vm_home": True}},
        setup=following(None),
        response={},
    ),
)


def refused(rpc: str, error: str, case: str, message: str, request: Json, setup: Setup | None = None) -> ErrorCase:
    return ErrorCase(rpc=rpc, error=error, id=case, request=request, messages=(message,), setup=setup)


UNKNOWN_VM = "com.vmware.api.vcenter.vm.not_found"
UNKNOWN = "00000000-0000-4000-8000-000000000000"

ERRORS = (
    refused(LIST, "INVALID_ARGUMENT", "", f"{MESSAGES}.invalid_identifier", {"policies": ["gold"]}),
    refused(LIST, "UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.too_many_matches", {}, policies(1022)),
    refused(
        CHECK,
        "NOT_FOUND",
        "",
        "com.vmware.api.vcenter.storage_policy.not_found",
        {"policy": UNKNOWN, "datastores": []},
    ),
    refused(
        CHECK,
        "UNABLE_TO_ALLOCATE_RESOURCE",
        "",
        f"{MESSAGES}.too_many_datastores",
        {"policy": GOLD, "datastores": [f"datastore-{number}" for number in range(1025)]},
    ),
    refused(
        CHECK,
        "ERROR",
        "datastore",
        "com.vmware.api.vcenter.datastore.not_found",
        {"policy": GOLD, "datastores": ["datastore-0"]},
    ),
    refused(VMS, "NOT_FOUND", "", "com.vmware.api.vcenter.storage_policy.not_found", {"policy": UNKNOWN}),
    refused(VMS, "UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.vm.too_many_matches", {"policy": GOLD}, many_machines),
    refused(ENTITIES, "INVALID_ARGUMENT", "", ENUM, {"status": ["UNKNOWN_COMPLIANCE"]}),
    refused(COMPLIANCE, "INVALID_ARGUMENT", "none", f"{MESSAGES}.compliance.vm.no_status", {}),
    refused(COMPLIANCE, "INVALID_ARGUMENT", "unknown", ENUM, {"status": ["UNKNOWN"]}),
    refused(
        COMPLIANCE,
        "UNABLE_TO_ALLOCATE_RESOURCE",
        "",
        f"{MESSAGES}.compliance.vm.too_many_matches",
        {"status": ["COMPLIANT"]},
        many_machines,
    ),
    # No release that the simulator plays is as old as that.
    refused(
        COMPLIANCE,
        "UNSUPPORTED",
        "",
        "com.vmware.vcenter.simulator.fault",
        {"status": ["COMPLIANT"]},
        lambda simulator: simulator.faults.add(
            Fault.error("UNSUPPORTED"), operation="com.vmware.vcenter.storage.policies.compliance.VM.list"
        ),
    ),
    *(
        refused(rpc, "ERROR", "machine", UNKNOWN_VM, {"vm": "vm-999999", **more})
        for rpc, more in ((GET_OWN, {}), (CHECK_OWN, {"spec": {"vm_home": True}}))
    ),
    refused(
        CHECK_OWN,
        "ERROR",
        "disk",
        "com.vmware.api.vcenter.vm.storage.policy.invalid_disk",
        {"vm": VM, "spec": {"vm_home": False, "disks": ["2009"]}},
    ),
)
