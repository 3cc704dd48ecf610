"""The version stands in one place, and tools/generate_version.py finds all the others."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from generate_version import HISTORY, changes, read_version

from gateway import __version__

ROOT = Path(__file__).parents[2]


def tracked() -> list[str]:
    """The files of the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_one_version() -> None:
    """No manifest and no document has another version than the gateway."""
    assert read_version(ROOT) == __version__
    assert changes(ROOT, __version__) == {}


def test_a_new_version_reaches_every_place() -> None:
    """No file is left that has the current version, or its first two numbers, next to a name of the project."""
    minor = re.escape(__version__.rpartition(".")[0])
    named = re.compile(rf"(?i)gateway[\w/@:={{'\"<>.\s-]{{0,60}}\b{minor}(?:\.\d+)?(?![\w.]*\d)")
    changed = {str(path.relative_to(ROOT)): text for path, text in changes(ROOT, "9.8.7").items()}
    assert {"gateway/__init__.py", "helm/vcenter-gateway/Chart.yaml", "clients/java/pom.xml"} <= changed.keys()
    left = []
    for name in tracked():
        if HISTORY & set(Path(name).parts):
            continue
        content = (ROOT / name).read_bytes()
        if b"\0" not in content and named.search(changed.get(name) or content.decode(errors="replace")):
            left.append(name)
    assert not left


def test_a_place_that_is_gone_is_reported(tmp_path: Path) -> None:
    """A manifest without its version, after a change of its form, is an error and not passed over."""
    for name in tracked():
        if not name.startswith(("gateway/__init__", "helm/vcenter-gateway/Chart", "clients/rust/Cargo")):
            continue
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert changes(tmp_path, __version__) == {}
    (tmp_path / "clients" / "rust" / "Cargo.toml").write_text("[package]\n")
    with pytest.raises(ValueError, match=r"^clients/rust/Cargo.toml has no version"):
        changes(tmp_path, __version__)


def test_the_changelog_has_it() -> None:
    """The version has a dated section, below that of what comes next."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
