"""Where virtual machines live: datacenters, folders, clusters, hosts, resource pools, datastores and networks.

The inventory is the same at each start; its identifiers have vCenter's format. There are two datacenters:

- `datacenter-3` (`DC0`): the cluster `domain-c8` with `host-10` and `host-13`; the root folder of machines `group-v4`
  (`vm`) and `group-v31` (`Production`) in it; the cluster's own resource pool `resgroup-9` and `resgroup-33` in it; the
  datastores `datastore-11` (`datastore1`), `datastore-12` (`datastore2`) and `datastore-15` (`nfs-isos`).
- `datacenter-21` (`DC1`): the cluster `domain-c26` with `host-28`, and the standalone `host-29` with the resource pool
  `resgroup-30`; the root folder of machines `group-v22`; the datastore `datastore-24` (`datastore3`); the network
  `dvportgroup-34`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar
from uuid import NAMESPACE_OID, uuid5

__all__ = [
    "Cluster",
    "Datacenter",
    "Datastore",
    "Folder",
    "Host",
    "Network",
    "Places",
    "ResourcePool",
    "Shares",
]

_GIB = 1 << 30
_SWITCH = "50 2e 1d 4c 6b 8a 9f 70-12 3d 5e 6f 80 91 a2 b3"
_OTHER_SWITCH = "50 2e 77 10 4b 0f c2 18-5d 90 21 e3 6a 7c 88 0d"
_SEGMENT = "9f2d7f0e-6a86-4d8f-b5a3-0f7a2a5f6f31"
_GOLD = "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11"

# The letters in the identifiers of the root folders of a datacenter, their names, and the types of their contents.
_ROOTS = (
    ("v", "vm", "VIRTUAL_MACHINE"),
    ("h", "host", "HOST"),
    ("s", "datastore", "DATASTORE"),
    ("n", "network", "NETWORK"),
)


@dataclass(slots=True)
class Folder:
    """A folder; `type` is the type of its contents, as in vCenter's Folder.Type. The root of all has no parent."""

    folder: str
    name: str
    type: str
    parent: str | None
    datacenter: str | None = None
    """None above the datacenters."""


@dataclass(slots=True)
class Datacenter:
    """A datacenter with the root folders that vCenter creates in it."""

    datacenter: str
    name: str
    parent: str
    """The folder that contains it."""
    vm_folder: str
    host_folder: str
    datastore_folder: str
    network_folder: str


@dataclass(slots=True)
class Cluster:
    """A cluster of hosts; machines run in its resource pool, or in one below."""

    cluster: str
    name: str
    datacenter: str
    folder: str
    resource_pool: str
    ha_enabled: bool = True
    drs_enabled: bool = True


@dataclass(slots=True)
class Host:
    """A host, in a cluster or standalone."""

    host: str
    name: str
    datacenter: str
    folder: str
    cluster: str | None
    resource_pool: str
    """The default pool of its machines: that of its cluster, or its own."""
    connection_state: str = "CONNECTED"
    power_state: str = "POWERED_ON"
    in_maintenance: bool = False

    @property
    def uuid(self) -> str:
        """The UUID of its hardware."""
        return str(uuid5(NAMESPACE_OID, self.host))


@dataclass(slots=True)
class Shares:
    """The CPU (MHz) or memory (MiB) allocated to a resource pool."""

    reservation: int = 0
    expandable: bool = True
    limit: int = -1
    level: str = "NORMAL"
    shares: int | None = None
    """Only used if the level is CUSTOM."""


@dataclass(slots=True)
class ResourcePool:
    """A resource pool. One without a parent belongs to a cluster or a host and cannot be deleted."""

    resource_pool: str
    name: str
    parent: str | None
    datacenter: str
    cluster: str | None
    host: str | None
    """The standalone host that the pool belongs to; None for the pools of a cluster."""
    cpu: Shares = field(default_factory=Shares)
    memory: Shares = field(default_factory=Shares)


