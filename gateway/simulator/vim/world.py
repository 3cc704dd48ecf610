"""The inventory as the VIM API sees it: objects by reference, their hierarchy, and what only this API has."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from gateway.simulator.errors import INSTANCE_UUID
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Cluster, Datacenter, Datastore, Folder, Host, Network, ResourcePool
from gateway.simulator.sessions import Session, Sessions
from gateway.simulator.vim.custom_fields import CustomFields
from gateway.simulator.vim.event_log import EventLog
from gateway.simulator.vim.values import Data, Ref

__all__ = ["SINGLETONS", "World"]

_STANDALONE = "domain-s"
_RECENT = 200
_BUILDS = {"7.0.3.0": "21290409", "8.0.2.0": "22617221", "9.1.1.0": "24989001"}

SINGLETONS = {
    "ServiceInstance": "ServiceInstance",
    "SessionManager": "SessionManager",
    "ViewManager": "ViewManager",
    "SearchIndex": "SearchIndex",
    "TaskManager": "TaskManager",
    "EventManager": "EventManager",
    "PerfMgr": "PerformanceManager",
    "CustomFieldsManager": "CustomFieldsManager",
    "FileManager": "FileManager",
    "VpxSettings": "OptionManager",
}
"""The singleton objects, by identifier, with their types."""


class World:
    """The inventory and the sessions, with the lookups that properties need."""

    def __init__(
        self,
        inventory: Inventory,
        sessions: Sessions,
        clock: Callable[[], datetime],
        task_duration: timedelta = timedelta(0),
    ) -> None:
        self.inventory = inventory
        self.sessions = sessions
        self.clock = clock
        self.started = inventory.changes.now
        self.session: Session | None = None
        """The session that reads; set before each read."""
        self.closed = False
        """Whether the simulator is stopping: waiting requests then get no response, as from a server that goes down."""
        self.custom_fields = CustomFields()
        self.numbers = count(1)
        """The identifiers of objects that sessions create."""
        self.task_numbers = count(1)
        self.task_duration = task_duration
        self.events = EventLog(inventory.changes, inventory.places, self.started)
        sessions.begin_listeners.append(self._logged_in)
        sessions.end_listeners.append(self._logged_out)
        self.screenshots: dict[str, bytes] = {}
        """Screenshots on datastores, by the path of the file."""
        self.snapshot_numbers = count(1)
        self.snapshot_owners: dict[str, VirtualMachine] = {}
        """The machines of snapshots, by the identifier of the snapshot."""
        self._children: tuple[int, dict[str, list[Ref]]] = (-1, {})

    def close(self) -> None:
        """Ends all waits."""
        self.closed = True
        self.inventory.changes.wake()

    def _logged_in(self, session: Session) -> None:
        agent = session.user_agent
        self.events.add("UserLoginSessionEvent", session.user.name, session=session.key, user_agent=agent)

    def _logged_out(self, session: Session) -> None:
        self.events.add("UserLogoutSessionEvent", session.user.name, session=session.key)
        for identifier in session.objects:
            self.events.followers.pop(identifier, None)
        self.inventory.changes.wake()

    @property
    def now(self) -> datetime:
        """The time of the request."""
        return self.inventory.changes.now

    def find(self, ref: Ref) -> Any:
        """The object of a reference; None if it does not exist.

        Singletons are represented by this object itself. Objects of other sessions do not exist for the current one.
        """
        places = self.inventory.places
        match ref.type:
            case "VirtualMachine":
                return self.inventory.machines.get(ref.id)
            case "Folder":
                return places.folders.get(ref.id)
            case "Datacenter":
                return places.datacenters.get(ref.id)
            case "ClusterComputeResource":
                return places.clusters.get(ref.id)
            case "ComputeResource":
                host = places.hosts.get(ref.id.replace(_STANDALONE, "host-", 1))
                return host if host is not None and self.standalone(host) == ref else None
            case "HostSystem":
                return places.hosts.get(ref.id)
            case "ResourcePool":
                return places.resource_pools.get(ref.id)
            case "Datastore":
                return places.datastores.get(ref.id)
            case "Network" | "DistributedVirtualPortgroup" | "OpaqueNetwork":
                network = places.networks.get(ref.id)
                return network if network is not None and network.object_type == ref.type else None
            case "Task":
                return self.inventory.tasks.tasks.get(ref.id)
            case "VirtualMachineSnapshot":
                owner = self.snapshot_owners.get(ref.id)
                present = owner is not None and self.inventory.machines.get(owner.vm) is owner
                return owner.snapshots.by_id.get(ref.id) if owner is not None and present else None
        if SINGLETONS.get(ref.id) == ref.type:
            return self
        found = self.session.objects.get(ref.id) if self.session is not None else None
        return found if found is not None and found.type == ref.type else None

    def parent(self, place: Any) -> Ref | None:
        """The direct parent of an object; None for the root folder."""
        match place:
            case VirtualMachine():
                return Ref("Folder", place.placement.folder)
            case Folder():
                if place.parent is None:
                    return None
                is_root = place.parent in self.inventory.places.datacenters
                return Ref("Datacenter" if is_root else "Folder", place.parent)
            case Datacenter():
                return Ref("Folder", place.parent)
            case Cluster() | Datastore() | Network():
                return Ref("Folder", place.folder)
            case Host():
                return self.compute_resource(place)
            case ResourcePool():
                return self.owner(place) if place.parent is None else Ref("ResourcePool", place.parent)
        return None

    def parent_of(self, ref: Ref) -> Ref | None:
        """The direct parent of the object of a reference."""
        if ref.type == "ComputeResource":
            return Ref("Folder", self.find(ref).folder)
        return self.parent(self.find(ref))

    def standalone(self, host: Host) -> Ref | None:
        """The compute resource of a host outside clusters."""
        if host.cluster is not None:
            return None
        return Ref("ComputeResource", host.host.replace("host-", _STANDALONE, 1))

    def compute_resource(self, host: Host) -> Ref:
        """The compute resource of a host: its cluster, or its own."""
        return self.standalone(host) or Ref("ClusterComputeResource", str(host.cluster))

    def owner(self, pool: ResourcePool) -> Ref:
        """The compute resource of a pool."""
        if pool.cluster is not None:
            return Ref("ClusterComputeResource", pool.cluster)
        return self.compute_resource(self.inventory.places.hosts[str(pool.host)])

    def children(self, folder: str) -> list[Ref]:
        """The direct children of a folder."""
        revision, index = self._children
        if revision != self.inventory.changes.revision:
            index = {}
            for ref, place in self._entities():
                parent = Ref("Folder", place.folder) if ref.type == "ComputeResource" else self.parent(place)
                if parent is not None and parent.type == "Folder":
                    index.setdefault(parent.id, []).append(ref)
            self._children = (self.inventory.changes.revision, index)
        return index.get(folder, [])

    def _entities(self) -> Iterable[tuple[Ref, Any]]:
        """All objects that can be in a folder."""
        for kind in ("Folder", "Datacenter", "ComputeResource", "ClusterComputeResource", "Datastore", "Network"):
            for ref in self.all_of(kind):
                yield ref, self.find(ref)
        for vm, machine in self.inventory.machines.items():
            yield Ref("VirtualMachine", vm), machine

    def all_of(self, kind: str) -> list[Ref]:
        """All objects of exactly that type; for Network, all networks."""
        places = self.inventory.places
        match kind:
            case "VirtualMachine":
                return [Ref(kind, vm) for vm in self.inventory.machines]
            case "ComputeResource":
                return [ref for host in places.hosts.values() if (ref := self.standalone(host)) is not None]
            case "Network":
                return [Ref(network.object_type, key) for key, network in places.networks.items()]
        found: dict[str, Any] = {
            "Folder": places.folders,
            "Datacenter": places.datacenters,
            "ClusterComputeResource": places.clusters,
            "HostSystem": places.hosts,
            "ResourcePool": places.resource_pools,
            "Datastore": places.datastores,
        }
        return [Ref(kind, key) for key in found.get(kind, ())]

    def datastore_of(self, path: str) -> Ref | None:
        """The datastore of a path such as `[datastore1] web/web.vmdk`."""
        found = self.inventory.places.datastore_of(path)
        return None if found is None else Ref("Datastore", found.datastore)

    def network_name(self, network: str | None) -> str | None:
        """The name of a network."""
        found = self.inventory.networks.get(network or "")
        return None if found is None else found.name

    def hosts_of(self, cluster: str) -> list[str]:
        """The hosts of a cluster."""
        return [host.host for host in self.inventory.places.hosts.values() if host.cluster == cluster]

    def hosts_in(self, datacenter: str) -> list[Ref]:
        """The hosts of a datacenter."""
        hosts = self.inventory.places.hosts.values()
        return [Ref("HostSystem", host.host) for host in hosts if host.datacenter == datacenter]

    def datastores_in(self, datacenter: str) -> list[Ref]:
        """The datastores of a datacenter."""
        stores = self.inventory.places.datastores.values()
        return [Ref("Datastore", store.datastore) for store in stores if store.datacenter == datacenter]

    def datastores_at(self, hosts: Iterable[str]) -> list[Ref]:
        """The datastores that at least one of the hosts can reach."""
        wanted = set(hosts)
        stores = self.inventory.places.datastores.values()
        return [Ref("Datastore", store.datastore) for store in stores if wanted & set(store.hosts)]

    def networks_in(self, datacenter: str) -> list[Ref]:
        """The networks of a datacenter."""
        networks = self.inventory.places.networks.values()
        return [Ref(item.object_type, item.network) for item in networks if item.datacenter == datacenter]

    def machines_where(self, name: str, value: str) -> list[Ref]:
        """The machines with that `host` or `resource_pool`."""
        machines = self.inventory.machines.values()
        return [Ref("VirtualMachine", item.vm) for item in machines if getattr(item.placement, name) == value]

    def machines_on(self, datastore: str) -> list[Ref]:
        """The machines whose own files are on the datastore with that name."""
        machines = self.inventory.machines.values()
        return [Ref("VirtualMachine", item.vm) for item in machines if item.datastore == datastore]

    def machines_at(self, network: str) -> list[Ref]:
        """The machines with a nic on a network."""
        return [
            Ref("VirtualMachine", machine.vm)
            for machine in self.inventory.machines.values()
            if any(nic.backing.get("network") == network for nic in machine.nics.values())
        ]

    def recent_tasks(self, vm: str | None = None) -> list[Ref]:
        """The recently started tasks of a machine, or of all machines."""
        tasks = self.inventory.tasks.tasks.values()
        found = [task for task in tasks if vm is None or task.target == ("VirtualMachine", vm)]
        return [Ref("Task", task.task) for task in found[-_RECENT:]]

    def about(self, name: str = "VMware vCenter Server", api: str = "VirtualCenter", line: str = "vpx") -> Data:
        """Information about the server, in its release."""
        version = self.inventory.release.version
        build = _BUILDS.get(version, "0")
        short = ".".join(version.split(".")[:3])
        return Data(
            "AboutInfo",
            name=name,
            fullName=f"{name} {short} build-{build}",
            vendor="VMware, Inc.",
            version=short,
            build=build,
            localeVersion="INTL",
            localeBuild="000",
            osType="linux-x64" if line == "vpx" else "vmnix-x86",
            productLineId=line if line == "vpx" else "embeddedEsx",
            apiType=api,
            apiVersion=version,
            instanceUuid=INSTANCE_UUID if line == "vpx" else None,
            licenseProductName="VMware VirtualCenter Server" if line == "vpx" else "VMware ESX Server",
            licenseProductVersion=version.split(".")[0] + ".0",
        )
