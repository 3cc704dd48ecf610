"""The properties of the places of machines: folders, datacenters, clusters, hosts, resource pools, datastores,
networks.

A host without a cluster has its own ComputeResource, which the REST API does not show: `domain-s29` for `host-29`.
"""

from typing import Any

from gateway.simulator.places import Host, ResourcePool, Shares
from gateway.simulator.vim.machine_properties import POWER_STATES
from gateway.simulator.vim.structures import Member, Structure, constant, names, reference, references, string
from gateway.simulator.vim.values import Data, Long, Ref, escape_name

__all__ = [
    "CLUSTER",
    "COMPUTE_RESOURCE",
    "DATACENTER",
    "DATASTORE",
    "FOLDER",
    "HOST",
    "NETWORK",
    "PORT_GROUP",
    "RESOURCE_POOL",
]

_MHZ = 2400
_CORES = 64
_MIB = 1 << 20
_CHILD_TYPES = {
    "DATACENTER": ("Folder", "Datacenter"),
    "VIRTUAL_MACHINE": ("Folder", "VirtualMachine", "VirtualApp"),
    "HOST": ("Folder", "ComputeResource"),
    "DATASTORE": ("Folder", "Datastore", "StoragePod"),
    "NETWORK": ("Folder", "Network", "DistributedVirtualSwitch"),
}


_GREEN = constant("ManagedEntityStatus", "green")
_NAME = string(lambda place: escape_name(place.name))
_UNSET = names(
    "value availableField customValue configIssue effectiveRole permission disabledMethod recentTask "
    "declaredAlarmState triggeredAlarmState alarmActionsEnabled tag"
)


def _entity(type: str, unset: str = "", **members: Member | Structure) -> Structure:  # noqa: A002
    """A type of inventory objects: the properties that all have, and more."""
    common: dict[str, Member | Structure] = {
        "parent": reference(lambda place, world: world.parent(place)),
        "name": _NAME,
        "overallStatus": _GREEN,
        "configStatus": _GREEN,
    }
    return Structure(type, {**common, **members}, _UNSET | frozenset(unset.split()))


FOLDER = _entity(
    "Folder",
    "namespace externallyManagedFolderInfo",
    childType=Member("ArrayOfString", lambda folder, world: list(_CHILD_TYPES[folder.type])),
    childEntity=references(lambda folder, world: world.children(folder.folder)),
)

DATACENTER = _entity(
    "Datacenter",
    "configuration",
    vmFolder=reference(lambda place, world: Ref("Folder", place.vm_folder)),
    hostFolder=reference(lambda place, world: Ref("Folder", place.host_folder)),
    datastoreFolder=reference(lambda place, world: Ref("Folder", place.datastore_folder)),
    networkFolder=reference(lambda place, world: Ref("Folder", place.network_folder)),
    datastore=references(lambda place, world: world.datastores_in(place.datacenter)),
    network=references(lambda place, world: world.networks_in(place.datacenter)),
)


def _memory(host: Host, world: Any) -> Long:
    return Long(world.inventory.host_memory_mib.get(host.host, 0) * _MIB)


