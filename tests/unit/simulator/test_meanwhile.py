"""What others do while a machine is copied to or from a library: the copy ends well or says why, and leaves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.simulator.exchange import Later, Request
from gateway.simulator.libraries import TEMPLATES, VM_TEMPLATE_ITEM
from tests.unit.simulator.harness import Api

ITEMS = "/api/vcenter/vm-template/library-items"
ITEM = f"{ITEMS}/{VM_TEMPLATE_ITEM}"
LIBRARY = f"/api/content/library/{TEMPLATES}"
PLACE = {"folder": "group-v4", "cluster": "domain-c8"}
TEMPLATE = (ITEMS, {"source_vm": "vm-1002", "name": "made", "library": TEMPLATES, "placement": PLACE})
PACKAGE = (
    "/api/vcenter/ovf/library-item",
    {
        "source": {"type": "VirtualMachine", "id": "vm-1002"},
        "target": {"library_id": TEMPLATES},
        "create_spec": {"name": "made"},
    },
)
CHECK_OUT = (f"{ITEM}/check-outs?action=check-out", {"name": "copy", "placement": PLACE})


def begin(api: Api, target: str, body: dict[str, Any]) -> Later:
    """Starts an operation, and does not wait for its answer."""
    headers = {"vmware-api-session-id": api.session, "content-type": "application/json"}
    response = api.endpoint.handle(Request("POST", target, headers, json.dumps(body).encode()))
    assert response.later is not None, response.body
    return response.later


def end(api: Api, later: Later) -> tuple[int, Any]:
    """Status and body of the answer, once it is there."""
    api.clock.advance((later.due - api.clock()).total_seconds())
    response = later.response()
    return response.status, json.loads(response.body)


def test_a_disk_is_added_to_the_source_of_a_template(api: Api) -> None:
    """The template has it, on the storage of the machine's other files."""
    later = begin(api, *TEMPLATE)
    disk = api("POST", "/api/vcenter/vm/vm-1002/hardware/disk", {"new_vmdk": {"capacity": 1 << 30}}).json
    status, item = end(api, later)
    assert status == 201
    assert disk in api("GET", f"{ITEMS}/{item}").json["disks"]


@pytest.mark.parametrize(
    ("target", "body", "gone"),
    [(*TEMPLATE, LIBRARY), (*PACKAGE, LIBRARY), (*CHECK_OUT, f"/api/content/library/item/{VM_TEMPLATE_ITEM}")],
    ids=["template", "package", "check-out"],
)
def test_the_target_is_deleted(api: Api, target: str, body: dict[str, Any], gone: str) -> None:
    """NOT_FOUND, and no machine without an item is left."""
    later = begin(api, target, body)
    assert api("DELETE", gone).status == 204
    before = set(api.inventory.machines)
    status, answer = end(api, later)
    assert (status, answer["error_type"]) == (404, "NOT_FOUND")
    assert set(api.inventory.machines) == before
    assert not api.inventory.libraries.check_outs


@pytest.mark.parametrize(
    ("target", "body", "error"),
    [(*TEMPLATE, "ALREADY_EXISTS"), (*PACKAGE, "INVALID_ARGUMENT")],
    ids=["template", "package"],
)
def test_the_name_is_taken(api: Api, target: str, body: dict[str, Any], error: str) -> None:
    """Of two items with one name that are begun, the second is not made."""
    first, second = begin(api, target, body), begin(api, target, body)
    assert end(api, first)[0] == 201
    before = set(api.inventory.machines)
    assert end(api, second)[1]["error_type"] == error
    assert set(api.inventory.machines) == before


def test_the_template_loses_a_card(api: Api) -> None:
    """A customization that fits it no longer ends the deployment, and no machine is left."""
    cards = list(api.inventory.machines["vm-1021"].nics)
    name = {1: "linux-1-nic", 2: "linux-2-nics"}[len(cards)]
    spec = {"name": "copy", "placement": PLACE, "guest_customization": {"name": name}}
    later = begin(api, f"{ITEM}?action=deploy", spec)
    assert api("DELETE", f"/api/vcenter/vm/vm-1021/hardware/ethernet/{cards[-1]}").status == 204
    before = set(api.inventory.machines)
    assert end(api, later)[1]["error_type"] == "INVALID_ARGUMENT"
    assert set(api.inventory.machines) == before
