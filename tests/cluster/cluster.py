"""What tests do with a cluster: Helm of either version, and the API server, asked directly since kubectl is slow."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.cluster.control_plane import ControlPlane

__all__ = ["RESTRICTED", "Cluster", "Helm", "Object", "RefusedError", "Result", "eventually"]

Object = dict[str, Any]
T = TypeVar("T")

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
"""Labels of a namespace that takes pods of the restricted profile alone."""

_PLURALS = {
    "Deployment": "apis/apps/v1/deployments",
    "ReplicaSet": "apis/apps/v1/replicasets",
    "Pod": "api/v1/pods",
    "Service": "api/v1/services",
    "ServiceAccount": "api/v1/serviceaccounts",
    "ConfigMap": "api/v1/configmaps",
    "Secret": "api/v1/secrets",
    "Event": "api/v1/events",
    "EndpointSlice": "apis/discovery.k8s.io/v1/endpointslices",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/horizontalpodautoscalers",
    "PodDisruptionBudget": "apis/policy/v1/poddisruptionbudgets",
    "NetworkPolicy": "apis/networking.k8s.io/v1/networkpolicies",
    "Ingress": "apis/networking.k8s.io/v1/ingresses",
}


class RefusedError(Exception):
    """The API server refused something."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a program said."""

    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Both outputs on one line."""
        return " ".join(f"{self.stdout} {self.stderr}".split())


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of Helm, for one cluster."""

    version: int
    program: Path
    kubeconfig: Path

    def run(self, *arguments: str, values: Object | None = None, timeout: float = 110) -> Result:
        """Runs it, with values as a file where there are some."""
        command = [str(self.program), *arguments, *(["--values", "-"] if values is not None else [])]
        return _run(command, self.kubeconfig, json.dumps(values) if values is not None else None, timeout)

    def ok(self, *arguments: str, values: Object | None = None, timeout: float = 110) -> Result:
        """The same, where it has to succeed."""
        result = self.run(*arguments, values=values, timeout=timeout)
        assert result.code == 0, result.words
        return result


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    plane: ControlPlane
    _session: requests.Session

    @classmethod
    @contextmanager
    def of(cls, plane: ControlPlane) -> Iterator[Cluster]:
        """The cluster of a control plane."""
        with plane.session() as session:
            yield cls(plane, session)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> Result:
        """Runs kubectl."""
        return _run([str(self.plane.kubernetes.program), "kubectl", *arguments], self.plane.kubeconfig, stdin, timeout)

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request to the API server; raises RefusedError with what it says."""
        response = self._session.request(method, f"{self.plane.url}/{path}", timeout=30, **more)
        if not response.ok:
            raise RefusedError(f"{response.status_code}: {response.text[:2000]}")
        return response

    def items(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of a kind in a namespace, by their labels."""
        found = self.request("GET", _path(kind, namespace), params={"labelSelector": selector}).json()["items"]
        return [{"kind": kind, **item} for item in found]

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """One object; raises RefusedError where there is none."""
        found: Object = self.request("GET", f"{_path(kind, namespace)}/{name}").json()
        return found

    def patch(self, kind: str, namespace: str, name: str, change: Object, *, subresource: str = "") -> None:
        """Merges a change into an object."""
        headers = {"Content-Type": "application/merge-patch+json"}
        self.request("PATCH", f"{_path(kind, namespace)}/{name}{subresource}", data=json.dumps(change), headers=headers)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Deletes an object."""
        self.request("DELETE", f"{_path(kind, namespace)}/{name}")

    def create(self, kind: str, namespace: str, content: Object) -> Object:
        """Creates an object."""
        made: Object = self.request("POST", _path(kind, namespace), json=content).json()
        return made

    def apply(self, text: str) -> None:
        """Server-side apply of manifests."""
        result = self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
        assert result.code == 0, result.words

    def namespace(self, name: str, labels: Object | None = None) -> str:
        """Makes a namespace with Pod Security enforced, unless other labels are given. One that is there stays."""
        metadata = {"name": name, "labels": RESTRICTED if labels is None else labels}
        try:
            self.request("POST", "api/v1/namespaces", json={"metadata": metadata})
        except RefusedError as error:
            if not str(error).startswith("409"):
                raise
        return name


def eventually(check: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """What a check gives as soon as it gives something; fails after some seconds."""
    end = time.monotonic() + seconds
    while True:
        if found := check():
            return found
        assert time.monotonic() < end, f"after {seconds} seconds: {what}"
        time.sleep(0.1)


def _path(kind: str, namespace: str) -> str:
    group, plural = _PLURALS[kind].rsplit("/", 1)
    return f"{group}/namespaces/{namespace}/{plural}"


def _run(command: Sequence[str], kubeconfig: Path, stdin: str | None, timeout: float) -> Result:
    home = kubeconfig.parent / "home"
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr)
