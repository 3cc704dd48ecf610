"""Where machines live: datacenters, folders, clusters, hosts, resource pools, datastores and networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.simulator import Simulator
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_V1 = "vcenter.v1"
LIST_CLUSTERS, GET_CLUSTER = f"{_V1}.ClusterService/ListClusters", f"{_V1}.ClusterService/GetCluster"
_DATACENTER = f"{_V1}.DatacenterService"
LIST_DATACENTERS, GET_DATACENTER = f"{_DATACENTER}/ListDatacenters", f"{_DATACENTER}/GetDatacenter"
CREATE_DATACENTER, DELETE_DATACENTER = f"{_DATACENTER}/CreateDatacenter", f"{_DATACENTER}/DeleteDatacenter"
LIST_DATASTORES, GET_DATASTORE = f"{_V1}.DatastoreService/ListDatastores", f"{_V1}.DatastoreService/GetDatastore"
DEFAULT_POLICY = "vcenter.datastore.v1.DefaultPolicyService/GetDefaultPolicy"
LIST_FOLDERS = f"{_V1}.FolderService/ListFolders"
_HOST = f"{_V1}.HostService"
LIST_HOSTS, CREATE_HOST, DELETE_HOST = f"{_HOST}/ListHosts", f"{_HOST}/CreateHost", f"{_HOST}/DeleteHost"
CONNECT, DISCONNECT = f"{_HOST}/ConnectHost", f"{_HOST}/DisconnectHost"
LIST_NETWORKS = f"{_V1}.NetworkService/ListNetworks"
_POOL = f"{_V1}.ResourcePoolService"
LIST_POOLS, GET_POOL, CREATE_POOL = (
    f"{_POOL}/ListResourcePools",
    f"{_POOL}/GetResourcePool",
    f"{_POOL}/CreateResourcePool",
)
UPDATE_POOL, DELETE_POOL = f"{_POOL}/UpdateResourcePool", f"{_POOL}/DeleteResourcePool"
FIND_DATASTORES = "vcenter.inventory.v1.DatastoreService/FindDatastores"
FIND_NETWORKS = "vcenter.inventory.v1.NetworkService/FindNetworks"

GOLD = "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11"
API = "com.vmware.api.vcenter"
UNKNOWN_VALUE = "vapi.bindings.typeconverter.enum.unknown.value"


def ids(field: str, *expected: str) -> Any:
    """The list consists of exactly these objects, in this order; the first field of each is its identifier."""

    def check(response: Json, simulator: Simulator) -> None:
        assert [next(iter(item.values())) for item in response.get(field, [])] == list(expected)

    return check


def by_filter(rpc: str, field: str, filters: Mapping[str, tuple[Any, tuple[str, ...]]]) -> list[Success]:
    """A list narrowed down by each of its filters."""
    return [
        Success(id=f"by {name}", rpc=rpc, request={name: values}, check=ids(field, *expected))
        for name, (values, expected) in filters.items()
    ]


def many(kind: str, model: str, number: int) -> Setup:
    """So many objects of a kind."""

    def setup(simulator: Simulator) -> None:
        places = getattr(simulator.inventory.places, kind)
        copied = places[model]
        for position in range(number):
            places[f"more-{position}"] = replace(copied, **{kind.removesuffix("s"): f"more-{position}"})

    return setup


def place(kind: str, identifier: str, **values: Any) -> Setup:
    """An object of the inventory with other values."""

    def setup(simulator: Simulator) -> None:
        for name, value in values.items():
            setattr(getattr(simulator.inventory.places, kind)[identifier], name, value)

    return setup


def too_many(rpc: str, kind: str, model: str, most: int = 1000) -> ErrorCase:
    """A list that would be longer than vCenter's longest."""
    return ErrorCase(
        rpc=rpc,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request={},
        messages=(f"{API}.{kind.removesuffix('s')}.too_many_matches",),
        setup=many(kind, model, most),
    )


# --- Lists ------------------------------------------------------------------------------------------------------------

