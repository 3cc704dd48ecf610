"""Adds and removes hosts, together with what they bring into the inventory and take out of it."""

from itertools import count

from gateway.simulator.inventory import Inventory
from gateway.simulator.places import Datacenter, Datastore, Folder, Host, ResourcePool

__all__ = ["add_host", "remove_datacenter", "remove_host"]

_LOCAL_CAPACITY = 1024 << 30
_MEMORY_MIB = 512 * 1024


def add_host(inventory: Inventory, name: str, folder: Folder) -> Host:
    """Adds a standalone host to a folder, with a resource pool and a local datastore, which gets ESXi's default
    name."""
    places = inventory.places
    datacenter = places.datacenters[folder.datacenter or ""]
    host_id, pool_id = places.new_id("host-"), places.new_id("resgroup-")
    host = Host(host_id, name, datacenter.datacenter, folder.folder, None, pool_id)
    places.hosts[host_id] = host
    places.resource_pools[pool_id] = ResourcePool(pool_id, "Resources", None, datacenter.datacenter, None, host_id)
    taken = {datastore.name for datastore in places.datastores.values()}
    store_id = places.new_id("datastore-")
    places.datastores[store_id] = Datastore(
        store_id,
        next(name for number in count(1) if (name := f"datastore1 ({number})") not in taken),
        "VMFS",
        datacenter.datacenter,
        datacenter.datastore_folder,
        _LOCAL_CAPACITY,
        (host_id,),
    )
    inventory.host_memory_mib[host_id] = _MEMORY_MIB
    return host


def remove_host(inventory: Inventory, host: Host) -> None:
    """Removes a host from the inventory, with its machines and the datastores that no other host reaches."""
    places = inventory.places
    for machine in [item for item in inventory.machines.values() if item.placement.host == host.host]:
        del inventory.machines[machine.vm]
        inventory.removed("VirtualMachine", machine.vm)
    for datastore in list(places.datastores.values()):
        datastore.hosts = tuple(other for other in datastore.hosts if other != host.host)
        if not datastore.hosts:
            _remove_datastore(inventory, datastore)
    if host.cluster is None:
        _remove_pool(inventory, host.resource_pool)
    del places.hosts[host.host]
    inventory.removed("HostSystem", host.host)


def remove_datacenter(inventory: Inventory, datacenter: Datacenter) -> None:
    """Removes a datacenter from the inventory, with everything in it."""
    places, identifier = inventory.places, datacenter.datacenter
    for host in [item for item in places.hosts.values() if item.datacenter == identifier]:
        remove_host(inventory, host)
    for cluster in [item for item in places.clusters.values() if item.datacenter == identifier]:
        _remove_pool(inventory, cluster.resource_pool)
        del places.clusters[cluster.cluster]
    for datastore in [item for item in places.datastores.values() if item.datacenter == identifier]:
        _remove_datastore(inventory, datastore)
    for network in [item for item in places.networks.values() if item.datacenter == identifier]:
        del places.networks[network.network]
    for folder in [item for item in places.folders.values() if item.datacenter == identifier]:
        del places.folders[folder.folder]
    del places.datacenters[identifier]


def _remove_pool(inventory: Inventory, pool: str) -> None:
    pools = inventory.places.resource_pools
    for child in [item.resource_pool for item in pools.values() if item.parent == pool]:
        _remove_pool(inventory, child)
    del pools[pool]


def _remove_datastore(inventory: Inventory, datastore: Datastore) -> None:
    prefix = f"[{datastore.name}] "
    for file in [file for file in inventory.disk_files if file.startswith(prefix)]:
        del inventory.disk_files[file]
    inventory.files.difference_update([file for file in inventory.files if file.startswith(prefix)])
    del inventory.places.datastores[datastore.datastore]
    inventory.removed("Datastore", datastore.datastore)
