"""Machines that are created from OVF packages."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from gateway.simulator import creation, errors, provisioning
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.ovf_package import OvfPackage
from gateway.simulator.placement import Site, find, require_space, site_for
from gateway.simulator.places import Datastore
from gateway.simulator.registry import Call

__all__ = [
    "EXPORT_FLAGS",
    "IMPORT_FLAGS",
    "copy_duration",
    "deploy",
    "failed",
    "flags",
    "nothing_to_report",
    "site_for_target",
]

_MESSAGES = "com.vmware.vdcs.ovf-main"
_UTIL = "com.vmware.vdcs.util"

EXPORT_FLAGS = {
    "EXTRA_CONFIG": "Include extra configuration in the exported package.",
    "PRESERVE_MAC": "Include the MAC addresses of network adapters in the exported package.",
}
IMPORT_FLAGS = {"LAX": "Deploy the package even where it is not valid in every respect."}


def flags(known: Mapping[str, str]) -> list[dict[str, Any]]:
    """A list of flags as the flag services return it."""
    return [
        {
            "option": name,
            "description": errors.Message(f"{_MESSAGES}.flag.{name.lower()}", text).to_json(),
        }
        for name, text in known.items()
    ]


def site_for_target(call: Call, target: Mapping[str, Any], datastore: str | None) -> Site:
    """The site for a resource pool, a host, a folder and a datastore; what is omitted is chosen.

    NOT_FOUND for a place that does not exist, INVALID_ARGUMENT if they do not go together, RESOURCE_INACCESSIBLE for a
    host or a datastore that is currently unusable.
    """
    places = call.inventory.places
    named = {name: value for name, value in target.items() if value is not None}
    if "resource_pool" in named:
        datacenter = find(places.resource_pools, "resource_pool", named["resource_pool"]).datacenter
    else:
        host = find(places.hosts, "host", named.get("host", next(iter(places.hosts))))
        named["host"], datacenter = host.host, host.datacenter
    named.setdefault("folder", places.datacenters[datacenter].vm_folder)
    named["datastore"] = datastore or _largest(call.inventory, datacenter).datastore
    return site_for(call.inventory, named)


def deploy(
    call: Call,
    package: OvfPackage,
    name: str,
    site: Site,
    networks: Mapping[str, str],
) -> VirtualMachine:
    """Creates the machine of a package, powered off. Raises what prevents it, and then leaves nothing behind.

    `networks` are identifiers of networks by the names in the package. A network that is not named is the one with that
    name in the datacenter, or any.
    """
    inventory = call.inventory
    backings = [_backing(inventory, networks.get(network), network) for network in package.networks]
    require_space(site.datastore, sum(package.disks))
    spec = {
        "name": name,
        "guest_OS": package.guest_os,
        "cpu": {"count": package.cpu_count},
        "memory": {"size_MiB": package.memory_mib},
        "disks": [{"new_vmdk": {"capacity": capacity}} for capacity in package.disks],
        "nics": [{"backing": backing, "start_connected": True} for backing in backings],
    }
    machine = creation.create(call, spec, site)
    machine.guest.tools_installed = True
    return machine


def copy_duration(inventory: Inventory, package: OvfPackage) -> timedelta:
    """How long writing the disks of a package takes."""
    return provisioning.copy_duration(inventory, package.disks)


def nothing_to_report() -> dict[str, Any]:
    """What a result reports if there were no problems: vCenter sends the lists, but empty."""
    return {"errors": [], "warnings": [], "information": []}


def failed(failure: errors.VapiError) -> dict[str, Any]:
    """A failure as a result reports it: an error of the server, or of the input in `name` of its data."""
    failure.messages = [_reworded(message) for message in failure.messages]
    error: dict[str, Any] = {"category": "SERVER", "error": failure.to_json()}
    if failure.data is not None and {"name", "value"} <= failure.data.keys():
        error = {"category": "INPUT", **failure.data, "message": failure.messages[0].to_json()}
    return {**nothing_to_report(), "errors": [error]}


def _reworded(message: errors.Message) -> errors.Message:
    """A fault of the VIM API in the form of the OVF service."""
    match message.id:
        case "vmsg.DuplicateName.summary":
            (name,) = message.args
            text = f'An object of type "VirtualMachine" named "{name}" already exists.'
            return errors.Message(f"{_UTIL}.duplicate_name", text, ("VirtualMachine", name))
        case "vmsg.NoDiskSpace.summary":
            text, reason = "The operation failed due to {0}", message.default_message
            return errors.Message(f"{_UTIL}.unable_to_allocate_resource", text.format(reason), (reason,))
        case _:
            return message


def _largest(inventory: Inventory, datacenter: str) -> Datastore:
    """The accessible datastore of a datacenter with the most space."""
    found = [item for item in inventory.places.datastores.values() if item.datacenter == datacenter and item.accessible]
    if not found:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.no_datastore", "No datastore of the datacenter '{0}' is accessible.", datacenter
        )
    return max(found, key=lambda item: item.free)


def _backing(inventory: Inventory, network: str | None, name: str) -> dict[str, Any]:
    if network is None:
        found: Iterable[str] = (item.network for item in inventory.networks.values() if item.name == name)
        network = next(iter(found), next(iter(inventory.networks)))
    chosen = find(inventory.networks, "network", network)
    return {"type": chosen.type, "network": chosen.network}