@dataclass(slots=True)
class Datastore:
    """A datastore; disk files use its space with their whole capacity."""

    datastore: str
    name: str
    type: str
    datacenter: str
    folder: str
    capacity: int
    """In bytes."""
    hosts: tuple[str, ...]
    """The hosts that can reach it."""
    used: int = 0
    accessible: bool = True
    thin_provisioning: bool = True
    default_policy: str | None = None

    @property
    def free(self) -> int:
        """The number of free bytes."""
        return max(0, self.capacity - self.used)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that nics can be attached to; `type` is its nic backing type."""

    network: str
    name: str
    type: str
    switch_uuid: str | None = None
    datacenter: str = "datacenter-3"
    folder: str = "group-n7"

    @property
    def object_type(self) -> str:
        """The type of its managed object."""
        return {"DISTRIBUTED_PORTGROUP": "DistributedVirtualPortgroup", "OPAQUE_NETWORK": "OpaqueNetwork"}.get(
            self.type, "Network"
        )


class Places:
    """All places by identifier. Names of datastores are unique, so that the path of a file identifies its datastore."""

    def __init__(self) -> None:
        self._numbers = count(2001)
        self.folders = _by_id(
            "folder",
            Folder("group-d1", "Datacenters", "DATACENTER", None),
            *_roots("datacenter-3", 4),
            Folder("group-v31", "Production", "VIRTUAL_MACHINE", "group-v4", "datacenter-3"),
            *_roots("datacenter-21", 22),
        )
        self.datacenters = _by_id(
            "datacenter", _datacenter("datacenter-3", "DC0", 4), _datacenter("datacenter-21", "DC1", 22)
        )
        self.clusters = _by_id(
            "cluster",
            Cluster("domain-c8", "Cluster0", "datacenter-3", "group-h5", "resgroup-9"),
            Cluster("domain-c26", "Cluster1", "datacenter-21", "group-h23", "resgroup-27"),
        )
        self.hosts = _by_id(
            "host",
            Host("host-10", "esx-10.vsphere.local", "datacenter-3", "group-h5", "domain-c8", "resgroup-9"),
            Host("host-13", "esx-13.vsphere.local", "datacenter-3", "group-h5", "domain-c8", "resgroup-9"),
            Host("host-28", "esx-28.vsphere.local", "datacenter-21", "group-h23", "domain-c26", "resgroup-27"),
            Host("host-29", "esx-29.vsphere.local", "datacenter-21", "group-h23", None, "resgroup-30"),
        )
        self.resource_pools = _by_id(
            "resource_pool",
            ResourcePool("resgroup-9", "Resources", None, "datacenter-3", "domain-c8", None),
            ResourcePool("resgroup-33", "Development", "resgroup-9", "datacenter-3", "domain-c8", None),
            ResourcePool("resgroup-27", "Resources", None, "datacenter-21", "domain-c26", None),
            ResourcePool("resgroup-30", "Resources", None, "datacenter-21", None, "host-29"),
        )
        first, second = ("host-10", "host-13"), ("host-28", "host-29")
        self.datastores = _by_id(
            "datastore",
            Datastore("datastore-11", "datastore1", "VMFS", "datacenter-3", "group-s6", 8192 * _GIB, first),
            Datastore(
                "datastore-12",
                "datastore2",
                "VMFS",
                "datacenter-3",
                "group-s6",
                4096 * _GIB,
                first,
                default_policy=_GOLD,
            ),
            Datastore("datastore-15", "nfs-isos", "NFS", "datacenter-3", "group-s6", 1024 * _GIB, first),
            Datastore("datastore-24", "datastore3", "VMFS", "datacenter-21", "group-s24", 4096 * _GIB, second),
        )
        self.networks = _by_id(
            "network",
            Network("network-12", "VM Network", "STANDARD_PORTGROUP"),
            Network("network-14", "Backup Network", "STANDARD_PORTGROUP"),
            Network("dvportgroup-17", "Production", "DISTRIBUTED_PORTGROUP", _SWITCH),
            Network("network-o23", "segment-a", "OPAQUE_NETWORK", _SEGMENT),
            Network("dvportgroup-34", "Workload", "DISTRIBUTED_PORTGROUP", _OTHER_SWITCH, "datacenter-21", "group-n25"),
        )
        self.host_licenses = 10_000
        """How many hosts the licenses allow."""
        self.hosts_of_others = {"esx-40.vsphere.local"}
        """Names of hosts outside the inventory that another vCenter manages."""
        self.host_password = "VMware1!"  # noqa: S105 - of every host outside the inventory
        """The password of the account `root` on these hosts."""
        self.unsupported_hosts = {"esx-41.vsphere.local"}
        """Names of hosts outside the inventory with too old a version."""

    def new_id(self, prefix: str) -> str:
        """A free identifier, for example `group-v2001` for the prefix `group-v`."""
        return f"{prefix}{next(self._numbers)}"

    def new_datacenter(self, name: str, folder: str) -> Datacenter:
        """A datacenter in a folder, empty except for its root folders."""
        number = int(self.new_id(""))
        for _ in range(len(_ROOTS) - 1):
            self.new_id("")  # The roots have consecutive numbers.
        identifier = self.new_id("datacenter-")
        self.folders.update(_by_id("folder", *_roots(identifier, number)))
        self.datacenters[identifier] = _datacenter(identifier, name, number, folder)
        return self.datacenters[identifier]

    def below(self, folder: str) -> set[str]:
        """The folder, and all folders within it at any depth."""
        found = {folder}
        waiting = [folder]
        while waiting:
            parent = waiting.pop()
            inside = [item.folder for item in self.folders.values() if item.parent == parent]
            found.update(inside)
            waiting += inside
        return found

    def datastore_of(self, path: str) -> Datastore | None:
        """The datastore in a path such as `[datastore1] web/web.vmdk`; None if it does not exist."""
        name = path.partition("]")[0].removeprefix("[")
        return next((datastore for datastore in self.datastores.values() if datastore.name == name), None)


Place = TypeVar("Place")


def _by_id(key: str, *places: Place) -> dict[str, Place]:
    return {getattr(place, key): place for place in places}


def _roots(datacenter: str, number: int) -> Iterable[Folder]:
    """The four folders that vCenter creates in each datacenter, with consecutive numbers."""
    return [
        Folder(f"group-{letter}{number + offset}", name, kind, datacenter, datacenter)
        for offset, (letter, name, kind) in enumerate(_ROOTS)
    ]


def _datacenter(datacenter: str, name: str, number: int, folder: str = "group-d1") -> Datacenter:
    return Datacenter(
        datacenter,
        name,
        folder,
        vm_folder=f"group-v{number}",
        host_folder=f"group-h{number + 1}",
        datastore_folder=f"group-s{number + 2}",
        network_folder=f"group-n{number + 3}",
    )
