"""What `helm test` does in a cluster, and a fleet behind its router."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import node as nodes
from tests.cluster.cluster import Cluster, Helm, Object, eventually
from tests.cluster.running.calling import BASIC, call, calling
from tests.cluster.running.release import NAME, Running, is_ready, wait

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("version", [3, 4])
def test_helm_test(cluster: Cluster, both: list[Helm], vcenter: str, version: int) -> None:
    """It succeeds and shows its log, twice; its pod is left for whoever looks at it later."""
    [helm] = [item for item in both if item.version == version]
    running = Running(cluster, helm, f"helm-test-{version}", vcenter)
    try:
        running.install({**running.values(), "simulator": {"enabled": True}, "config": {"server": {"workers": 1}}})
        for _ in range(2):
            result = helm.ok("test", "gw", "--namespace", running.namespace, "--logs")
            assert "vm-1001" in result.stdout
            assert "Succeeded" in result.stdout
        assert len(running.pods("test")) == 1
    finally:
        running.remove()


def fleet(running: Running, east: str, west: str) -> Object:
    """Values of two vCenters and a router."""
    values = running.values(replicaCount=1)
    del values["config"]["vcenter"]
    return values | {
        "vcenters": {name: {"config": {"vcenter": {"url": url}}} for name, url in (("east", east), ("west", west))},
        "router": {
            "enabled": True,
            "image": {"repository": "localhost/envoy", "tag": "test", "pullPolicy": "Never"},
            "resources": {"requests": {"cpu": "20m"}},
        },
    }


def test_a_fleet(running: Running, second_vcenter: str) -> None:
    """The metadata chooses. An update of one vCenter's gateway loses no call, and calls to another go on without it."""
    if not (nodes.FOLDER / "images" / "envoy.tar").exists():
        pytest.skip("there is no Envoy: it comes with the test requirements")
    values = fleet(running, running.vcenter, second_vcenter)
    running.install(values)
    router = f"{NAME}-router.{running.namespace}.svc.cluster.local:50051"
    assert call(router, BASIC, ("x-vcenter", "east")) == ("OK", 20)
    assert call(router, BASIC, ("x-vcenter", "west")) == ("OK", 7)
    assert call(router, BASIC)[0] == "INVALID_ARGUMENT"
    assert call(router, BASIC, ("x-vcenter", "north"))[0] == "INVALID_ARGUMENT"
    east, west = ("x-vcenter", "east"), ("x-vcenter", "west")
    with (
        calling(router, BASIC, east, watches=False) as seen_east,
        calling(router, BASIC, west, watches=False) as seen_west,
    ):
        values["vcenters"]["west"]["podAnnotations"] = {"a": "b"}
        running.upgrade(values)
        wait(2)
    assert seen_east.failures == []
    assert seen_west.failures == []
    with calling(router, BASIC, east, watches=False) as seen_east:
        scale = {"spec": {"replicas": 0}}
        running.cluster.patch("Deployment", running.namespace, f"{NAME}-west", scale, subresource="/scale")
        eventually(lambda: call(router, BASIC, west)[0] == "UNAVAILABLE", "calls to west fail", 60)
        wait(2)
    assert seen_east.failures == []
    assert seen_east.calls > 50


def test_the_pods_know_nothing_of_kubernetes(running: Running, tmp_path: Path) -> None:
    """No token is in them, and nothing can be written but in /tmp."""
    running.install(running.values(replicaCount=1))
    [pod] = running.ready(1)
    assert is_ready(pod)
    script = (
        "import os, pathlib;"
        "print(os.path.exists('/var/run/secrets/kubernetes.io'), os.getuid(), os.access('/', os.W_OK),"
        " pathlib.Path('/tmp/x').write_text('a'))"
    )
    name = pod["metadata"]["name"]
    result = running.cluster.kubectl("exec", name, "--namespace", running.namespace, "--", "python", "-c", script)
    assert (result.code, result.stdout.strip()) == (0, "False 65532 False 1"), result.words
