"""Resource pools and datacenters, created and changed as in the REST API; and maintenance mode of hosts, which it
lacks."""

from dataclasses import replace
from typing import Any

from gateway.simulator.hosts import remove_datacenter
from gateway.simulator.inventory import Inventory
from gateway.simulator.places import Datacenter, Folder, Host
from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import start
from gateway.simulator.vim.values import Ref, unescape_name

__all__: list[str] = []

_POOL = "com.vmware.vcenter.resource_pool"


@method("ResourcePool", "CreateResourcePool", privilege=WRITE)
def _create_pool(call: VimCall) -> Ref:
    name, spec = unescape_name(call.arguments.text("name")), _allocations(call.arguments.need("spec"))
    return Ref("ResourcePool", call.rest(f"{_POOL}.create", {"name": name, "parent": call.this.id, **spec}))


@method("ResourcePool", "UpdateConfig", privilege=WRITE)
def _update_pool(call: VimCall) -> None:
    name, config = call.arguments.optional_text("name"), call.arguments.find("config")
    spec: dict[str, Any] = {} if name is None else {"name": unescape_name(name)}
    call.rest(f"{_POOL}.update", spec | (_allocations(config) if config else {}), resource_pool=call.this.id)


@method("ResourcePool", "Destroy_Task", privilege=WRITE)
def _destroy_pool(call: VimCall) -> Ref:
    return start(call, "Destroy_Task", call.this, lambda: call.rest(f"{_POOL}.delete", resource_pool=call.this.id))


def _allocations(spec: Arguments) -> dict[str, Any]:
    found = {kind: spec.find(f"{kind}Allocation") for kind in ("cpu", "memory")}
    return {f"{kind}_allocation": _allocation(given) for kind, given in found.items() if given is not None}


def _allocation(given: Arguments) -> dict[str, Any]:
    allocation: dict[str, Any] = {
        "reservation": given.number("reservation"),
        "expandable_reservation": given.optional_flag("expandableReservation"),
        "limit": given.number("limit"),
    }
    shares = given.find("shares")
    if shares is not None:
        level = shares.text("level").upper()
        allocation["shares"] = {"level": level, "shares": shares.number("shares") if level == "CUSTOM" else None}
    return allocation


@method("Folder", "CreateDatacenter", privilege=WRITE)
def _create_datacenter(call: VimCall) -> Ref:
    folder: Folder = call.subject
    body = {"name": unescape_name(call.arguments.text("name")), "folder": folder.folder}
    return Ref("Datacenter", call.rest("com.vmware.vcenter.datacenter.create", body))


@method("Datacenter", "Destroy_Task", privilege=WRITE)
def _destroy_datacenter(call: VimCall) -> Ref:
    datacenter: Datacenter = call.subject

    def work() -> None:
        remove_datacenter(call.world.inventory, datacenter)
        call.world.inventory.changes.restructured()

    return start(call, "Destroy_Task", call.this, work)


@method("HostSystem", "EnterMaintenanceMode_Task", privilege=WRITE)
def _enter_maintenance(call: VimCall) -> Ref:
    host: Host = call.subject

    def work() -> None:
        if host.in_maintenance:
            raise VimError("InvalidState", "The operation is not allowed in the current state.")
        _evacuate(call.world.inventory, host)
        _set_maintenance(call, host, wanted=True)

    return start(call, "EnterMaintenanceMode_Task", call.this, work)


@method("HostSystem", "ExitMaintenanceMode_Task", privilege=WRITE)
def _exit_maintenance(call: VimCall) -> Ref:
    host: Host = call.subject

    def work() -> None:
        if not host.in_maintenance:
            raise VimError("InvalidState", "The operation is not allowed in the current state.")
        _set_maintenance(call, host, wanted=False)

    return start(call, "ExitMaintenanceMode_Task", call.this, work)


def _set_maintenance(call: VimCall, host: Host, *, wanted: bool) -> None:
    host.in_maintenance = wanted
    call.world.inventory.changes.touched("HostSystem", host.host, user=call.own.user.name)


def _evacuate(inventory: Inventory, host: Host) -> None:
    """Moves the powered-on machines to the other hosts of the cluster, in turn; Timedout if no host can accept them.

    vCenter would wait until somebody powers off the machines; the simulator ends with the error immediately.
    """
    running = [
        item
        for item in inventory.machines.values()
        if item.placement.host == host.host and item.power_state != "POWERED_OFF"
    ]
    cluster = inventory.places.clusters.get(host.cluster or "")
    others = [
        item
        for item in inventory.places.hosts.values()
        if cluster is not None and cluster.drs_enabled and item.cluster == host.cluster and item is not host
        if item.connection_state == "CONNECTED" and not item.in_maintenance
    ]
    if running and not others:
        raise VimError("Timedout", "Operation timed out.")
    for number, machine in enumerate(running):
        machine.placement = replace(machine.placement, host=others[number % len(others)].host)
        inventory.changes.touched("VirtualMachine", machine.vm)
