"""The dialect below `/rest`: what govmomi requests of tags, libraries and templates, and how it is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.simulator.exchange import Request
from tests.unit.simulator.harness import ADMIN, Answer, Api, basic

TAGGING = "/rest/com/vmware/cis/tagging"
CONTENT = "/rest/com/vmware/content/library"
TEMPLATES = "/rest/vcenter/vm-template/library-items"
LIBRARY = "b3c6d9a1-52f4-4c9e-8d07-1f2a3b4c5d6e"
OVF_ITEM = "0b8f6a52-7d31-4e9c-8a64-f15e20c9d7b3"


# Requests as govmomi 0.53 makes them (the rows below /rest/vcenter/vm as older tools do), and what they call.
REQUESTS = [
    ("GET", f"{TAGGING}/category", "cis.tagging.category.list"),
    ("POST", f"{TAGGING}/category", "cis.tagging.category.create"),
    ("GET", f"{TAGGING}/category/id:urn:1", "cis.tagging.category.get"),
    ("PATCH", f"{TAGGING}/category/id:urn:1", "cis.tagging.category.update"),
    ("DELETE", f"{TAGGING}/category/id:urn:1", "cis.tagging.category.delete"),
    ("POST", f"{TAGGING}/tag/id:urn:1?~action=list-tags-for-category", "cis.tagging.tag.list_tags_for_category"),
    ("POST", f"{TAGGING}/tag-association/id:urn:1?~action=attach", "cis.tagging.tag_association.attach"),
    (
        "POST",
        f"{TAGGING}/tag-association?~action=list-attached-tags-on-objects",
        "cis.tagging.tag_association.list_attached_tags_on_objects",
    ),
    ("GET", CONTENT, "content.library.list"),
    ("GET", f"{CONTENT}/id:{LIBRARY}", "content.library.get"),
    ("POST", f"{CONTENT}?~action=find", "content.library.find"),
    ("GET", f"{CONTENT}/item?library_id={LIBRARY}", "content.library.item.list"),
    ("POST", f"{CONTENT}/item/id:{OVF_ITEM}?~action=copy", "content.library.item.copy"),
    ("GET", f"{CONTENT}/item/file?library_item_id={OVF_ITEM}", "content.library.item.file.list"),
    ("POST", f"{CONTENT}/item/file/id:{OVF_ITEM}?~action=get", "content.library.item.file.get"),
    ("GET", f"{CONTENT}/item/storage?library_item_id={OVF_ITEM}", "content.library.item.storage.list"),
    (
        "POST",
        f"/rest/com/vmware/vcenter/ovf/library-item/id:{OVF_ITEM}?~action=deploy",
        "vcenter.ovf.library_item.deploy",
    ),
    ("POST", TEMPLATES, "vcenter.vm_template.library_items.create"),
    ("GET", f"{TEMPLATES}/1", "vcenter.vm_template.library_items.get"),
    ("POST", f"{TEMPLATES}/1?action=deploy", "vcenter.vm_template.library_items.deploy"),
    ("POST", f"{TEMPLATES}/1/check-outs?action=check-out", "vcenter.vm_template.library_items.check_outs.check_out"),
    ("GET", "/rest/vcenter/vm?filter.names.1=web-0001&filter.names.2=db-0002", "vcenter.VM.list"),
    ("POST", "/rest/vcenter/vm/vm-1001/power/stop", "vcenter.vm.power.stop"),
    ("POST", "/rest/vcenter/vm/vm-1001/hardware/action/upgrade", "vcenter.vm.hardware.upgrade"),
    ("POST", "/rest/vcenter/vm/vm-1001/hardware/cdrom/16000/connect", "vcenter.vm.hardware.cdrom.connect"),
    ("GET", "/rest/com/vmware/content/no-such", None),
    ("PUT", f"{TAGGING}/category", None),
    ("GET", "/rest/vcenter/no-such", None),
    ("POST", "/rest/vcenter/vm/vm-1001/power/levitate", None),
    ("GET", "/rest/", None),
]


@pytest.mark.parametrize(("method", "target", "operation"), REQUESTS, ids=[f"{row[0]} {row[1]}" for row in REQUESTS])
def test_what_a_request_calls(api: Api, method: str, target: str, operation: str | None) -> None:
    """The operation that the same client finds in a vCenter; none for what no service has."""
    body = json.dumps({"name": "disk.vmdk", "category_id": "urn:1"}).encode() if method == "POST" else b""
    found = api.endpoint.operation_of(Request(method, target, {}, body))
    assert found == (None if operation is None else f"com.vmware.{operation}")


def value(answer: Answer) -> Any:
    """What is in the envelope of a success."""
    assert answer.status == 200, answer.json
    return answer.json["value"]


def test_parameters_have_their_names(api: Api) -> None:
    """A body that is one parameter of the operation stands under its name."""
    spec = {"name": "go", "description": "", "cardinality": "MULTIPLE", "associable_types": []}
    category = value(api("POST", f"{TAGGING}/category", {"create_spec": spec}))
    assert value(api("GET", f"{TAGGING}/category/id:{category}"))["name"] == "go"
    assert api("PATCH", f"{TAGGING}/category/id:{category}", {"update_spec": {"name": "gone"}}).status == 200
    tag = value(
        api("POST", f"{TAGGING}/tag", {"create_spec": {"name": "t", "description": "", "category_id": category}})
    )
    thing = {"type": "VirtualMachine", "id": "vm-1002"}
    attached = api("POST", f"{TAGGING}/tag-association/id:{tag}?~action=attach", {"object_id": thing})
    assert (attached.status, attached.response.body) == (200, b""), "nothing to say has no envelope"
    assert value(api("POST", f"{TAGGING}/tag-association?~action=list-attached-tags", {"object_id": thing})) == [tag]


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_a_body_without_parameters(api: Api, body: bytes) -> None:
    """Null and an empty object have none; govmomi sends null."""
    tag = value(api("GET", f"{TAGGING}/tag"))[0]
    target = f"{TAGGING}/tag-association/id:{tag}?~action=list-attached-objects"
    assert isinstance(value(api.request("POST", target, body, headers={"vmware-api-session-id": api.session})), list)


def test_filters_have_a_prefix(api: Api) -> None:
    """And their values may be numbered."""
    numbered = value(api("GET", "/rest/vcenter/vm?filter.names.1=web-0001&filter.names.2=db-0002"))
    assert numbered == value(api("GET", "/rest/vcenter/vm?filter.names=web-0001&filter.names=db-0002"))
    assert [machine["vm"] for machine in numbered] == ["vm-1001", "vm-1002"]


def test_maps_are_lists_of_entries(api: Api) -> None:
    """Within structures as well as in their place."""
    disks = value(api("GET", "/rest/vcenter/vm/vm-1001"))["disks"]
    assert [entry["key"] for entry in disks] == ["2000", "2001"]
    assert disks[0]["value"]["type"] == "SCSI"
    assert value(api("GET", "/rest/vcenter/vm/vm-1001/guest/local-filesystem"))[0]["key"] == "/"


def entries(values: dict[str, Any]) -> list[dict[str, Any]]:
    """A map as this dialect has it."""
    return [{"key": key, "value": item} for key, item in values.items()]


def test_maps_of_requests_are_lists_of_entries(api: Api) -> None:
    """As govmomi sends the networks of an OVF package and the storage of a template's disks."""
    spec = {
        "name": "of-a-package",
        "accept_all_EULA": True,
        "network_mappings": entries({"VM Network": "network-14"}),
        "storage_mappings": entries({"group1": {"type": "DATASTORE", "datastore_id": "datastore-12"}}),
    }
    body = {"deployment_spec": spec, "target": {"resource_pool_id": "resgroup-9"}}
    deployed = value(api("POST", f"/rest/com/vmware/vcenter/ovf/library-item/id:{OVF_ITEM}?~action=deploy", body))
    machine = api.inventory.machines[deployed["resource_id"]["id"]]
    assert [nic.backing["network"] for nic in machine.nics.values()] == ["network-14"]
    place = {"folder": "group-v4", "resource_pool": "resgroup-9"}
    overrides = entries({next(iter(machine.disks)): {"datastore": "datastore-11"}})
    template = {"source_vm": machine.vm, "name": "t", "library": LIBRARY, "placement": place}
    made = value(api("POST", TEMPLATES, {"spec": {**template, "disk_storage_overrides": overrides}}))
    disk = value(api("GET", f"{TEMPLATES}/{made}"))["disks"][0]["value"]
    assert disk["disk_storage"]["datastore"] == "datastore-11"


