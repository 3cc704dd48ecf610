"""Where a machine is placed: what a placement spec names, completed and validated.

Creating, cloning, registering, moving and deploying machines all use such a spec. What it omits is where the machine or
its source currently is, or is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import Placement, VirtualMachine
from gateway.simulator.places import Datastore, Folder, Host, ResourcePool

__all__ = ["Site", "find", "host_to_start_on", "require_room", "require_space", "site_for", "site_of"]

_MESSAGES = "com.vmware.api.vcenter.vm.placement"

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Site:
    """A complete and valid placement."""

    placement: Placement
    datastore: Datastore
    """For the machine's own files, and for all disks without their own datastore."""


def find(places: Mapping[str, Place], kind: str, identifier: str) -> Place:
    """The place with that identifier. NOT_FOUND if it does not exist; `kind` is its name in messages."""
    place = places.get(identifier)
    if place is None:
        raise errors.not_found(kind, identifier)
    return place


def site_of(inventory: Inventory, machine: VirtualMachine) -> Site:
    """The current site of a machine."""
    datastore = inventory.places.datastore_of(f"[{machine.datastore}]")
    if datastore is None:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.datastore_gone", "The datastore '{0}' cannot be accessed.", machine.datastore
        )
    return Site(machine.placement, datastore)


def site_for(
    inventory: Inventory, spec: Mapping[str, Any] | None, current: Site | None = None, *, stays: bool = False
) -> Site:
    """The site for a placement spec.

    What the spec omits is taken from `current`. Without `current`, the spec must have a folder, a datastore, and a
    host, cluster or resource pool. NOT_FOUND for a place that does not exist, INVALID_ARGUMENT if they do not go
    together, RESOURCE_INACCESSIBLE for a host or a datastore that is currently unusable. With `stays`, the machine at
    `current` itself is moved, and it can stay wherever it is.
    """
    named = {name: value for name, value in (spec or {}).items() if value is not None}
    folder = _folder(inventory, named.get("folder"), current)
    datastore = _datastore(inventory, named.get("datastore"), current)
    host, pool = _compute(inventory, named, datastore, current)
    if not (stays and current is not None and host.host == current.placement.host):
        _require_usable(host)
    if host.datacenter != folder.datacenter:
        raise _invalid("disjoint", "The folder '{0}' and the host '{1}' are in different datacenters.",
                       folder.folder, host.host)  # fmt: skip
    if host.host not in datastore.hosts:
        raise _invalid("datastore_not_reachable", "The datastore '{0}' cannot be reached from the host '{1}'.",
                       datastore.datastore, host.host)  # fmt: skip
    if not datastore.accessible and not (stays and current is not None and datastore is current.datastore):
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.datastore_not_accessible", "The datastore '{0}' is not accessible.", datastore.datastore
        )
    placement = Placement(folder.folder, host.datacenter, host.host, host.cluster, pool.resource_pool)
    return Site(placement, datastore)


def host_to_start_on(inventory: Inventory, machine: VirtualMachine) -> str:
    """The machine's host, or another host of its cluster if that one is unusable and the cluster chooses hosts.

    RESOURCE_INACCESSIBLE if there is none.
    """
    places, present = inventory.places, inventory.places.hosts[machine.placement.host]
    if _is_usable(present):
        return present.host
    cluster = places.clusters.get(present.cluster or "")
    if cluster is not None and cluster.drs_enabled:
        usable = [host for host in places.hosts.values() if host.cluster == cluster.cluster and _is_usable(host)]
        if usable:
            return usable[inventory.next_turn() % len(usable)].host
    text = "The operation is not allowed in the current state of the host."
    raise errors.resource_inaccessible("vmsg.InvalidHostState.summary", text)


def require_room(
    inventory: Inventory, host: str, memory_mib: int, error_type: str = "UNABLE_TO_ALLOCATE_RESOURCE"
) -> None:
    """An error of that type if the host has less free memory than a machine needs to run."""
    if memory_mib > inventory.host_memory_mib[host] - inventory.usage.memory_mib(host):
        raise errors.of_type(
            error_type,
            "vmsg.InsufficientMemoryResourcesFault.summary",
            "The host does not have sufficient memory resources to satisfy the reservation.",
        )


