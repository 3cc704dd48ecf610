"""com.vmware.vcenter.cluster: the clusters of hosts."""

from collections.abc import Callable, Collection, Mapping

from gateway.simulator import errors
from gateway.simulator.listing import listed
from gateway.simulator.places import Cluster
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_clusters"]

_SERVICE = "com.vmware.vcenter.cluster"

_FILTERS: Mapping[str, Callable[[Cluster], Collection[str | None]]] = {
    "clusters": lambda cluster: [cluster.cluster],
    "names": lambda cluster: [cluster.name],
    "folders": lambda cluster: [cluster.folder],
    "datacenters": lambda cluster: [cluster.datacenter],
}


@operation(_SERVICE, "list")
def list_clusters(call: Call) -> Json:
    """The clusters that pass every filter."""
    return [
        {
            "cluster": cluster.cluster,
            "name": cluster.name,
            "ha_enabled": cluster.ha_enabled,
            "drs_enabled": cluster.drs_enabled,
        }
        for cluster in listed(call, call.inventory.places.clusters.values(), _FILTERS, kind="cluster")
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The name of a cluster, and its root resource pool."""
    cluster = call.inventory.places.clusters.get(call.path["cluster"])
    if cluster is None:
        raise errors.not_found("cluster", call.path["cluster"])
    return {"name": cluster.name, "resource_pool": cluster.resource_pool}
