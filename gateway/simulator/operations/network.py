"""com.vmware.vcenter.network: the networks for nics."""

from collections.abc import Callable, Collection, Mapping

from gateway.simulator.listing import listed
from gateway.simulator.places import Network
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_networks"]

_FILTERS: Mapping[str, Callable[[Network], Collection[str | None]]] = {
    "networks": lambda network: [network.network],
    "names": lambda network: [network.name],
    "types": lambda network: [network.type],
    "folders": lambda network: [network.folder],
    "datacenters": lambda network: [network.datacenter],
}


@operation("com.vmware.vcenter.network", "list")
def list_networks(call: Call) -> Json:
    """The networks that pass every filter."""
    networks = call.inventory.places.networks.values()
    found = listed(call, networks, _FILTERS, kind="network", enumerations={"types": "VcenterNetworkType"})
    return [{"network": network.network, "name": network.name, "type": network.type} for network in found]