CLUSTER_0 = {"cluster": "domain-c8", "name": "Cluster0", "ha_enabled": True, "drs_enabled": True}

LIST_SUCCESSES = (
    Success(id="what is shown", rpc=LIST_CLUSTERS, request={"names": ["Cluster0"]}, response={"clusters": [CLUSTER_0]}),
    Success(id="all", rpc=LIST_CLUSTERS, request={}, check=ids("clusters", "domain-c8", "domain-c26")),
    *by_filter(
        LIST_CLUSTERS,
        "clusters",
        {
            "clusters": (["domain-c26", "domain-c1"], ("domain-c26",)),
            "names": (["Cluster1", "cluster0"], ("domain-c26",)),
            "folders": (["group-h5"], ("domain-c8",)),
            "datacenters": (["datacenter-21", "datacenter-3"], ("domain-c8", "domain-c26")),
        },
    ),
    Success(
        id="all filters at once",
        rpc=LIST_CLUSTERS,
        request={"clusters": ["domain-c8"], "names": ["Cluster0"], "datacenters": ["datacenter-21"]},
        response={},
    ),
    Success(
        id="the name and the root pool",
        rpc=GET_CLUSTER,
        request={"cluster": "domain-c8"},
        response={"cluster": {"name": "Cluster0", "resource_pool": "resgroup-9"}},
    ),
    Success(
        id="all",
        rpc=LIST_DATACENTERS,
        request={},
        response={
            "datacenters": [
                {"datacenter": "datacenter-3", "name": "DC0"},
                {"datacenter": "datacenter-21", "name": "DC1"},
            ]
        },
    ),
    *by_filter(
        LIST_DATACENTERS,
        "datacenters",
        {
            "datacenters": (["datacenter-21"], ("datacenter-21",)),
            "names": (["DC0"], ("datacenter-3",)),
            "folders": (["group-d1", "group-v4"], ("datacenter-3", "datacenter-21")),
        },
    ),
    Success(
        id="the root folders",
        rpc=GET_DATACENTER,
        request={"datacenter": "datacenter-3"},
        response={
            "datacenter": {
                "name": "DC0",
                "datastore_folder": "group-s6",
                "host_folder": "group-h5",
                "network_folder": "group-n7",
                "vm_folder": "group-v4",
            }
        },
    ),
    Success(
        id="all",
        rpc=LIST_FOLDERS,
        request={"datacenters": ["datacenter-3"]},
        check=ids("folders", "group-v4", "group-h5", "group-s6", "group-n7", "group-v31"),
    ),
    Success(
        id="what is shown",
        rpc=LIST_FOLDERS,
        request={"parent_folders": ["group-v4"]},
        response={"folders": [{"folder": "group-v31", "name": "Production", "type": "FOLDER_TYPE_VIRTUAL_MACHINE"}]},
    ),
    *by_filter(
        LIST_FOLDERS,
        "folders",
        {
            "folders": (["group-d1"], ("group-d1",)),
            "names": (["vm"], ("group-v4", "group-v22")),
            "type": ("NETWORK", ("group-n7", "group-n25")),
        },
    ),
    Success(
        id="a type with its prefix",
        rpc=LIST_FOLDERS,
        request={"type": "FOLDER_TYPE_DATASTORE"},
        check=ids("folders", "group-s6", "group-s24"),
    ),
    Success(
        id="what is shown",
        rpc=LIST_NETWORKS,
        request={"names": ["Backup Network"]},
        response={
            "networks": [{"network": "network-14", "name": "Backup Network", "type": "NETWORK_TYPE_STANDARD_PORTGROUP"}]
        },
    ),
    *by_filter(
        LIST_NETWORKS,
        "networks",
        {
            "networks": (["dvportgroup-17"], ("dvportgroup-17",)),
            "names": (["VM Network", "Workload"], ("network-12", "dvportgroup-34")),
            "types": (["OPAQUE_NETWORK", "DISTRIBUTED_PORTGROUP"], ("dvportgroup-17", "network-o23", "dvportgroup-34")),
            "folders": (["group-n25"], ("dvportgroup-34",)),
            "datacenters": (["datacenter-3"], ("network-12", "network-14", "dvportgroup-17", "network-o23")),
        },
    ),
    Success(
        id="kinds",
        rpc=FIND_NETWORKS,
        request={"networks": ["network-12", "dvportgroup-17", "network-o23"]},
        response={
            "networks": {
                "network-12": {"type": "Network"},
                "dvportgroup-17": {"type": "DistributedVirtualPortgroup"},
                "network-o23": {"type": "OpaqueNetwork"},
            }
        },
    ),
    Success(
        id="kinds",
        rpc=FIND_DATASTORES,
        request={"datastores": ["datastore-11", "datastore-24"]},
        response={"datastores": {"datastore-11": {"type": "Datastore"}, "datastore-24": {"type": "Datastore"}}},
    ),
)

