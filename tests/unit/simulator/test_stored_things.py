"""What vCenter stores about machines and for them: data sets, storage policies, compute policies, specifications."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.simulator import ManualClock
from tests.unit.simulator.harness import Api

VM = "vm-1001"
GOLD, VSAN = "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11", "aa6d5a82-1c88-45da-85d3-3d74b91a5bad"
SPECS = "/api/vcenter/guest/customization-specs"
POLICIES = "/api/vcenter/compute/policies"
DATA_SETS = f"/api/vcenter/vm/{VM}/data-sets"


def data_set(api: Api, name: str, **more: Any) -> str:
    """Creates a data set on hardware that is new enough, and returns its identifier."""
    api.inventory.machines[VM].hardware_version = "VMX_20"
    spec = {"name": name, "description": "", "host": "READ_WRITE", "guest": "NONE", **more}
    return str(api("POST", DATA_SETS, spec).json)


def test_a_clone_has_the_data_sets_that_are_not_omitted(api: Api) -> None:
    """Each machine changes its own from then on."""
    kept = data_set(api, "kept")
    data_set(api, "omitted", omit_from_snapshot_and_clone=True)
    api("PUT", f"{DATA_SETS}/{kept}/entries/key", "value")
    clone = api("POST", "/api/vcenter/vm?action=clone", {"name": "copy", "source": VM}).json
    api("DELETE", f"{DATA_SETS}/{kept}/entries/key")
    copies = f"/api/vcenter/vm/{clone}/data-sets"
    assert [item["name"] for item in api("GET", copies).json] == ["kept"]
    assert api("GET", f"{copies}/{kept}/entries/key").json == "value"


def test_used_follows_the_entries(api: Api) -> None:
    """Bytes of keys and values, not characters; what is overwritten counts once."""
    key = data_set(api, "one")
    used = []
    for method, entry, value in (("PUT", "a", "ä"), ("PUT", "a", ""), ("PUT", "b", "12"), ("DELETE", "a", None)):
        assert api(method, f"{DATA_SETS}/{key}/entries/{entry}", value).status == 204
        used.append(api("GET", f"{DATA_SETS}/{key}").json["used"])
    assert used == [3, 1, 4, 3]


def test_compliance_is_kept_until_the_next_check(api: Api, clock: ManualClock) -> None:
    """What has changed since is seen by a check, or when the policy changes."""
    machine = api.inventory.machines[VM]
    machine.home_storage_policy = GOLD
    for disk in machine.disks.values():
        disk.storage_policy = None
    path = f"/api/vcenter/vm/{VM}/storage/policy/compliance"
    first = api("GET", path).json
    api.inventory.places.datastores["datastore-11"].accessible = False
    clock.advance(60)
    assert api("GET", path).json == first
    checked = api("POST", f"{path}?action=check", {"vm_home": True}).json
    assert (first["overall_compliance"], checked["overall_compliance"]) == ("COMPLIANT", "UNKNOWN_COMPLIANCE")
    api.inventory.places.datastores["datastore-11"].accessible = True
    change = {"vm_home": {"type": "USE_SPECIFIED_POLICY", "policy": VSAN}}
    assert api("PATCH", f"/api/vcenter/vm/{VM}/storage/policy", change).status == 204
    assert api("GET", path).json["vm_home"]["status"] == "NON_COMPLIANT"


def test_no_result_is_null(api: Api) -> None:
    """A machine that follows no policy has no compliance at all."""
    machine = api.inventory.machines[VM]
    machine.home_storage_policy = None
    for disk in machine.disks.values():
        disk.storage_policy = None
    answer = api("GET", f"/api/vcenter/vm/{VM}/storage/policy/compliance")
    assert (answer.status, answer.response.body) == (200, b"null")


def test_lists_of_many_machines_are_cut() -> None:
    """Thousands of machines are looked through; the lists are cut as vCenter cuts them."""
    api = Api(ManualClock(), vms=6_000)
    api.login()
    assert api("GET", f"/api/vcenter/storage/policies/{GOLD}/vm").error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    path = "/api/vcenter/storage/policies/compliance/vm?status=COMPLIANT"
    assert api("GET", path).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert set(api("GET", f"{path}&vms=vm-1003").json) <= {"vm-1003"}


def test_a_compute_policy_applies_to_tagged_machines(api: Api) -> None:
    """The compliance of a machine follows from its tags; a policy that is gone is not found."""
    tag = api.inventory.tagging.tag_by_name("Role", "web")
    spec = {
        "capability": "com.vmware.vcenter.compute.policies.capabilities.vm_vm_affinity",
        "name": "new",
        "description": "",
        "vm_tag": tag.tag,
    }
    policy = api("POST", POLICIES, spec).json
    path = f"/api/vcenter/vm/{VM}/compute/policies/{policy}"
    assert api("GET", path).json == {"status": "NOT_APPLICABLE"}
    api.inventory.tagging.attach(tag, ("VirtualMachine", VM))
    assert api("GET", path).json == {"status": "COMPLIANT"}
    assert api("DELETE", f"{POLICIES}/{policy}").status == 204
    assert api("GET", path).status == 404


def test_new_policies_have_identifiers_of_their_own(api: Api) -> None:
    """Also after one of the same name was deleted."""
    tag = api.inventory.tagging.tag_by_name("Role", "web").tag
    capability = "com.vmware.vcenter.compute.policies.capabilities.vm_vm_affinity"
    seen = set()
    for name in ("a", "a", "b"):
        spec = {"capability": capability, "name": name, "description": "", "vm_tag": tag}
        policy = api("POST", POLICIES, spec).json
        seen.add(policy)
        if name == "a":
            api("DELETE", f"{POLICIES}/{policy}")
    assert len(seen) == 3


def windows(**unattended: Any) -> dict[str, Any]:
    """A specification with passwords."""
    user_data = {
        "computer_name": {"type": "FIXED", "fixed_name": "pc"},
        "full_name": "A <&> B",
        "organization": "",
        "product_key": "",
    }
    domain = {
        "type": "DOMAIN",
        "domain": "corp.example.com",
        "domain_username": "joiner",
        "domain_password": "hidden-password",
    }
    return {
        "name": "windows",
        "description": "Two\nlines",
        "spec": {
            "configuration_spec": {
                "windows_config": {
                    "sysprep": {
                        "gui_run_once_commands": ["one", "two"],
                        "user_data": user_data,
                        "domain": domain,
                        "gui_unattended": {"auto_logon": True, "auto_logon_count": 2, "time_zone": 110, **unattended},
                    }
                }
            },
            "global_DNS_settings": {},
            "interfaces": [],
        },
    }


@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_an_exported_specification_can_be_imported(api: Api, form: str) -> None:
    """Everything comes back but the passwords, which are not in the text."""
    given = windows(password="hidden-password")
    assert api("POST", SPECS, given).status == 201
    text = api("POST", f"{SPECS}/windows?action=export", {"format": form}).json
    assert "hidden-password" not in text
    imported = api("POST", f"{SPECS}?action=import", {"customization_spec": text}).json
    assert imported == json.loads(json.dumps(given).replace("hidden-password", ""))
    assert api("POST", SPECS, {**imported, "name": "again"}).status == 201


def test_a_stored_specification_customizes_a_machine(api: Api, clock: ManualClock) -> None:
    """What is created can be used by its name, and no longer once it is deleted."""
    spec = api("GET", f"{SPECS}/linux-2-nics").json["spec"]["spec"]
    spec["configuration_spec"]["linux_config"]["hostname"] = {"type": "FIXED", "fixed_name": "fresh"}
    api("POST", SPECS, {"name": "mine", "description": "", "spec": spec})
    path = "/api/vcenter/vm/vm-1002/guest/customization"
    assert api("PUT", path, {"name": "mine"}).status == 204
    api("DELETE", f"{SPECS}/mine")
    assert api("PUT", path, {"name": "mine"}).status == 404
    api("POST", "/api/vcenter/vm/vm-1002/power?action=start")
    clock.advance(60)
    interfaces = api("GET", "/api/vcenter/vm/vm-1002/guest/networking/interfaces").json
    assert interfaces[0]["dns_values"]["host_name"] == "fresh"


def test_every_change_renews_the_fingerprint(api: Api, clock: ManualClock) -> None:
    """A change on the base of an older version is refused."""
    first = api("GET", f"{SPECS}/linux-1-nic").json
    clock.advance(60)
    assert api("PUT", f"{SPECS}/linux-1-nic", first["spec"]).status == 204
    second = api("GET", f"{SPECS}/linux-1-nic").json
    assert second["spec"]["fingerprint"] != first["spec"]["fingerprint"]
    assert second["last_modified"] > first["last_modified"]
    assert api("PUT", f"{SPECS}/linux-1-nic", first["spec"]).error_type == "INVALID_ARGUMENT"
