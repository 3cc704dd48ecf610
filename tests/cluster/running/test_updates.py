"""Pods are replaced, evicted, killed and scaled under load, and nobody's call fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster.cluster import RefusedError, eventually
from tests.cluster.running.calling import BASIC, calling
from tests.cluster.running.release import NAME, Running, is_ready, restarts, wait
from tests.cluster.test_upgrade import RELEASED
from tests.helm.chart import CHART, CONFIG

pytestmark = pytest.mark.timeout(400)


@pytest.mark.long("waits for the times that the chart has by default, up to 200 s")
@pytest.mark.parametrize("chart", RELEASED, ids=[path.stem for path in RELEASED])
def test_from_the_released_chart(running: Running, chart: Path) -> None:
    """The upgrade from a chart that is released, with the times that it has by default, loses no call."""
    values = running.values()
    del values["minReadySeconds"], values["config"]["server"]
    running.install(values, chart=chart)
    with calling(running.headless, BASIC) as seen:
        # The annotation has all pods replaced, even if the chart is the released one still.
        running.upgrade(values | {"podAnnotations": {"example.com/upgraded": "yes"}})
        wait(3)
    assert seen.failures == []
    assert seen.calls > 1000


def test_a_new_configuration(running: Running) -> None:
    """A rolling update loses no call, and `helm rollback` neither."""
    running.install(running.values())
    with calling(running.headless, BASIC) as seen:
        running.upgrade(running.values({"max_connection_age_seconds": 250}))
        running.helm.ok("rollback", "gw", "--namespace", running.namespace, "--wait", "--timeout", "240s", timeout=280)
        wait(3)
    assert seen.failures == []
    assert seen.calls > 1000


@pytest.mark.long("waits until clients have found other pods, 60 s")
def test_nodes_are_drained(running: Running) -> None:
    """Both pods evicted one after the other, the second as soon as the budget allows it, lose no call: by default, pods
    take calls for longer than clients may wait until they look for other pods."""
    server = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["config"]["server"]
    running.install(running.values({"settle_seconds": server["settle_seconds"]}))
    names = [pod["metadata"]["name"] for pod in running.ready(2)]
    with calling(running.headless, BASIC) as seen:
        assert evicted(running, names[0])
        assert not evicted(running, names[1]), "the budget keeps the last pod"
        eventually(lambda: evicted(running, names[1]), "the second pod may go", 90)
        running.ready(2, seconds=150)
        wait(3)
    assert seen.failures == []
    assert seen.calls > 500


def evicted(running: Running, name: str) -> bool:
    """Evicts a pod, as a drain of its node does; false where the budget does not allow it now."""
    metadata = {"name": name, "namespace": running.namespace}
    content = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"api/v1/namespaces/{running.namespace}/pods/{name}/eviction"
    try:
        running.cluster.request("POST", path, json=content)
    except RefusedError as error:
        if "disruption budget" not in str(error):
            raise
        return False
    return True


@pytest.mark.long("35 s")
def test_a_pod_is_killed(running: Running) -> None:
    """Calls in flight on it may fail as UNAVAILABLE, and no others: the next ones go to the other pod."""
    running.install(running.values())
    [first, _] = running.ready(2)
    with calling(running.headless, BASIC) as seen:
        wait(3)
        name = first["metadata"]["name"]
        path = f"api/v1/namespaces/{running.namespace}/pods/{name}"
        running.cluster.request("DELETE", path, json={"gracePeriodSeconds": 0})
        running.ready(2)
        wait(3)
    assert {"OK"} <= set(seen.codes) <= {"OK", "UNAVAILABLE"}, seen.failures
    # Not more than each caller's call in flight.
    assert len(seen.failures) <= 8, seen.failures


@pytest.mark.long("55 s")
def test_scaling(running: Running) -> None:
    """More pods and fewer lose no call."""
    running.install(running.values())
    with calling(running.headless, BASIC) as seen:
        for count in (4, 1):
            running.cluster.patch(
                "Deployment", running.namespace, NAME, {"spec": {"replicas": count}}, subresource="/scale"
            )
            running.ready(count)
        wait(3)
    assert seen.failures == []


@pytest.mark.long("waits until Helm gives up, 80 s")
def test_a_configuration_that_does_not_work(running: Running) -> None:
    """The old pods go on, those that are replaced too, and `kubectl rollout undo` ends the update. So
    does Helm, where it is told to."""
    running.install(running.values())
    [first, second] = running.ready(2)
    broken = running.values()
    broken["config"]["auth"] = {"policy_file": "/nowhere/policy.yaml"}
    with calling(running.headless, BASIC) as seen:
        result = running.helm.run(
            "upgrade", "gw", str(CHART), "--namespace", running.namespace, "--wait", "--timeout", "15s", values=broken
        )
        assert result.code != 0
        running.cluster.delete("Pod", running.namespace, first["metadata"]["name"])

        def replaced() -> bool:
            ready = {
                pod["metadata"]["name"]
                for pod in running.pods()
                if "nowhere" not in pod["metadata"]["annotations"][CONFIG] and is_ready(pod)
            }
            return len(ready) == 2 and first["metadata"]["name"] not in ready

        eventually(replaced, f"an old pod is replaced by a working one: {running.describe()}", 60)
        undone = running.cluster.kubectl("rollout", "undo", f"deployment/{NAME}", "--namespace", running.namespace)
        assert undone.code == 0, undone.words
        assert second["metadata"]["name"] in {pod["metadata"]["name"] for pod in running.ready(2)}
        flags = ("--rollback-on-failure", "--timeout", "25s", "--force-conflicts")
        result = running.helm.run("upgrade", "gw", str(CHART), "--namespace", running.namespace, *flags, values=broken)
        assert result.code != 0
        running.ready(2)
        wait(2)
    assert seen.failures == []
    assert restarts(running.ready(2)[0]) == 0