LIST_ERRORS = (
    too_many(LIST_CLUSTERS, "clusters", "domain-c8"),
    too_many(LIST_DATACENTERS, "datacenters", "datacenter-3"),
    too_many(LIST_FOLDERS, "folders", "group-v4"),
    too_many(LIST_NETWORKS, "networks", "network-12"),
    too_many(LIST_POOLS, "resource_pools", "resgroup-33"),
    too_many(LIST_HOSTS, "hosts", "host-10", 2500),
    too_many(LIST_DATASTORES, "datastores", "datastore-11", 2500),
    ErrorCase(
        rpc=GET_CLUSTER,
        error="NOT_FOUND",
        request={"cluster": "domain-c1"},
        messages=(f"{API}.cluster.not_found",),
    ),
    ErrorCase(
        rpc=GET_DATACENTER,
        error="NOT_FOUND",
        request={"datacenter": "datacenter-1"},
        messages=(f"{API}.datacenter.not_found",),
    ),
    ErrorCase(
        rpc=FIND_NETWORKS,
        error="NOT_FOUND",
        request={"networks": ["network-12", "network-1"]},
        messages=(f"{API}.network.not_found",),
    ),
    ErrorCase(
        rpc=FIND_DATASTORES,
        error="NOT_FOUND",
        request={"datastores": ["datastore-11", "datastore-1"]},
        messages=(f"{API}.datastore.not_found",),
    ),
    *(
        ErrorCase(rpc=rpc, error="INVALID_ARGUMENT", request=request, messages=(UNKNOWN_VALUE,))
        for rpc, request in (
            (LIST_FOLDERS, {"type": "VM"}),
            (LIST_NETWORKS, {"types": ["STANDARD_PORTGROUP", "WIRE"]}),
            (LIST_DATASTORES, {"types": ["TAPE"]}),
            (LIST_HOSTS, {"connection_states": ["ASLEEP"]}),
        )
    ),
)


# --- Datacenters ------------------------------------------------------------------------------------------------------


def new_datacenter(name: str = "DC2", **spec: Any) -> Json:
    return {"spec": {"name": name, "folder": "group-d1", **spec}}


def datacenter_is_there(response: Json, simulator: Simulator) -> None:
    places = simulator.inventory.places
    datacenter = places.datacenters[response["datacenter"]]
    assert (datacenter.name, datacenter.parent) == ("DC2", "group-d1")
    assert places.folders[datacenter.vm_folder].datacenter == response["datacenter"]


def datacenter_is_gone(response: Json, simulator: Simulator) -> None:
    inventory = simulator.inventory
    assert "datacenter-21" not in inventory.places.datacenters
    assert not {"host-28", "host-29"} & inventory.places.hosts.keys()
    assert all(machine.placement.datacenter == "datacenter-3" for machine in inventory.machines.values())


def new_datacenter_is_gone(response: Json, simulator: Simulator) -> None:
    places = simulator.inventory.places
    assert [*places.datacenters] == ["datacenter-3", "datacenter-21"]
    assert {folder.datacenter for folder in places.folders.values()} == {None, "datacenter-3", "datacenter-21"}