def require_space(datastore: Datastore, size: int, error_type: str = "UNABLE_TO_ALLOCATE_RESOURCE") -> None:
    """An error of that type if the datastore lacks space for this many bytes; a full datastore always does."""
    if datastore.free <= 0 or size > datastore.free:
        raise errors.of_type(
            error_type,
            "vmsg.NoDiskSpace.summary",
            "Insufficient disk space on datastore '{0}'.",
            datastore.name,
        )


def _folder(inventory: Inventory, wanted: str | None, current: Site | None) -> Folder:
    if wanted is None:
        if current is None:
            raise _required("folder")
        wanted = current.placement.folder
    folder = find(inventory.places.folders, "folder", wanted)
    if folder.type != "VIRTUAL_MACHINE":
        raise _invalid("not_a_vm_folder", "The folder '{0}' cannot contain virtual machines.", wanted)
    return folder


def _datastore(inventory: Inventory, wanted: str | None, current: Site | None) -> Datastore:
    if wanted is not None:
        return find(inventory.places.datastores, "datastore", wanted)
    if current is None:
        raise _required("datastore")
    return current.datastore


def _compute(
    inventory: Inventory, named: Mapping[str, Any], datastore: Datastore, current: Site | None
) -> tuple[Host, ResourcePool]:
    """Host and resource pool: those in the spec, what follows from them, and what is chosen."""
    places = inventory.places
    cluster = find(places.clusters, "cluster", named["cluster"]) if "cluster" in named else None
    host = find(places.hosts, "host", named["host"]) if "host" in named else None
    if "resource_pool" in named:
        pool = find(places.resource_pools, "resource_pool", named["resource_pool"])
    elif cluster is None and host is None:
        if current is None:
            raise _required("resource_pool")
        host = find(places.hosts, "host", current.placement.host)
        return host, find(places.resource_pools, "resource_pool", current.placement.resource_pool)
    else:
        roots = [place.resource_pool for place in (cluster, host) if place is not None]
        pool = places.resource_pools[roots[0]]
        present = places.resource_pools.get(current.placement.resource_pool) if current else None
        if present is not None and (present.cluster, present.host) == (pool.cluster, pool.host):
            pool = present
    if cluster is not None and pool.cluster != cluster.cluster:
        raise _invalid("disjoint", "The resource pool '{0}' does not belong to the cluster '{1}'.",
                       pool.resource_pool, cluster.cluster)  # fmt: skip
    if host is None:
        host = _chosen(inventory, pool, datastore, current)
    elif (host.cluster, None if host.cluster else host.host) != (pool.cluster, pool.host):
        raise _invalid("disjoint", "The resource pool '{0}' does not belong to the host '{1}'.",
                       pool.resource_pool, host.host)  # fmt: skip
    return host, pool


def _chosen(inventory: Inventory, pool: ResourcePool, datastore: Datastore, current: Site | None) -> Host:
    """The host for the pool: the only one, the current one if possible, or the next one in turn."""
    places = inventory.places
    if pool.host is not None:
        return places.hosts[pool.host]
    if pool.cluster is not None and not places.clusters[pool.cluster].drs_enabled:
        raise _invalid("host_required", "The cluster '{0}' does not choose hosts: DRS is not enabled.", pool.cluster)
    usable = [host for host in places.hosts.values() if host.cluster == pool.cluster and _is_usable(host)]
    if not usable:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.no_host", "No host of the resource pool '{0}' is available.", pool.resource_pool
        )
    reaching = [host for host in usable if host.host in datastore.hosts] or usable
    present = [host for host in reaching if current is not None and host.host == current.placement.host]
    return present[0] if present else reaching[inventory.next_turn() % len(reaching)]


def _is_usable(host: Host) -> bool:
    return host.connection_state == "CONNECTED" and host.power_state == "POWERED_ON" and not host.in_maintenance


def _require_usable(host: Host) -> None:
    """RESOURCE_INACCESSIBLE for a host that does not accept machines."""
    if not _is_usable(host):
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.host_not_available",
            "The host '{0}' takes no virtual machines: it is in maintenance mode or not connected.",
            host.host,
        )


def _required(what: str) -> errors.VapiError:
    return _invalid(f"{what}_required", "The placement of the virtual machine lacks the field '{0}'.", what)


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"{_MESSAGES}.{reason}", text, *args)
