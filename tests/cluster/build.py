"""Builds Kubernetes and what the tests need beside it into build/cluster, from the sources on the Go module proxy.

Kubernetes takes about 13 minutes of CPU without Go's build cache, and less than half a minute with it; a version that
is built stays. Nobody debugs the programs: leaving out what debuggers need saves a seventh of the compilers' time, and
letting the compilers use more memory a quarter. Its module names the modules of its `staging` folder by paths that the
published zip lacks: the modules that are published under their own names stand in.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BUILD",
    "ROOT",
    "VERSIONS",
    "BuildError",
    "Kubernetes",
    "built",
    "helm4",
    "kube_router",
    "kubernetes_version",
    "metrics_server",
    "static_program",
]

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "cluster"
_PROGRAMS = Path(__file__).with_name("programs")

VERSIONS = {
    "1.37.2": "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=",
    "1.33.13": "h1:bmH31xUdSzeA5vk0wZAK9MZp11mdLuzUSeKk0qN3hPQ=",
}
"""The versions of Kubernetes that are known to build, newest first, with the checksums of their modules."""

HELM = ("helm.sh/helm/v4", "4.3.2")
"""Helm 4. Helm 3 is built by the Makefile, which every check of the chart needs."""

METRICS_SERVER = ("sigs.k8s.io/metrics-server", "0.9.0")
"""What tells the autoscaler how much CPU pods use."""

KUBE_ROUTER = ("github.com/cloudnativelabs/kube-router/v2", "2.1.0")
"""What enforces NetworkPolicies."""


class BuildError(Exception):
    """Something cannot be built; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """A built Kubernetes: one program, whose first argument says which part it is."""

    version: str
    program: Path
    has_node: bool


def kubernetes_version() -> str:
    """The version that the environment asks for by KUBERNETES, else the newest."""
    version = os.environ.get("KUBERNETES") or next(iter(VERSIONS))
    if version not in VERSIONS:
        raise BuildError(f"Kubernetes {version} is not among the versions that build: {', '.join(VERSIONS)}")
    return version


def built(version: str, *, node: bool = False) -> Kubernetes:
    """Kubernetes of a version, built now unless it is there. `node` adds kubelet and kube-proxy."""
    folder = BUILD / version
    with_node, without = folder / "kubernetes-node", folder / "kubernetes"
    target = with_node if node or with_node.exists() else without
    if not target.exists():
        _say(f"Building Kubernetes {version}; this takes some minutes the first time.")
        _go(_build_command(target, version, "node" if node else "", ".", _KUBERNETES_VERSION), _sources(version))
    return Kubernetes(version, target, has_node=target is with_node)


def helm4() -> Path:
    """Helm 4, built now unless it is there: with the newest Kubernetes, with which it shares most of its code."""
    return _relative(HELM, "helm", "internal/version.version")


def metrics_server() -> Path:
    """metrics-server, in the same way, but beside Kubernetes, some of whose modules it would have newer."""
    return _relative(METRICS_SERVER, "metrics-server", "pkg/version.gitVersion", METRICS_SERVER)


def kube_router() -> Path:
    """kube-router, like metrics-server."""
    return _relative(KUBE_ROUTER, "kube-router", "pkg/version.Version", KUBE_ROUTER)


def _relative(which: tuple[str, str], name: str, variable: str, *more: tuple[str, str]) -> Path:
    module, version = which
    target = BUILD / f"{name}-{version}"
    if not target.exists():
        _say(f"Building {name} {version}.")
        newest = next(iter(VERSIONS))
        _go(
            _build_command(target, version, "", f"{module}/cmd/{name}", f"{module}/{variable}"), _sources(newest, *more)
        )
    return target


def static_program(name: str) -> Path:
    """A program of programs/ that needs no library, built now."""
    target = BUILD / name
    source = _PROGRAMS / name / "main.go"
    _go(["build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), str(source)], _PROGRAMS, static=True)
    return target


def _sources(version: str, *more: tuple[str, str]) -> Path:
    """A Go module with the sources of one version of Kubernetes, of Helm where it is for this version, and of more."""
    sources = BUILD / version / "-".join(["module", *(module.split("/")[-1] for module, _ in more)])
    shutil.copytree(_PROGRAMS / "kubernetes", sources, dirs_exist_ok=True)
    module = f"k8s.io/kubernetes@v{version}"
    found = json.loads(_go(["mod", "download", "-json", module], BUILD))
    if found["Sum"] != VERSIONS[version]:
        raise BuildError(f"{module} has the checksum {found['Sum']}, not {VERSIONS[version]}")
    published = Path(found["GoMod"]).read_text(encoding="utf-8")
    lines = re.sub(r"=> \./staging/src/(\S+)", rf"=> \1 v0.{version.removeprefix('1.')}", published).splitlines()
    kept = [line for line in lines if not line.startswith(("module ", "godebug", "//"))]
    needed = [f"k8s.io/kubernetes v{version}"]
    if version == next(iter(VERSIONS)):
        needed.append(f"{HELM[0]} v{HELM[1]}")
    needed += [f"{module} v{number}" for module, number in more]
    (sources / "go.mod").write_text("\n".join(["module cluster", *kept, *(f"require {item}" for item in needed), ""]))
    return sources


_KUBERNETES_VERSION = "k8s.io/component-base/version.git"


def _build_command(target: Path, version: str, tags: str, package: str, variable: str) -> list[str]:
    variables = {variable: f"v{version}"}
    if variable == _KUBERNETES_VERSION:
        major, minor, _ = version.split(".")
        values = {"Version": f"v{version}", "Major": major, "Minor": minor, "TreeState": "clean", "Commit": "none"}
        variables = {f"{variable}{name}": value for name, value in values.items()}
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in variables.items())])
    lean = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", flags]
    return ["build", "-mod=mod", *lean, "-tags", tags, "-o", str(target), package]


def _go(arguments: list[str], folder: Path, *, static: bool = False) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("go") is None:
        raise BuildError("Kubernetes is built from its source: Go is missing")
    # Two at a time and politely: others may work on this machine.
    environment = os.environ | {
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -p=2".strip(),
        "GOWORK": "off",
        "GOGC": "400",
    }
    environment |= {"CGO_ENABLED": "0"} if static else {}
    result = subprocess.run(
        ["nice", "-n", "10", "go", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if result.returncode:
        # What is wrong with a module is in its JSON.
        text = result.stderr + result.stdout
        lines = [line for line in text.splitlines() if not line.startswith("go: downloading")]
        raise BuildError("\n".join(["go " + " ".join(arguments[:2]) + " failed:", *lines[-30:]]))
    return result.stdout


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
