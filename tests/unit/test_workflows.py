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
_MAKE = (
    r'(?:sudo \S+ (?:env "PATH=\$PATH" )?)?make(?: PYTHON=python\${{[^}]+}})?'
    r'((?: [a-z-]+(?:\${{[^}]+}})?)+)(?: ARGS="([^"]+)"| "TAG=.+")?'
)
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
        assert set(re.sub(r"\${{[^}]+}}", "%", found[1]).split()) <= set(targets)
        for name in re.findall(r"tests/\S+", found[2] or ""):
            assert (ROOT / name).is_file()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_actions_are_pinned(workflow: Path) -> None:
    """Each action is named by its commit, which nobody can move, beside the version that Dependabot reads."""
    uses = [line for line in workflow.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not re.fullmatch(r"\s+- uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_permissions(workflow: Path) -> None:
    """A workflow reads the repository; only the job that signs may do more, and no later step gets the token."""
    content = load(workflow)
    assert content["permissions"] == {"contents": "read"}
    for name, job in content["jobs"].items():
        signs = any("attest" in step.get("uses", "") for step in job["steps"])
        expected = {"attestations": "write", "contents": "read", "id-token": "write"} if signs else None
        assert job.get("permissions") == expected, name
        [checkout] = [step for step in job["steps"] if "/checkout@" in step.get("uses", "")]
        assert checkout["with"]["persist-credentials"] is False


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
