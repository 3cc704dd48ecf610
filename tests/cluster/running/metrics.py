"""metrics-server for the node's kubelet: a process beside it, which the API server finds by an EndpointSlice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.build import metrics_server
from tests.cluster.cluster import Cluster, RefusedError, eventually
from tests.cluster.node import ADDRESS

__all__ = ["metrics"]

_PORT = 4443
_NAME = {"name": "metrics-server", "namespace": "kube-system"}
_OBJECTS = [
    {"apiVersion": "v1", "kind": "Service", "metadata": _NAME, "spec": {"ports": [{"port": _PORT}]}},
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**_NAME, "labels": {"kubernetes.io/service-name": "metrics-server"}},
        "addressType": "IPv4",
        "ports": [{"port": _PORT}],
        "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
    },
    {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": {**_NAME, "port": _PORT},
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            # It signs its certificate itself.
            "insecureSkipTLSVerify": True,
        },
    },
]


@contextmanager
def metrics(cluster: Cluster) -> Iterator[None]:
    """Serves the metrics of pods; begins when there are some."""
    plane = cluster.plane
    config = str(plane.kubeconfig)
    plane.start_program(
        "metrics-server",
        str(metrics_server()),
        *("--kubeconfig", config, "--authentication-kubeconfig", config, "--authorization-kubeconfig", config),
        *("--bind-address", ADDRESS, "--secure-port", str(_PORT), "--cert-dir", str(plane.folder / "metrics-server")),
        *(
            "--kubelet-preferred-address-types",
            "InternalIP",
            "--metric-resolution",
            "10s",
            "--kubelet-request-timeout",
            "5s",
        ),
        *("--kubelet-certificate-authority", str(plane.file("ca.crt"))),
    )
    cluster.apply("\n---\n".join(json.dumps(item) for item in _OBJECTS))

    def served() -> bool:
        plane.check("metrics-server")
        try:
            return bool(cluster.request("GET", "apis/metrics.k8s.io/v1beta1/nodes").json()["items"])
        except RefusedError:
            return False

    try:
        eventually(served, f"the node has metrics: see {plane.log('metrics-server')}", 90)
        yield
    finally:
        cluster.request("DELETE", "apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
        plane.stop("metrics-server")
