"""The cluster of a test run: one control plane for all tests, and on request a node that runs pods."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import node as nodes
from tests.cluster.build import built, helm4, kubernetes_version
from tests.cluster.cluster import Cluster, Helm
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.helm.chart import ROOT, helm

_LEFT_OUT = pytest.StashKey[list[pytest.Item]]()


def pytest_configure(config: pytest.Config) -> None:
    """Knows the tests that `--quick` leaves out: `long`, with the reason."""
    config.addinivalue_line("markers", "long(reason): takes too long for each change")


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Keeps what is left out, for the summary."""
    if items:
        items[0].config.stash.setdefault(_LEFT_OUT, []).extend(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Names what `--quick` left out, and why."""
    if config.option.markexpr != "not long":
        return
    for item in config.stash.get(_LEFT_OUT, []):
        if marker := item.get_closest_marker("long"):
            terminalreporter.write_line(f"left out: {item.nodeid}: {marker.args[0]}")


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane: on the node's address where there is a node, whose pods are to reach it."""
    has_node = bool(os.environ.get("CLUSTER_NODE"))
    kubernetes = built(kubernetes_version(), node=has_node)
    folder = tmp_path_factory.mktemp("cluster")
    with control_plane(kubernetes, folder, nodes.ADDRESS if has_node else "127.0.0.1") as found:
        yield found


@pytest.fixture(scope="session")
def cluster(plane: ControlPlane) -> Iterator[Cluster]:
    """The cluster, with the definitions of all custom resources that the chart and its documents know."""
    with Cluster.of(plane) as found:
        for definition in sorted((ROOT / "build" / "tools" / "crds").glob("*.yaml")):
            found.apply(definition.read_text(encoding="utf-8"))
        yield found


@pytest.fixture(scope="session")
def both(cluster: Cluster) -> list[Helm]:
    """Both versions of Helm."""
    programs = {3: Path(helm()), 4: helm4()}
    return [Helm(version, program, cluster.plane.kubeconfig) for version, program in programs.items()]


@pytest.fixture(scope="session", params=[3, 4], ids=["helm3", "helm4"])
def helms(request: pytest.FixtureRequest, both: list[Helm]) -> Helm:
    """Both versions of Helm, one after the other."""
    [found] = [item for item in both if item.version == request.param]
    return found
