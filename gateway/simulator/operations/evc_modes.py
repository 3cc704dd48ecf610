"""com.vmware.vcenter.evc_modes: EVC modes that are common to hosts and clusters, and their parts."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.evc import PEERS, Peer, common_mode, partition
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create_task", "partition_mode"]

_SERVICE = "com.vmware.vcenter.evc_modes"
_MESSAGES = "com.vmware.api.vcenter.evc_modes"


@operation(_SERVICE, "create_task")
def create_task(call: Call) -> Json:
    """Starts to compute the mode that all hosts of the sources have in common, which is the result of the task."""
    sources = call.spec["sources"]
    if not sources:
        raise _invalid("no_source", "At least one source must be specified.")
    hosts: list[str] = []
    generations: list[int] = []
    for source in sources:
        if not source.get("hosts") and not source.get("clusters"):
            raise _invalid("empty_source", "A source must name hosts or clusters.")
        if source.get("service_locator") is None:
            hosts += _own_hosts(call, source)
        else:
            peer = _peer(source["service_locator"])
            generations += [peer.hosts[host] for host in _hosts_of(source, peer.hosts, peer.clusters)]
    return call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        call.inventory.transition,
        lambda: common_mode(hosts, generations),
    ).task


@operation(_SERVICE, "partition")
def partition_mode(call: Call) -> Json:
    """The CPU and the graphics parts of a mode."""
    return partition(call.spec)


def _own_hosts(call: Call, source: Mapping[str, Any]) -> list[str]:
    places = call.inventory.places
    clusters = {
        cluster: tuple(host.host for host in places.hosts.values() if host.cluster == cluster)
        for cluster in source.get("clusters") or ()
        if cluster in places.clusters
    }
    return _hosts_of(source, places.hosts, clusters)


def _hosts_of(
    source: Mapping[str, Any], hosts: Mapping[str, Any], clusters: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The hosts of a source, named directly or by cluster. INVALID_ARGUMENT for one that does not exist."""
    found = []
    for host in source.get("hosts") or ():
        if host not in hosts:
            raise _invalid("unknown_host", "The host '{0}' does not exist.", host)
        found.append(host)
    for cluster in source.get("clusters") or ():
        if not clusters.get(cluster):
            raise _invalid("unknown_cluster", "The cluster '{0}' does not exist or has no hosts.", cluster)
        found += clusters[cluster]
    return found


def _peer(locator: Mapping[str, Any]) -> Peer:
    """The other vCenter. SERVICE_UNAVAILABLE if none responds, UNVERIFIED_PEER if it is not the expected one."""
    peer = PEERS.get(locator["url"].rstrip("/"))
    if peer is None:
        raise errors.service_unavailable(
            f"{_MESSAGES}.peer_not_available", "The vCenter Server at '{0}' cannot be reached.", locator["url"]
        )
    thumbprint = locator.get("ssl_thumbprint")
    if thumbprint is not None and thumbprint.upper() != peer.thumbprint:
        raise errors.of_type(
            "UNVERIFIED_PEER",
            f"{_MESSAGES}.peer_not_verified",
            "The certificate of the vCenter Server at '{0}' does not have the expected thumbprint.",
            locator["url"],
        )
    return peer


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"{_MESSAGES}.{reason}", text, *args)
