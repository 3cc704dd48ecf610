"""The journal and the record of what changes in the simulated inventory."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.simulator import changes as changes_module
from gateway.simulator.changes import ObjectKey
from tests.unit.simulator.harness import Api


def test_the_newest_first(api: Api) -> None:
    """What was touched since a revision comes once, the newest first."""
    changes = api.inventory.changes
    start = changes.revision
    for vm in ("vm-1001", "vm-1002", "vm-1001"):
        changes.touched("VirtualMachine", vm)
    found = changes.since(start)
    assert found is not None
    assert list(found) == [ObjectKey("VirtualMachine", "vm-1001"), ObjectKey("VirtualMachine", "vm-1002")]
    assert not changes.record


def test_what_is_too_long_ago(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal forgets the oldest, and says so to whoever asks for it."""
    monkeypatch.setattr(changes_module, "_JOURNAL", 2)
    changes = api.inventory.changes
    start = changes.revision
    for number in range(1, 4):
        changes.touched("Task", f"task-{number}")
    assert changes.since(start) is None
    recent = changes.since(start + 1)
    assert recent is not None
    assert [key.id for key in recent] == ["task-3", "task-2"]


def test_who_did_it(api: Api) -> None:
    """A change has its user, and whether the configuration was changed."""
    api("PATCH", "/api/vcenter/vm/vm-1002/hardware/cpu", {"count": 4})
    [change] = api.inventory.changes.record
    assert change.after is not None
    assert (change.vm, change.after.cpu_count, change.reconfigured) == ("vm-1002", 4, True)
    assert change.user == "administrator@vsphere.local"
    assert change.moment == api.clock()


def test_an_operation_that_fails(api: Api) -> None:
    """It is no change."""
    assert api("POST", "/api/vcenter/vm/vm-1001/power?action=start").error_type == "ALREADY_IN_DESIRED_STATE"
    assert not api.inventory.changes.record


def test_a_part_of_another_operation(api: Api) -> None:
    """A machine that is made and switched on by one operation comes, and is switched on."""
    spec = {"source": "vm-1002", "name": "copy", "power_on": True, "placement": {"folder": "group-v4"}}
    vm = api("POST", "/api/vcenter/vm?action=clone", spec).json
    states = [change.after.power_state for change in api.inventory.changes.record if change.vm == vm and change.after]
    assert (states[0], states[-1]) == ("POWERED_OFF", "POWERED_ON")


def test_a_guest_that_goes_down(api: Api) -> None:
    """The end of what an operation began is a change when its time has come."""
    api("POST", "/api/vcenter/vm/vm-1001/guest/power?action=shutdown")
    api.clock.advance(3)
    api.inventory.settle(api.clock())
    change = api.inventory.changes.record[-1]
    assert change.after is not None
    assert (change.vm, change.after.power_state) == ("vm-1001", "POWERED_OFF")


def test_what_a_guest_does_by_itself(api: Api) -> None:
    """The start of its tools touches the machine, at its time."""
    api("POST", "/api/vcenter/vm/vm-1002/power?action=start")
    changes = api.inventory.changes
    before = changes.revision
    due = api.inventory.next_due()
    assert due == api.clock() + timedelta(seconds=2)
    api.clock.advance(2)
    api.inventory.settle(api.clock())
    touched = changes.since(before)
    assert touched is not None
    assert ObjectKey("VirtualMachine", "vm-1002") in touched


async def test_those_who_wait(api: Api) -> None:
    """All are woken by a touch, and by a thing that is due earlier than all others; else their time runs out."""
    changes = api.inventory.changes
    waiting = [asyncio.ensure_future(changes.wait(60)) for _ in range(3)]
    await asyncio.sleep(0)
    assert changes.waiting == 3
    changes.touched("VirtualMachine", "vm-1001")
    await asyncio.gather(*waiting)
    another = asyncio.ensure_future(changes.wait(60))
    await asyncio.sleep(0)
    api.inventory.schedule(api.clock(), lambda: None)
    await another
    await changes.wait(0)
    assert changes.waiting == 0
