"""What an upgrade changes and what it leaves alone, as the cluster sees it. No pod runs: there is no node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster, Helm, Object, eventually
from tests.helm.chart import CHART, CONFIG, ROOT, VCENTER

RELEASED = sorted((ROOT / "helm" / "released").glob("*.tgz"))
NAME = "gw-vcenter-gateway"


def with_workers(count: int, **more: Any) -> Object:
    """Values whose configuration differs."""
    return {"config": {**VCENTER["config"], "server": {"workers": count}}, **more}


class Release:
    """A release in a namespace of its own."""

    def __init__(self, cluster: Cluster, helm: Helm, namespace: str) -> None:
        self.cluster, self.helm, self.namespace = cluster, helm, cluster.namespace(namespace)

    def install(self, values: Object, chart: Any = CHART) -> None:
        self.helm.ok("install", "gw", str(chart), "--namespace", self.namespace, values=values)

    def upgrade(self, values: Object, *flags: str, chart: Any = CHART) -> None:
        self.helm.ok("upgrade", "gw", str(chart), "--namespace", self.namespace, *flags, values=values)

    def refused_upgrade(self, values: Object, *flags: str) -> str:
        result = self.helm.run("upgrade", "gw", str(CHART), "--namespace", self.namespace, *flags, values=values)
        assert result.code != 0
        return result.words

    def deployment(self, name: str = NAME) -> Object:
        return self.cluster.get("Deployment", self.namespace, name)

    def pods(self, count: int) -> list[Object]:
        """The pods that are not being deleted, as soon as there are so many."""

        def found() -> list[Object] | None:
            pods = self.cluster.items("Pod", self.namespace, "app.kubernetes.io/component=gateway")
            pods = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
            return pods if len(pods) == count else None

        return eventually(found, f"{count} pods")


@pytest.fixture
def release(cluster: Cluster, helms: Helm, request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release that is not installed yet, and is gone in the end."""
    name = request.function.__name__.removeprefix("test_").replace("_", "-")
    release = Release(cluster, helms, f"{name[:50]}-{helms.version}".strip("-"))
    yield release
    helms.run("uninstall", "gw", "--namespace", release.namespace)


def workers(pod: Object) -> int:
    """Those of a pod's configuration."""
    found: int = yaml.safe_load(pod["metadata"]["annotations"][CONFIG])["server"]["workers"]
    return found


FROM_THE_RELEASED: list[tuple[str, Object]] = [
    ("passthrough", VCENTER),
    ("simulator", {"simulator": {"enabled": True}}),
    (
        "service account",
        {
            "config": {**VCENTER["config"], "auth": {"mode": "service-account", "user": "gateway@vsphere.local"}},
            "secrets": {"vcenterPassword": {"value": "a"}, "tokens": {"value": "tokens: []"}},
            "policy": [{"identities": ["ci"], "rpcs": ["*"]}],
            "networkPolicy": {"enabled": True},
        },
    ),
    ("autoscaling", {**VCENTER, "autoscaling": {"enabled": True}, "metrics": {"serviceMonitor": {"enabled": True}}}),
]


@pytest.mark.parametrize("chart", RELEASED, ids=[path.stem for path in RELEASED])
@pytest.mark.parametrize("values", [row[1] for row in FROM_THE_RELEASED], ids=[row[0] for row in FROM_THE_RELEASED])
def test_from_the_released_chart_and_back(release: Release, chart: Path, values: Object) -> None:
    """The Deployment and the services stay the same objects, and a rollback brings back what was there."""
    release.install(values, chart=chart)
    before = release.deployment()
    services = {item["metadata"]["uid"] for item in release.cluster.items("Service", release.namespace)}
    release.upgrade(values)
    after = release.deployment()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert {item["metadata"]["uid"] for item in release.cluster.items("Service", release.namespace)} == services
    assert CONFIG in after["spec"]["template"]["metadata"]["annotations"]
    release.helm.ok("rollback", "gw", "--namespace", release.namespace)
    assert release.deployment()["spec"]["template"] == before["spec"]["template"]