def _capacity(hosts: Any, kind: str, unset: frozenset[str]) -> Structure:
    """The sums over the hosts of a compute resource."""

    def of(get: Any) -> Any:
        return lambda place, world: get([world.inventory.places.hosts[host] for host in hosts(place, world)], world)

    def cores(found: list[Host], world: Any) -> int:
        return _CORES * len(found)

    def memory(found: list[Host], world: Any) -> Long:
        return Long(sum(_memory(host, world) for host in found))

    return Structure(
        kind,
        {
            "totalCpu": Member("xsd:int", of(lambda found, world: _MHZ * cores(found, world))),
            "totalMemory": Member("xsd:long", of(memory)),
            "numCpuCores": Member("xsd:short", of(cores)),
            "numCpuThreads": Member("xsd:short", of(lambda found, world: 2 * cores(found, world))),
            "effectiveCpu": Member("xsd:int", of(lambda found, world: _MHZ * cores(found, world))),
            "effectiveMemory": Member("xsd:long", of(lambda found, world: Long(memory(found, world) // _MIB))),
            "numHosts": Member("xsd:int", of(lambda found, world: len(found))),
            "numEffectiveHosts": Member("xsd:int", of(lambda found, world: len(found))),
            "overallStatus": _GREEN,
        },
        unset,
    )


def _compute(type: str, hosts: Any, unset: str = "", more: str = "") -> Structure:  # noqa: A002
    def host_refs(place: Any, world: Any) -> list[Ref]:
        return [Ref("HostSystem", host) for host in hosts(place, world)]

    return _entity(
        type,
        "environmentBrowser configurationEx lifecycleManaged configManagerEnabled networkBootMode " + unset,
        resourcePool=reference(lambda place, world: Ref("ResourcePool", place.resource_pool)),
        host=references(host_refs),
        datastore=references(lambda place, world: world.datastores_at(hosts(place, world))),
        network=references(lambda place, world: world.networks_in(place.datacenter)),
        summary=_capacity(hosts, f"{type}Summary", names(more)),
    )


COMPUTE_RESOURCE = _compute("ComputeResource", lambda place, world: [place.host])
CLUSTER = _compute(
    "ClusterComputeResource",
    lambda place, world: world.hosts_of(place.cluster),
    "configuration recommendation drsRecommendation summaryEx hciConfig migrationHistory actionHistory drsFault",
    "currentFailoverLevel admissionControlInfo numVmotions targetBalance currentBalance drsScore "
    "numVmsPerDrsScoreBucket usageSummary currentEVCModeKey currentEVCGraphicsModeKey dasData "
    "clusterMaintenanceModeStatus vcsHealthStatus vcsSlots",
)

_HOST_RUNTIME = Structure(
    "HostRuntimeInfo",
    {
        "connectionState": Member(
            "HostSystemConnectionState",
            lambda host, world: "connected" if host.connection_state == "CONNECTED" else "disconnected",
        ),
        "powerState": Member("HostSystemPowerState", lambda host, world: POWER_STATES.get(host.power_state, "unknown")),
        "inMaintenanceMode": Member("xsd:boolean", lambda host, world: host.in_maintenance),
        "bootTime": Member("xsd:dateTime", lambda host, world: world.started),
    },
    names(
        "standbyMode inQuarantineMode healthSystemRuntime dasHostState tpmPcrValues vsanRuntimeInfo "
        "networkRuntimeInfo vFlashResourceRuntimeInfo hostMaxVirtualDiskCapacity cryptoState cryptoKeyId "
        "statelessNvdsMigrationReady partialMaintenanceMode stateEncryption podVMInfo"
    ),
)

HOST = _entity(
    "HostSystem",
    "hardware capability licensableResource remediationState precheckRemediationResult remediationResult "
    "complianceCheckState complianceCheckResult configManager config datastoreBrowser systemResources "
    "answerFileValidationState answerFileValidationResult",
    runtime=_HOST_RUNTIME,
    summary=Structure(
        "HostListSummary",
        {
            "host": reference(lambda host, world: Ref("HostSystem", host.host)),
            "hardware": Structure(
                "HostHardwareSummary",
                {
                    "vendor": constant("xsd:string", "VMware, Inc."),
                    "model": constant("xsd:string", "VMware Virtual Platform"),
                    "uuid": string(lambda host: host.uuid),
                    "memorySize": Member("xsd:long", _memory),
                    "cpuModel": constant("xsd:string", "Simulated CPU @ 2.40GHz"),
                    "cpuMhz": constant("xsd:int", _MHZ),
                    "numCpuPkgs": constant("xsd:short", 2),
                    "numCpuCores": constant("xsd:short", _CORES),
                    "numCpuThreads": constant("xsd:short", 2 * _CORES),
                    "numNics": constant("xsd:int", 4),
                    "numHBAs": constant("xsd:int", 2),
                },
                names("family otherIdentifyingInfo"),
            ),
            "runtime": _HOST_RUNTIME,
            "config": Structure(
                "HostConfigSummary",
                {
                    "name": _NAME,
                    "port": constant("xsd:int", 443),
                    "product": Member("AboutInfo", lambda host, world: world.about("VMware ESXi", "HostAgent", "esx")),
                    "vmotionEnabled": constant("xsd:boolean", True),
                    "faultToleranceEnabled": constant("xsd:boolean", False),
                },
                names("sslThumbprint sslCertificate featureVersion agentVmDatastore agentVmNetwork"),
            ),
            "quickStats": Structure(
                "HostListSummaryQuickStats",
                {
                    "overallCpuUsage": constant("xsd:int", 2400),
                    "overallMemoryUsage": Member(
                        "xsd:int", lambda host, world: world.inventory.usage.memory_mib(host.host)
                    ),
                    "uptime": Member("xsd:int", lambda host, world: int((world.now - world.started).total_seconds())),
                },
                names("distributedCpuFairness distributedMemoryFairness availablePMemCapacity"),
            ),
            "overallStatus": _GREEN,
            "rebootRequired": constant("xsd:boolean", False),
        },
        names(
            "rebootRequiredReason maintenanceModeRequired customValue managementServerIp maxEVCModeKey "
            "currentEVCModeKey currentEVCGraphicsModeKey gateway tpmAttestation trustAuthorityAttestationInfos"
        ),
    ),
    vm=references(lambda host, world: world.machines_where("host", host.host)),
    datastore=references(lambda host, world: world.datastores_at([host.host])),
    network=references(lambda host, world: world.networks_in(host.datacenter)),
)


def _allocation(shares: Shares) -> Data:
    return Data(
        "ResourceAllocationInfo",
        reservation=Long(shares.reservation),
        expandableReservation=shares.expandable,
        limit=Long(shares.limit),
        shares=Data("SharesInfo", shares=shares.shares or 4000, level=shares.level.lower()),
    )


def _pool_config(pool: ResourcePool, world: Any) -> Data:
    return Data(
        "ResourceConfigSpec",
        entity=Ref("ResourcePool", pool.resource_pool),
        cpuAllocation=_allocation(pool.cpu),
        memoryAllocation=_allocation(pool.memory),
    )


RESOURCE_POOL = _entity(
    "ResourcePool",
    "summary runtime namespace childConfiguration",
    owner=reference(lambda pool, world: world.owner(pool)),
    resourcePool=references(
        lambda pool, world: [
            Ref("ResourcePool", item.resource_pool)
            for item in world.inventory.places.resource_pools.values()
            if item.parent == pool.resource_pool
        ]
    ),
    vm=references(lambda pool, world: world.machines_where("resource_pool", pool.resource_pool)),
    config=Member("ResourceConfigSpec", _pool_config),
)

DATASTORE = _entity(
    "Datastore",
    "host browser capability iormConfiguration info",
    summary=Structure(
        "DatastoreSummary",
        {
            "datastore": reference(lambda store, world: Ref("Datastore", store.datastore)),
            "name": _NAME,
            "url": string(lambda store: f"ds:///vmfs/volumes/{store.datastore}/"),
            "capacity": Member("xsd:long", lambda store, world: Long(store.capacity)),
            "freeSpace": Member("xsd:long", lambda store, world: Long(store.free)),
            "accessible": Member("xsd:boolean", lambda store, world: store.accessible),
            "multipleHostAccess": Member("xsd:boolean", lambda store, world: len(store.hosts) > 1),
            "type": string(lambda store: store.type),
            "maintenanceMode": constant("xsd:string", "normal"),
        },
        names("uncommitted"),
    ),
    vm=references(lambda store, world: world.machines_on(store.name)),
)

_NETWORK_MEMBERS: dict[str, Member | Structure] = {
    "summary": Structure(
        "NetworkSummary",
        {
            "network": reference(lambda network, world: Ref(network.object_type, network.network)),
            "name": _NAME,
            "accessible": constant("xsd:boolean", True),
            "ipPoolName": constant("xsd:string", ""),
        },
        names("ipPoolId"),
    ),
    "host": references(lambda network, world: world.hosts_in(network.datacenter)),
    "vm": references(lambda network, world: world.machines_at(network.network)),
}
NETWORK = _entity("Network", "", **_NETWORK_MEMBERS)
PORT_GROUP = _entity(
    "DistributedVirtualPortgroup",
    "portKeys",
    **_NETWORK_MEMBERS,
    key=string(lambda network: network.network),
    config=Structure(
        "DVPortgroupConfigInfo",
        {
            "key": string(lambda network: network.network),
            "name": _NAME,
            "numPorts": constant("xsd:int", 128),
            "type": constant("xsd:string", "earlyBinding"),
        },
        names(
            "distributedVirtualSwitch defaultPortConfig description backingType policy portNameFormat scope "
            "vendorSpecificConfig configVersion autoExpand vmVnicNetworkResourcePoolKey uplink transportZoneUuid "
            "transportZoneName logicalSwitchUuid segmentId subnetId nsxConfig"
        ),
    ),
)
