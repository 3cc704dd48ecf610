"""Everything that the project shows is installed, installed again, and removed, as a cluster takes it.

Pod Security `restricted` is enforced in every namespace. No pod runs: there is no node.
"""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster, Helm, Object, eventually
from tests.cluster.values import EXAMPLES, Example
from tests.helm.chart import CHART

examples = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.namespace)
KINDS = (
    *("Deployment", "Service", "ConfigMap", "Secret", "ServiceAccount", "PodDisruptionBudget"),
    *("HorizontalPodAutoscaler", "NetworkPolicy", "Ingress"),
)


def namespaces(cluster: Cluster, example: Example) -> None:
    for name in {example.namespace, example.target, "monitoring"}:
        cluster.namespace(name)


@examples
def test_the_api_server_takes_every_object(cluster: Cluster, helms: Helm, example: Example) -> None:
    """No field is unknown, deprecated or refused, and no pod violates the restricted profile."""
    namespaces(cluster, example)
    flags = ("--namespace", example.namespace, "--skip-tests", "--kube-version", cluster.plane.kubernetes.version)
    manifests = helms.ok("template", "gw", str(CHART), *flags, values=example.values).stdout
    taken_as_they_are(cluster, manifests)


@examples
def test_a_release_from_beginning_to_end(cluster: Cluster, helms: Helm, example: Example) -> None:
    """Pods are made; the same values again change nothing; nothing is left in the end."""
    namespaces(cluster, example)
    release = ("gw", str(CHART), "--namespace", example.namespace)
    installed = helms.ok("install", *release, values=example.values)
    assert installed.stderr == ""
    assert "vCenter sessions" in installed.stdout
    try:
        deployments = eventually(lambda: made(cluster, example), "the pods are made")
        taken_as_they_are(cluster, helms.ok("get", "hooks", "gw", "--namespace", example.namespace).stdout)
        again = helms.ok("upgrade", *release, values=example.values)
        assert again.stderr == ""
        after = cluster.items("Deployment", example.target)
        assert {generation(item) for item in after} == {generation(item) for item in deployments}
    finally:
        gone = helms.run("uninstall", "gw", "--namespace", example.namespace)
    assert (gone.code, gone.stderr) == (0, "")
    eventually(lambda: not left(cluster, example), f"nothing is left but {left(cluster, example)}")


def generation(deployment: Object) -> tuple[str, int]:
    return deployment["metadata"]["uid"], deployment["metadata"]["generation"]


def made(cluster: Cluster, example: Example) -> list[Object] | None:
    """The Deployments, as soon as each has the pods that it wants, or that its autoscaler wants at least."""
    deployments = cluster.items("Deployment", example.target)
    least = sum(item["spec"]["minReplicas"] for item in cluster.items("HorizontalPodAutoscaler", example.target))
    wanted = sum(item["spec"]["replicas"] for item in deployments)
    is_made = len(cluster.items("Pod", example.target)) == wanted >= least
    # What was refused in the beginning, before there was a class or an account, is no failure any more.
    failed = [entry for item in deployments for entry in conditions(item) if entry["type"] == "ReplicaFailure"]
    return deployments if is_made and not failed else None


def conditions(item: Object) -> list[Object]:
    found: list[Object] = item.get("status", {}).get("conditions", [])
    return found


def taken_as_they_are(cluster: Cluster, manifests: str) -> None:
    if "kind:" in manifests:
        dry = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
        result = cluster.kubectl(*dry, stdin=manifests)
        assert result.code == 0, result.words[-600:]
        assert "arning" not in result.words


def left(cluster: Cluster, example: Example) -> list[str]:
    found = []
    for kind in KINDS:
        items = cluster.items(kind, example.target, "app.kubernetes.io/instance=gw")
        found += [f"{kind} {item['metadata']['name']}" for item in items]
    return found
