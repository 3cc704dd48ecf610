"""Snapshots: states to which machines are really reverted, with hardware, settings, and the files of the guest.

A snapshot is a copy of the machine. A revert keeps the machine's location and identity.
"""

from copy import deepcopy
from dataclasses import fields
from datetime import datetime

from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import Snapshot, VirtualMachine

__all__ = ["remove", "revert", "take"]

# What a machine keeps when it is reverted to a snapshot.
_KEPT = frozenset(
    {
        "vm", "name", "placement", "datastore", "home", "instance_uuid", "template", "snapshots", "custom_values",
        "modified", "reconfigurations", "compute_policies", "home_storage_policy", "compliance", "busy", "copies",
        "inaccessible", "power_state", "guest", "data_sets", "question",
    }
)  # fmt: skip


def take(
    machine: VirtualMachine,
    identifier: str,
    name: str,
    description: str,
    now: datetime,
    *,
    memory: bool,
    quiesced: bool,
) -> Snapshot:
    """Takes a snapshot, which becomes the current one. With memory, a running machine is running again after a
    revert."""
    snapshots = machine.snapshots
    snapshots.made += 1
    snapshot = Snapshot(
        snapshot=identifier,
        number=snapshots.made,
        name=name,
        description=description,
        created=now,
        state="POWERED_OFF" if machine.power_state == "POWERED_ON" and not memory else machine.power_state,
        quiesced=quiesced,
        parent=snapshots.current,
        machine=deepcopy(machine),
    )
    snapshots.by_id[identifier] = snapshot
    snapshots.current = identifier
    return snapshot


def revert(
    inventory: Inventory, machine: VirtualMachine, snapshot: Snapshot, now: datetime, *, suppress_power_on: bool = False
) -> None:
    """Reverts a machine to a snapshot. A machine that was running continues from there, unless it should stay
    suspended."""
    saved = deepcopy(snapshot.machine)
    omitted = {key: item for key, item in machine.data_sets.sets.items() if item.omit_from_snapshot_and_clone}
    kept = {key: item for key, item in saved.data_sets.sets.items() if not item.omit_from_snapshot_and_clone}
    for name in (item.name for item in fields(VirtualMachine) if item.name not in _KEPT):
        setattr(machine, name, getattr(saved, name))
    machine.data_sets.sets = {**kept, **omitted}
    machine.guest.changes += 1  # Nothing that was planned for the guest that ends here will happen.
    saved.guest.changes = machine.guest.changes
    machine.guest, machine.power_state = saved.guest, saved.power_state
    for disk in machine.disks.values():
        inventory.disk_files[disk.vmdk_file] = disk.capacity
    if snapshot.state == "POWERED_OFF" and machine.power_state != "POWERED_OFF":
        machine.set_power_state("POWERED_OFF", now)
    if snapshot.state == "POWERED_ON":
        # It resumes like a machine that was suspended when the snapshot was taken.
        machine.set_power_state("SUSPENDED", snapshot.created)
        if not suppress_power_on:
            machine.set_power_state("POWERED_ON", now)
    machine.snapshots.current = snapshot.snapshot


def remove(machine: VirtualMachine, snapshot: Snapshot, *, children: bool) -> None:
    """Removes a snapshot, either with its children, or the children are attached to its parent."""
    snapshots = machine.snapshots
    for child in snapshots.children(snapshot.snapshot):
        if children:
            remove(machine, child, children=True)
        else:
            child.parent = snapshot.parent
    del snapshots.by_id[snapshot.snapshot]
    if snapshots.current == snapshot.snapshot:
        snapshots.current = snapshot.parent