@pytest.mark.parametrize(
    "mappings",
    [
        entries({"VM Network": "network-14"}) * 2,
        [{"key": "VM Network"}],
        [{"key": 1, "value": "network-14"}],
        ["VM Network"],
        "VM Network",
    ],
    ids=["twice", "no value", "no text", "no entry", "no list"],
)
def test_what_is_not_a_map(api: Api, mappings: Any) -> None:
    """A list in place of a map has to be one of entries, each key once."""
    body = {
        "deployment_spec": {"accept_all_EULA": True, "network_mappings": mappings},
        "target": {"resource_pool_id": "resgroup-9"},
    }
    answer = api("POST", f"/rest/com/vmware/vcenter/ovf/library-item/id:{OVF_ITEM}?~action=deploy", body)
    assert (answer.status, answer.json["value"]["error_type"]) == (400, "INVALID_ARGUMENT")
    assert "network_mappings" in json.dumps(answer.json["value"]["messages"])


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "error"),
    [
        ("GET", "/rest/vcenter/vm/vm-9", None, 404, "not_found"),
        ("GET", "/rest/vcenter/no-such", None, 404, "not_found"),
        ("POST", f"{TAGGING}/category", {"create_spec": {}}, 400, "invalid_argument"),
        ("POST", f"{TAGGING}/category", [], 400, "invalid_request"),
        ("POST", f"{CONTENT}/item/file?~action=get", {}, 400, "invalid_argument"),
    ],
    ids=["no machine", "no service", "no name", "no object", "no identifier"],
)
def test_errors_are_structures_with_their_names(
    api: Api, method: str, target: str, body: Any, status: int, error: str
) -> None:
    """The status is that of `/api`."""
    answer = api(method, target, body)
    assert (answer.status, answer.json["type"]) == (status, f"com.vmware.vapi.std.errors.{error}")
    assert answer.json["value"]["error_type"] == error.upper()
    assert answer.json["value"]["messages"]


def test_a_session_may_be_in_a_cookie(api: Api) -> None:
    """As it was given by the login of this dialect; `/api` does not look at cookies."""
    login = api.request("POST", "/rest/com/vmware/cis/session", headers=basic(ADMIN))
    headers = {"cookie": login.headers["Set-Cookie"].partition(";")[0]}
    assert api.request("GET", "/rest/vcenter/datacenter", headers=headers).status == 200
    assert api.request("GET", "/api/vcenter/datacenter", headers=headers).status == 401


def test_without_a_session(api: Api) -> None:
    """The error says how to log in."""
    answer = api("POST", "/rest/vcenter/vm/vm-1001/power/stop", session="")
    assert (answer.status, answer.json["type"]) == (401, "com.vmware.vapi.std.errors.unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_a_clone_is_waited_for(api: Api) -> None:
    """What comes later is in an envelope, too."""
    made = value(api("POST", "/rest/vcenter/vm?action=clone", {"spec": {"source": "vm-1002", "name": "copy"}}))
    assert api.inventory.machines[made].name == "copy"
