"""A node, a simulated vCenter that pods reach, and releases that run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster import node as nodes
from tests.cluster.cluster import Cluster, Helm
from tests.cluster.control_plane import ControlPlane
from tests.cluster.running.figures import summary
from tests.cluster.running.release import Running
from tests.helm.chart import ROOT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells what was measured."""
    for line in summary():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def cluster(plane: ControlPlane) -> Iterator[Cluster]:
    """The cluster, with a node."""
    with Cluster.of(plane) as found, nodes.node(found, sorted((nodes.FOLDER / "images").glob("*.tar"))):
        yield found


@contextmanager
def simulator(port: int, machines: int) -> Iterator[str]:
    """A simulated vCenter beside the pods, and its address."""
    listen = f"{nodes.ADDRESS}:{port}"
    command = [sys.executable, "-m", "gateway", "simulate", "--listen", listen, "--vms", str(machines)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{listen}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def vcenter(cluster: Cluster) -> Iterator[str]:
    """A vCenter with 20 machines."""
    with simulator(8989, 20) as url:
        yield url


@pytest.fixture(scope="session")
def second_vcenter(cluster: Cluster) -> Iterator[str]:
    """Another one, with 7."""
    with simulator(8990, 7) as url:
        yield url


@pytest.fixture
def running(cluster: Cluster, both: list[Helm], vcenter: str, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A release that is not installed yet, and is gone in the end. Helm 4, as the newer one."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:50].strip("-")
    release = Running(cluster, both[1], name, vcenter)
    yield release
    release.remove()