DATACENTER_SUCCESSES = (
    Success(id="created", rpc=CREATE_DATACENTER, request=new_datacenter(), check=datacenter_is_there),
    Success(
        id="an empty one",
        rpc=DELETE_DATACENTER,
        request={"datacenter": "datacenter-2005"},
        setup=lambda simulator: simulator.inventory.places.new_datacenter("DC2", "group-d1"),
        check=new_datacenter_is_gone,
    ),
    Success(
        id="by force",
        rpc=DELETE_DATACENTER,
        request={"datacenter": "datacenter-21", "force": True},
        check=datacenter_is_gone,
    ),
)

DATACENTER_ERRORS = (
    ErrorCase(
        rpc=CREATE_DATACENTER,
        error="ALREADY_EXISTS",
        request=new_datacenter("DC0"),
        messages=("vmsg.DuplicateName.summary",),
    ),
    ErrorCase(
        rpc=CREATE_DATACENTER,
        error="NOT_FOUND",
        request=new_datacenter(folder="group-d9"),
        messages=(f"{API}.folder.not_found",),
    ),
    *(
        ErrorCase(rpc=CREATE_DATACENTER, error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
        for name, request, message in (
            ("empty name", new_datacenter(" "), "vmsg.InvalidName.summary"),
            ("long name", new_datacenter("x" * 81), "vmsg.InvalidName.summary"),
            ("no folder", {"spec": {"name": "DC2"}}, f"{API}.datacenter.folder_required"),
            ("a folder of machines", new_datacenter(folder="group-v4"), f"{API}.datacenter.folder_type"),
        )
    ),
    ErrorCase(
        rpc=DELETE_DATACENTER,
        error="NOT_FOUND",
        request={"datacenter": "datacenter-1", "force": True},
        messages=(f"{API}.datacenter.not_found",),
    ),
    ErrorCase(
        rpc=DELETE_DATACENTER,
        error="RESOURCE_IN_USE",
        request={"datacenter": "datacenter-21"},
        messages=(f"{API}.datacenter.not_empty",),
    ),
)


# --- Datastores -------------------------------------------------------------------------------------------------------


def space_is_as_in_the_inventory(response: Json, simulator: Simulator) -> None:
    datastore = simulator.inventory.places.datastores["datastore-11"]
    [found] = response["datastores"]
    assert found == {
        "datastore": "datastore-11",
        "name": "datastore1",
        "type": "DATASTORE_TYPE_VMFS",
        "free_space": str(datastore.free),
        "capacity": str(datastore.capacity),
    }


DATASTORE_SUCCESSES = (
    Success(
        id="capacity and free space",
        rpc=LIST_DATASTORES,
        request={"names": ["datastore1"]},
        check=space_is_as_in_the_inventory,
    ),
    *by_filter(
        LIST_DATASTORES,
        "datastores",
        {
            "datastores": (["datastore-24"], ("datastore-24",)),
            "names": (["datastore2", "nfs-isos"], ("datastore-12", "datastore-15")),
            "types": (["NFS"], ("datastore-15",)),
            "folders": (["group-s24"], ("datastore-24",)),
            "datacenters": (["datacenter-3"], ("datastore-11", "datastore-12", "datastore-15")),
        },
    ),
    Success(
        id="one that nobody reaches",
        rpc=LIST_DATASTORES,
        request={"datastores": ["datastore-15"]},
        setup=place("datastores", "datastore-15", accessible=False),
        response={"datastores": [{"datastore": "datastore-15", "name": "nfs-isos", "type": "DATASTORE_TYPE_NFS"}]},
    ),
    Success(
        id="properties",
        rpc=GET_DATASTORE,
        request={"datastore": "datastore-15"},
        response={
            "datastore": {
                "name": "nfs-isos",
                "type": "DATASTORE_TYPE_NFS",
                "accessible": True,
                "free_space": str(1024 << 30),
                "multiple_host_access": True,
                "thin_provisioning_supported": True,
            }
        },
    ),
    Success(
        id="a policy",
        rpc=DEFAULT_POLICY,
        request={"datastore": "datastore-12"},
        response={"default_policy": GOLD},
    ),
    Success(id="no policy", rpc=DEFAULT_POLICY, request={"datastore": "datastore-11"}, response={}),
)

DATASTORE_ERRORS = tuple(
    ErrorCase(
        rpc=rpc, error="NOT_FOUND", request={"datastore": "datastore-1"}, messages=(f"{API}.datastore.not_found",)
    )
    for rpc in (GET_DATASTORE, DEFAULT_POLICY)
)


# --- Hosts ------------------------------------------------------------------------------------------------------------


def new_host(name: str = "esx-50.vsphere.local", **spec: Any) -> Json:
    defaults = {
        "hostname": name,
        "user_name": "root",
        "password": "VMware1!",
        "folder": "group-h5",
        "thumbprint_verification": "HOST_CREATE_SPEC_THUMBPRINT_VERIFICATION_NONE",
    }
    return {"spec": {name: value for name, value in {**defaults, **spec}.items() if value is not None}}


def host_is_there(response: Json, simulator: Simulator) -> None:
    places = simulator.inventory.places
    host = places.hosts[response["host"]]
    assert (host.name, host.cluster, host.datacenter) == ("esx-50.vsphere.local", None, "datacenter-3")
    assert places.resource_pools[host.resource_pool].host == host.host


def host_state(host: str, state: str) -> Any:
    def check(response: Json, simulator: Simulator) -> None:
        assert simulator.inventory.places.hosts[host].connection_state == state

    return check


def host_29_is_gone(response: Json, simulator: Simulator) -> None:
    inventory = simulator.inventory
    assert not {"host-29"} & inventory.places.hosts.keys()
    assert not {"resgroup-30"} & inventory.places.resource_pools.keys()
    assert all(machine.placement.host != "host-29" for machine in inventory.machines.values())


def has_no_power_state(response: Json, simulator: Simulator) -> None:
    [host] = response["hosts"]
    assert host["connection_state"] == "HOST_CONNECTION_STATE_NOT_RESPONDING"
    assert "power_state" not in host


VERIFY = "HOST_CREATE_SPEC_THUMBPRINT_VERIFICATION"

HOST_SUCCESSES = (
    Success(
        id="what is shown",
        rpc=LIST_HOSTS,
        request={"names": ["esx-29.vsphere.local"]},
        response={
            "hosts": [
                {
                    "host": "host-29",
                    "name": "esx-29.vsphere.local",
                    "connection_state": "HOST_CONNECTION_STATE_CONNECTED",
                    "power_state": "HOST_POWER_STATE_POWERED_ON",
                    "host_uuid": "65d178a6-b8c3-53bb-9d4a-5962d28300f3",
                }
            ]
        },
    ),
    Success(
        id="no power state without a connection",
        rpc=LIST_HOSTS,
        request={"hosts": ["host-10"]},
        setup=place("hosts", "host-10", connection_state="NOT_RESPONDING"),
        check=has_no_power_state,
    ),
    *by_filter(
        LIST_HOSTS,
        "hosts",
        {
            "hosts": (["host-13", "host-1"], ("host-13",)),
            "names": (["esx-10.vsphere.local"], ("host-10",)),
            "folders": (["group-h23"], ("host-28", "host-29")),
            "datacenters": (["datacenter-3"], ("host-10", "host-13")),
            "standalone": (True, ("host-29",)),
            "clusters": (["domain-c26"], ("host-28",)),
            "connection_states": (["CONNECTED", "DISCONNECTED"], ("host-10", "host-13", "host-28", "host-29")),
        },
    ),
    Success(
        id="in clusters",
        rpc=LIST_HOSTS,
        request={"standalone": False},
        check=ids("hosts", "host-10", "host-13", "host-28"),
    ),
    Success(
        id="standalone excludes clusters",
        rpc=LIST_HOSTS,
        request={"standalone": True, "clusters": ["domain-c8"]},
        response={},
    ),
    Success(id="unverified", rpc=CREATE_HOST, request=new_host(), check=host_is_there),
    Success(
        id="by thumbprint",
        rpc=CREATE_HOST,
        request=new_host(thumbprint_verification=f"{VERIFY}_THUMBPRINT", thumbprint=":".join(["0A"] * 20), port=443),
        check=host_is_there,
    ),
    Success(
        id="by certificate",
        rpc=CREATE_HOST,
        request=new_host(
            thumbprint_verification=f"{VERIFY}_CERTIFICATE", ssl_certificate="-----BEGIN CERTIFICATE-----\n..."
        ),
        check=host_is_there,
    ),
    Success(
        id="one that another vCenter manages",
        rpc=CREATE_HOST,
        request=new_host("esx-40.vsphere.local", force_add=True),
        check=lambda response, simulator: host_state(response["host"], "CONNECTED")(response, simulator),
    ),
    Success(id="removed", rpc=DELETE_HOST, request={"host": "host-29"}, check=host_29_is_gone),
    Success(
        id="connected",
        rpc=CONNECT,
        request={"host": "host-13"},
        setup=place("hosts", "host-13", connection_state="DISCONNECTED"),
        check=host_state("host-13", "CONNECTED"),
    ),
    Success(
        id="disconnected", rpc=DISCONNECT, request={"host": "host-13"}, check=host_state("host-13", "DISCONNECTED")
    ),
)

HOST_ERRORS = (
    *(
        ErrorCase(rpc=CREATE_HOST, error=error, id=name, request=request, messages=(message,), setup=setup)
        for error, name, request, message, setup in (
            ("ALREADY_EXISTS", "", new_host("esx-10.vsphere.local"), "vmsg.AlreadyConnected.summary", None),
            ("INVALID_ARGUMENT", "name", new_host("esx 50"), f"{API}.host.invalid_name", None),
            ("INVALID_ARGUMENT", "no folder", new_host(folder=None), f"{API}.host.folder_required", None),
            (
                "INVALID_ARGUMENT",
                "thumbprint",
                new_host(thumbprint_verification=f"{VERIFY}_THUMBPRINT", thumbprint="0A:0B"),
                f"{API}.host.invalid_thumbprint",
                None,
            ),
            (
                "INVALID_ARGUMENT",
                "certificate",
                new_host(thumbprint_verification=f"{VERIFY}_CERTIFICATE", ssl_certificate="0A:0B"),
                f"{API}.host.invalid_certificate",
                None,
            ),
            ("INVALID_ELEMENT_TYPE", "", new_host(folder="group-v4"), f"{API}.host.folder_type", None),
            ("NOT_FOUND", "", new_host(folder="group-h1"), f"{API}.folder.not_found", None),
            ("RESOURCE_IN_USE", "", new_host("esx-40.vsphere.local"), "vmsg.AlreadyBeingManaged.summary", None),
            ("UNSUPPORTED", "", new_host("esx-41.vsphere.local"), "vmsg.NotSupportedHost.summary", None),
            (
                "UNABLE_TO_ALLOCATE_RESOURCE",
                "",
                new_host(),
                "vmsg.NotEnoughLicenses.summary",
                lambda simulator: setattr(simulator.inventory.places, "host_licenses", 4),
            ),
            ("UNAUTHENTICATED", "host", new_host(password="VMware2!"), "vmsg.InvalidLogin.summary", None),
        )
    ),
    *(
        ErrorCase(rpc=rpc, error="NOT_FOUND", request={"host": "host-1"}, messages=(f"{API}.host.not_found",))
        for rpc in (DELETE_HOST, CONNECT, DISCONNECT)
    ),
    ErrorCase(
        rpc=DELETE_HOST,
        error="RESOURCE_IN_USE",
        request={"host": "host-28"},
        messages=(f"{API}.host.in_cluster",),
    ),
    ErrorCase(
        rpc=CONNECT,
        error="ALREADY_IN_DESIRED_STATE",
        request={"host": "host-13"},
        messages=(f"{API}.host.connected",),
    ),
    ErrorCase(
        rpc=DISCONNECT,
        error="ALREADY_IN_DESIRED_STATE",
        request={"host": "host-13"},
        setup=place("hosts", "host-13", connection_state="DISCONNECTED"),
        messages=(f"{API}.host.disconnected",),
    ),
)


# --- Resource pools ---------------------------------------------------------------------------------------------------

NORMAL = {"level": "RESOURCE_POOL_SHARES_INFO_LEVEL_NORMAL"}
UNLIMITED = {"reservation": "0", "expandable_reservation": True, "limit": "-1", "shares": NORMAL}
# Two hosts of 64 cores with 2.4 GHz, and 512 GiB.
WHOLE_CPU, WHOLE_MEMORY = 2 * 64 * 2400, 2 * 512 * 1024


def whole(amount: int) -> Json:
    return {"reservation": str(amount), "expandable_reservation": True, "limit": str(amount), "shares": NORMAL}


def new_pool(name: str = "Batch", parent: str = "resgroup-9", **spec: Any) -> Json:
    return {"spec": {"name": name, "parent": parent, **spec}}


def updated_pool(pool: str = "resgroup-33", **spec: Any) -> Json:
    return {"resource_pool": pool, "spec": spec}


def pool_is_there(response: Json, simulator: Simulator) -> None:
    pool = simulator.inventory.places.resource_pools[response["resource_pool"]]
    assert (pool.name, pool.parent, pool.cluster) == ("Batch", "resgroup-9", "domain-c8")
    assert (pool.cpu.reservation, pool.cpu.limit, pool.cpu.expandable) == (2000, 4000, False)
    assert (pool.memory.level, pool.memory.shares) == ("CUSTOM", 77)


def pool_33(response: Json, simulator: Simulator) -> None:
    pool = simulator.inventory.places.resource_pools["resgroup-33"]
    assert (pool.name, pool.cpu.limit, pool.cpu.reservation, pool.memory.reservation) == ("Tests", 4000, 0, 512)


def pool_33_is_gone(response: Json, simulator: Simulator) -> None:
    inventory = simulator.inventory
    assert not {"resgroup-33"} & inventory.places.resource_pools.keys()
    assert "resgroup-33" not in {machine.placement.resource_pool for machine in inventory.machines.values()}
    assert inventory.machines["vm-1002"].placement.resource_pool == "resgroup-9"


POOL_SUCCESSES = (
    Success(
        id="all",
        rpc=LIST_POOLS,
        request={"datacenters": ["datacenter-3"]},
        response={
            "resource_pools": [
                {"resource_pool": "resgroup-9", "name": "Resources"},
                {"resource_pool": "resgroup-33", "name": "Development"},
            ]
        },
    ),
    *by_filter(
        LIST_POOLS,
        "resource_pools",
        {
            "resource_pools": (["resgroup-30"], ("resgroup-30",)),
            "names": (["Resources"], ("resgroup-9", "resgroup-27", "resgroup-30")),
            "parent_resource_pools": (["resgroup-9"], ("resgroup-33",)),
            "hosts": (["host-13", "host-29"], ("resgroup-9", "resgroup-33", "resgroup-30")),
            "clusters": (["domain-c8"], ("resgroup-9", "resgroup-33")),
        },
    ),
    Success(
        id="a root has what its hosts have",
        rpc=GET_POOL,
        request={"resource_pool": "resgroup-9"},
        response={
            "resource_pool": {
                "name": "Resources",
                "resource_pools": ["resgroup-33"],
                "cpu_allocation": whole(WHOLE_CPU),
                "memory_allocation": whole(WHOLE_MEMORY),
            }
        },
    ),
    Success(
        id="defaults",
        rpc=GET_POOL,
        request={"resource_pool": "resgroup-33"},
        response={
            "resource_pool": {"name": "Development", "cpu_allocation": UNLIMITED, "memory_allocation": UNLIMITED}
        },
    ),
    Success(
        id="with allocations",
        rpc=CREATE_POOL,
        request=new_pool(
            cpu_allocation={"reservation": 2000, "limit": 4000, "expandable_reservation": False},
            memory_allocation={"shares": {"level": "RESOURCE_POOL_SHARES_INFO_LEVEL_CUSTOM", "shares": 77}},
        ),
        check=pool_is_there,
    ),
    Success(
        id="an allocation as a whole",
        rpc=UPDATE_POOL,
        request=updated_pool(name="Tests", cpu_allocation={"limit": 4000}),
        setup=lambda simulator: (
            setattr(simulator.inventory.places.resource_pools["resgroup-33"].cpu, "reservation", 1000),
            setattr(simulator.inventory.places.resource_pools["resgroup-33"].memory, "reservation", 512),
        ),
        check=pool_33,
    ),
    Success(
        id="machines move to the parent",
        rpc=DELETE_POOL,
        request={"resource_pool": "resgroup-33"},
        check=pool_33_is_gone,
    ),
)

POOL_ERRORS = (
    *(
        ErrorCase(
            rpc=rpc,
            error="NOT_FOUND",
            request=request,
            messages=(f"{API}.resource_pool.not_found",),
        )
        for rpc, request in (
            (GET_POOL, {"resource_pool": "resgroup-1"}),
            (CREATE_POOL, new_pool(parent="resgroup-1")),
            (UPDATE_POOL, updated_pool("resgroup-1")),
            (DELETE_POOL, {"resource_pool": "resgroup-1"}),
        )
    ),
    *(
        ErrorCase(rpc=rpc, error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
        for rpc, name, request, message in (
            (CREATE_POOL, "empty name", new_pool(""), "vmsg.InvalidName.summary"),
            (CREATE_POOL, "taken name", new_pool("Development"), "vmsg.DuplicateName.summary"),
            (
                CREATE_POOL,
                "limit below reservation",
                new_pool(cpu_allocation={"reservation": 2, "limit": 1}),
                f"{API}.resource_pool.invalid_allocation",
            ),
            (
                CREATE_POOL,
                "negative",
                new_pool(memory_allocation={"reservation": -1}),
                f"{API}.resource_pool.invalid_allocation",
            ),
            (UPDATE_POOL, "long name", updated_pool(name="x" * 81), "vmsg.InvalidName.summary"),
            (UPDATE_POOL, "a root", updated_pool("resgroup-9", name="Mine"), f"{API}.resource_pool.root"),
        )
    ),
    ErrorCase(
        rpc=CREATE_POOL,
        error="RESOURCE_INACCESSIBLE",
        request=new_pool(parent="resgroup-30"),
        setup=place("hosts", "host-29", connection_state="NOT_RESPONDING"),
        messages=(f"{API}.resource_pool.inaccessible",),
    ),
    ErrorCase(
        rpc=CREATE_POOL,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request=new_pool(memory_allocation={"reservation": WHOLE_MEMORY + 1}),
        messages=("vmsg.InsufficientResourcesFault.summary",),
    ),
    ErrorCase(
        rpc=UPDATE_POOL,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request=updated_pool(cpu_allocation={"reservation": WHOLE_CPU + 1}),
        messages=("vmsg.InsufficientResourcesFault.summary",),
    ),
    ErrorCase(
        rpc=DELETE_POOL,
        error="UNSUPPORTED",
        request={"resource_pool": "resgroup-9"},
        messages=(f"{API}.resource_pool.root",),
    ),
)

SUCCESSES = (*LIST_SUCCESSES, *DATACENTER_SUCCESSES, *DATASTORE_SUCCESSES, *HOST_SUCCESSES, *POOL_SUCCESSES)
ERRORS = (*LIST_ERRORS, *DATACENTER_ERRORS, *DATASTORE_ERRORS, *HOST_ERRORS, *POOL_ERRORS)
