"""kube-router for the node's pods: it enforces NetworkPolicies, and does nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.build import kube_router
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import SERVICES

__all__ = ["enforced_policies"]


@contextmanager
def enforced_policies(cluster: Cluster) -> Iterator[None]:
    """Enforces NetworkPolicies, soon after it has begun."""
    plane = cluster.plane
    plane.start_program(
        "kube-router",
        str(kube_router()),
        *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--run-loadbalancer=false"),
        *("--kubeconfig", str(plane.kubeconfig), "--hostname-override", "node", "--iptables-sync-period", "10s"),
        *("--service-cluster-ip-range", SERVICES, "--health-port", "0", "--metrics-port", "0"),
    )
    try:
        yield
        plane.check("kube-router")
    finally:
        plane.stop("kube-router")
        # Its rules stay, and would keep callers from later pods with the same addresses.
        for chain in ("INPUT", "FORWARD", "OUTPUT"):
            subprocess.run(["iptables", "--flush", f"KUBE-ROUTER-{chain}"], check=True)