def test_a_new_configuration_reaches_no_old_pod(release: Release) -> None:
    """An old pod that is replaced while the new ones do not get ready has the old configuration, and `kubectl rollout
    undo` brings back the pods' template with it."""
    release.install(with_workers(1))
    old = release.pods(2)
    old_names = {pod["metadata"]["name"] for pod in old}
    release.upgrade(with_workers(2))
    pods = release.pods(3)
    assert sorted(workers(pod) for pod in pods) == [1, 1, 2]
    release.cluster.delete("Pod", release.namespace, old[0]["metadata"]["name"])

    def replaced() -> list[Object] | None:
        found = release.pods(3)
        new = [pod for pod in found if pod["metadata"]["name"] not in old_names and workers(pod) == 1]
        return new or None

    eventually(replaced, "a pod in place of the old one, with the old configuration")
    undone = release.cluster.kubectl("rollout", "undo", f"deployment/{NAME}", "--namespace", release.namespace)
    assert undone.code == 0, undone.words
    assert workers(release.deployment()["spec"]["template"]) == 1
    assert len(release.cluster.items("ReplicaSet", release.namespace)) == 2


def test_switching_autoscaling_on_keeps_the_pods(release: Release) -> None:
    """Their number stays until the autoscaler changes it, through further upgrades too."""
    release.install(VCENTER | {"replicaCount": 4})
    pods = {pod["metadata"]["uid"] for pod in release.pods(4)}
    scaled = VCENTER | {"autoscaling": {"enabled": True, "minReplicas": 2}}
    release.upgrade(scaled)
    assert release.deployment()["spec"]["replicas"] == 4
    # As the autoscaler does.
    release.cluster.patch("Deployment", release.namespace, NAME, {"spec": {"replicas": 5}}, subresource="/scale")
    release.upgrade(
        scaled | {"podAnnotations": {"a": "b"}}, *(["--force-conflicts"] if release.helm.version == 4 else [])
    )
    assert release.deployment()["spec"]["replicas"] == 5
    assert pods <= {pod["metadata"]["uid"] for pod in release.cluster.items("Pod", release.namespace)}


def test_another_name_is_refused(release: Release) -> None:
    """It would delete the gateway to make another."""
    release.install(VCENTER)
    for values in ({"nameOverride": "other"}, {"fullnameOverride": "other"}):
        text = release.refused_upgrade(VCENTER | values)
        assert f'this release has the Deployment "{NAME}"' in text
        assert "keep the original names" in text
    assert release.deployment()
    release.upgrade(VCENTER)


def test_a_fleet_gets_and_loses_vcenters(release: Release) -> None:
    """The others stay as they are."""
    east, west = VCENTER, {"config": {"vcenter": {"url": "https://west.example.com"}}}
    release.install({"vcenters": {"east": east}})
    before = release.deployment(f"{NAME}-east")
    release.upgrade({"vcenters": {"east": east, "west": west}})
    assert release.deployment(f"{NAME}-west")
    after = release.deployment(f"{NAME}-east")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    release.upgrade({"vcenters": {"west": west}})
    eventually(lambda: len(release.cluster.items("Deployment", release.namespace)) == 1, "one Deployment")


def test_after_kubectl_scale(release: Release) -> None:
    """Helm 3 sets the number of pods as the values say. Helm 4 refuses to take it from `kubectl scale` unless
    it is told to."""
    release.install(VCENTER)
    scaled = release.cluster.kubectl("scale", f"deployment/{NAME}", "--replicas=3", "--namespace", release.namespace)
    assert scaled.code == 0, scaled.words
    if release.helm.version == 4:
        assert "conflict" in release.refused_upgrade(VCENTER)
        release.upgrade(VCENTER, "--force-conflicts")
    else:
        release.upgrade(VCENTER)
    assert release.deployment()["spec"]["replicas"] == 2


def test_from_one_helm_to_the_other(release: Release, both: list[Helm]) -> None:
    """Either version goes on with what the other one installed."""
    [other] = [helm for helm in both if helm.version != release.helm.version]
    release.install(with_workers(1))
    before = release.deployment()
    other.ok("upgrade", "gw", str(CHART), "--namespace", release.namespace, values=with_workers(2))
    release.upgrade(with_workers(3))
    after = release.deployment()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert workers(after["spec"]["template"]) == 3
