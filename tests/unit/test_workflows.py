"""The hosted continuous integration has no steps of its own, and updates everything that is pinned."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_MAKE = r'(?:sudo \S+ (?:env "PATH=\$PATH" )?)?make(?: PYTHON=python\${{[^}]+}})? ([a-z-]+)(\${{.+}})?( "TAG=.+")?'
# What a folder is known by that an ecosystem's updates are for.
MANIFESTS = {
    "cargo": "Cargo.toml",
    "gomod": "go.mod",
    "maven": "pom.xml",
    "npm": "package.json",
    "pip": "pyproject.toml",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_steps_are_make_targets(workflow: Path) -> None:
    """Whatever a workflow runs, a developer can run as well: a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+%?):", makefile, re.MULTILINE)
    steps = [step for job in load(workflow)["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        found = re.fullmatch(_MAKE, command)
        assert found, command
        assert (f"{found[1]}%" if found[2] else found[1]) in targets


def test_versions_of_python() -> None:
    """The suite runs with every version that the package says it supports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == supported
    assert project["requires-python"] == f">={supported[0]}"


@pytest.mark.parametrize("ecosystem", MANIFESTS)
def test_everything_pinned_is_updated(ecosystem: str) -> None:
    """Dependabot looks into every folder that has a manifest."""
    updates = load(ROOT / ".github" / "dependabot.yml")["updates"]
    [update] = [item for item in updates if item["package-ecosystem"] == ecosystem]
    listed = {name.strip("/") for name in update.get("directories") or [update["directory"]]}
    command = ["git", "-C", str(ROOT), "ls-files", MANIFESTS[ecosystem], f"*/{MANIFESTS[ecosystem]}"]
    tracked = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    there = {str(Path(name).parent).removeprefix(".") for name in tracked}
    # The generator's manifest is in the workspace of the Rust client.
    assert listed == there - {"clients/rust/codegen"}
