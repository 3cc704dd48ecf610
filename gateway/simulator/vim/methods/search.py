"""SearchIndex: finds objects by their attributes."""

from collections.abc import Callable, Iterable

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.vim.faults import invalid_argument
from gateway.simulator.vim.machine_guest import host_name
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.values import Ref, unescape_name
from gateway.simulator.vim.views import is_below
from gateway.simulator.vim.world import World

__all__: list[str] = []

_ROOTS = ("vm_folder", "host_folder", "datastore_folder", "network_folder")


@method("SearchIndex", "FindByUuid")
def _by_uuid(call: VimCall) -> Ref | None:
    return next(iter(_with_uuid(call)), None)


@method("SearchIndex", "FindAllByUuid")
def _all_by_uuid(call: VimCall) -> list[Ref]:
    return _with_uuid(call)


@method("SearchIndex", "FindByIp")
def _by_ip(call: VimCall) -> Ref | None:
    return next(iter(_with_ip(call)), None)


@method("SearchIndex", "FindAllByIp")
def _all_by_ip(call: VimCall) -> list[Ref]:
    return _with_ip(call)


@method("SearchIndex", "FindByDnsName")
def _by_dns_name(call: VimCall) -> Ref | None:
    return next(iter(_with_dns_name(call)), None)


@method("SearchIndex", "FindAllByDnsName")
def _all_by_dns_name(call: VimCall) -> list[Ref]:
    return _with_dns_name(call)


@method("SearchIndex", "FindByDatastorePath")
def _by_path(call: VimCall) -> Ref | None:
    path = call.arguments.text("path")
    found = _machines(call, lambda machine: f"{machine.directory}/{machine.home or machine.name}.vmx" == path)
    return next(iter(found), None)


@method("SearchIndex", "FindByInventoryPath")
def _by_inventory_path(call: VimCall) -> Ref | None:
    here: Ref | None = Ref("Folder", "group-d1")
    for name in call.arguments.text("inventoryPath").strip("/").split("/"):
        here = _child(call.world, here, unescape_name(name)) if here is not None and name else here
    return here


@method("SearchIndex", "FindChild")
def _find_child(call: VimCall) -> Ref | None:
    call.find("entity")
    return _child(call.world, call.arguments.ref("entity"), unescape_name(call.arguments.text("name")))


def _child(world: World, above: Ref, name: str) -> Ref | None:
    """The object with that name directly below another one."""
    place = world.find(above)
    below: Iterable[Ref]
    match above.type:
        case "Folder":
            below = world.children(above.id)
        case "Datacenter":
            below = [Ref("Folder", getattr(place, root)) for root in _ROOTS]
        case "ComputeResource" | "ClusterComputeResource":
            hosts = [above_host for above_host in world.all_of("HostSystem") if world.parent_of(above_host) == above]
            below = [Ref("ResourcePool", place.resource_pool), *hosts]
        case "ResourcePool":
            pools = [ref for ref in world.all_of("ResourcePool") if world.parent_of(ref) == above]
            below = [*pools, *world.machines_where("resource_pool", above.id)]
        case _:
            return None
    return next((ref for ref in below if world.find(ref).name == name), None)


def _with_uuid(call: VimCall) -> list[Ref]:
    uuid = call.arguments.text("uuid").lower()
    if not call.arguments.flag("vmSearch"):
        hosts = call.world.inventory.places.hosts.values()
        return [Ref("HostSystem", host.host) for host in hosts if host.uuid == uuid]
    is_instance = call.arguments.flag("instanceUuid")
    return _machines(call, lambda machine: (machine.instance_uuid if is_instance else machine.bios_uuid) == uuid)


def _with_ip(call: VimCall) -> list[Ref]:
    if not call.arguments.flag("vmSearch"):
        return []
    ip, now = call.arguments.text("ip"), call.now
    return _machines(call, lambda machine: machine.guest.ip_address == ip and machine.guest.tools_running(now))


def _with_dns_name(call: VimCall) -> list[Ref]:
    name, now = call.arguments.text("dnsName").lower(), call.now
    if not call.arguments.flag("vmSearch"):
        hosts = call.world.inventory.places.hosts.values()
        return [Ref("HostSystem", host.host) for host in hosts if host.name.lower() == name]
    return _machines(call, lambda machine: host_name(machine).lower() == name and machine.guest.tools_running(now))


def _machines(call: VimCall, fits: Callable[[VirtualMachine], bool]) -> list[Ref]:
    """The matching accessible machines within the datacenter in the call."""
    datacenter = call.arguments.optional_ref("datacenter")
    if datacenter is not None and call.world.find(datacenter) is None:
        raise invalid_argument("datacenter")
    machines = call.world.inventory.machines.values()
    found = [Ref("VirtualMachine", machine.vm) for machine in machines if not machine.inaccessible and fits(machine)]
    return [ref for ref in found if datacenter is None or is_below(ref, datacenter, call.world)]
