"""Renders the chart with the real Helm; no cluster is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

__all__ = [
    "CHART",
    "CONFIG",
    "VALUE_FILES",
    "Objects",
    "gateway_yaml",
    "gateways",
    "helm",
    "lint",
    "notes",
    "only",
    "refusal",
    "render",
]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "vcenter-gateway"
VALUE_FILES = sorted((CHART / "ci").glob("*.yaml"))
VCENTER = {"config": {"vcenter": {"url": "https://vcenter.example.com"}}}

CONFIG = "vcenter-gateway/config"

Objects = list[dict[str, Any]]


def helm() -> str:
    """The Helm that `make check-helm` builds, else the machine's own. Only a developer's machine may have none."""
    built = ROOT / "build" / "tools" / "bin" / "helm"
    found = str(built) if built.exists() else shutil.which("helm")
    if found is None:
        assert not os.environ.get("CI"), "there is no helm: run `make build/tools/bin/helm`"
        pytest.skip("there is no helm: run `make build/tools/bin/helm`, which takes Go")
    return found


def _run(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    command = [helm(), *arguments]
    if values is not None:
        command += ["--values", "-"]
    # JSON, since what is text there is text to Helm too: `1e3`, `0x1F`, `yes`.
    text = json.dumps(values) if values is not None else None
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def _template(
    values: dict[str, Any],
    files: tuple[Path, ...] = (),
    kubernetes: str = "1.33.0",
    chart: Path = CHART,
    release: str = "gw",
    namespace: str = "apps",
) -> subprocess.CompletedProcess[str]:
    flags = [flag for file in files for flag in ("--values", str(file))]
    names = [release, str(chart), "--namespace", namespace]
    return _run("template", *names, "--kube-version", kubernetes, *flags, values=values)


def render(values: dict[str, Any] | None = None, *files: Path, **named: Any) -> Objects:
    """The objects that the chart makes of these values. Without any, a gateway in front of a vCenter.

    `kubernetes`, `chart`, `release` and `namespace` may be named.
    """
    result = _template(values if values is not None else VCENTER, files, **named)
    assert result.returncode == 0, result.stderr
    return [item for item in yaml.safe_load_all(result.stdout) if item]


def refusal(values: dict[str, Any], release: str = "gw") -> str:
    """What Helm says against these values."""
    result = _template(values, release=release)
    assert result.returncode != 0, "the values were accepted"
    return result.stderr


def notes(values: dict[str, Any]) -> str:
    """What Helm tells after the installation, on one line.

    Helm renders it only with a cluster at hand, hence a copy of the chart in which it is a template like the others.
    """
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder, "chart")))
        text = (chart / "templates" / "NOTES.txt").read_text(encoding="utf-8")
        wrapped = (
            f'{{{{ define "notes" }}}}{text}{{{{ end }}}}\nkind: Notes\ntext: {{{{ include "notes" . | quote }}}}\n'
        )
        (chart / "templates" / "notes.yaml").write_text(wrapped, encoding="utf-8")
        result = _template(values, chart=chart)
    assert result.returncode == 0, result.stderr
    [told] = [item["text"] for item in yaml.safe_load_all(result.stdout) if item and item["kind"] == "Notes"]
    return " ".join(told.split())


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    """`helm lint --strict` with a file of values."""
    return _run("lint", "--strict", "--quiet", "--kube-version", "1.33", str(CHART), "--values", str(file))


def gateways(objects: Objects) -> Objects:
    """The Deployments of gateways: one, or in a fleet one for each vCenter."""
    deployments = [item for item in objects if item["kind"] == "Deployment"]
    return [item for item in deployments if item["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway"]


def gateway_yaml(objects: Objects) -> str:
    """The configuration file that the pods of the one Deployment get."""
    template = only(objects, "Deployment")["spec"]["template"]
    [volume] = [item for item in template["spec"]["volumes"] if item["name"] == "config"]
    [file] = volume["downwardAPI"]["items"]
    assert (file["path"], file["fieldRef"]["fieldPath"]) == ("gateway.yaml", f"metadata.annotations['{CONFIG}']")
    text: str = template["metadata"]["annotations"][CONFIG]
    return text


def only(objects: Objects, kind: str, ending: str = "") -> dict[str, Any]:
    """The one object of a kind, and with this ending of its name."""
    found = [item for item in objects if item["kind"] == kind and item["metadata"]["name"].endswith(ending)]
    assert len(found) == 1, [item["metadata"]["name"] for item in found]
    return found[0]
