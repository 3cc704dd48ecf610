"""A release whose pods run."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster, Helm, Object, Result, eventually
from tests.cluster.running.calling import call
from tests.cluster.running.figures import note_memory
from tests.helm.chart import CHART

__all__ = ["NAME", "Running"]

NAME = "gw-vcenter-gateway"
_IMAGE = {"repository": "localhost/vcenter-gateway", "tag": "test", "pullPolicy": "Never"}


class Running:
    """A release in a namespace of its own, in front of a vCenter."""

    def __init__(self, cluster: Cluster, helm: Helm, namespace: str, vcenter: str) -> None:
        self.cluster, self.helm, self.vcenter = cluster, helm, vcenter
        self.namespace = cluster.namespace(namespace)

    @property
    def headless(self) -> str:
        """The address for clients that balance calls themselves."""
        return f"dns:///{NAME}-headless.{self.namespace}.svc.cluster.local:50051"

    @property
    def address(self) -> str:
        """The address of the service."""
        return f"{NAME}.{self.namespace}.svc.cluster.local:50051"

    def values(self, server: Object | None = None, **more: Any) -> Object:
        """Values for the vCenter, with settings of the section `server`. Updates are quicker than by default."""
        found: Object = {"image": _IMAGE, "config": {"vcenter": {"url": self.vcenter}}, "minReadySeconds": 8}
        found["config"]["server"] = {"settle_seconds": 10, "grace_seconds": 10, **(server or {})}
        found["resources"] = {"requests": {"cpu": "20m"}}
        return found | deepcopy(more)

    def install(self, values: Object, *flags: str, chart: Path = CHART) -> Result:
        """Installs it and waits until it serves."""
        return self._run("install", chart, values, *flags)

    def upgrade(self, values: Object, *flags: str, chart: Path = CHART) -> Result:
        """Upgrades it and waits until every pod is new."""
        return self._run("upgrade", chart, values, *flags)

    def _run(self, action: str, chart: Path, values: Object, *flags: str) -> Result:
        arguments = (action, "gw", str(chart), "--namespace", self.namespace, "--wait", "--timeout", "240s", *flags)
        result = self.helm.run(*arguments, values=values, timeout=280)
        assert result.code == 0, result.words + self.describe()
        eventually(
            lambda: not [pod for pod in self.pods() if "deletionTimestamp" in pod["metadata"]], "old pods are gone", 90
        )
        return result

    def remove(self) -> None:
        """Uninstalls it, and deletes its namespace."""
        note_memory(self.pods())
        self.helm.run("uninstall", "gw", "--namespace", self.namespace)
        self.cluster.request("DELETE", f"api/v1/namespaces/{self.namespace}")

    def pods(self, component: str = "gateway") -> list[Object]:
        """The gateways' pods, those that end included."""
        return self.cluster.items("Pod", self.namespace, f"app.kubernetes.io/component={component}")

    def ready(self, count: int, seconds: float = 90) -> list[Object]:
        """The ready pods, as soon as there are so many and no others."""

        def found() -> list[Object] | None:
            pods = self.pods()
            return pods if len(pods) == count and all(is_ready(pod) for pod in pods) else None

        return eventually(found, f"{count} ready pods: {self.describe()}", seconds)

    def codes(self, *metadata: tuple[str, str]) -> list[str]:
        """What a call to each pod ends in."""
        return [call(f"{pod['status']['podIP']}:50051", *metadata)[0] for pod in self.pods()]

    def logs(self, pod: Object) -> list[str]:
        """The lines that a pod wrote."""
        result = self.cluster.kubectl("logs", pod["metadata"]["name"], "--namespace", self.namespace)
        assert result.code == 0, result.words
        return result.stdout.splitlines()

    def describe(self) -> str:
        """Why pods are not ready."""
        lines = []
        for pod in self.pods():
            statuses = pod.get("status", {}).get("containerStatuses", [])
            states = [json.dumps(status.get("state")) + json.dumps(status.get("lastState")) for status in statuses]
            lines.append(f"{pod['metadata']['name']}: {pod.get('status', {}).get('phase')} {' '.join(states)}")
        return "\n".join(lines)


def is_ready(pod: Object) -> bool:
    """Whether a pod takes calls."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def restarts(pod: Object) -> int:
    """How often its containers were started again."""
    return sum(status["restartCount"] for status in pod["status"]["containerStatuses"])


def wait(seconds: float) -> None:
    """Lets callers call for a while, since what is to be seen is that nothing happens."""
    time.sleep(seconds)
