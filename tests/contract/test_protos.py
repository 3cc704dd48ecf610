"""The protos as files: in good style, well commented, and one with what is compiled from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from gateway.contract import load_contract
from tests.protos import compiled

ROOT = Path(__file__).parents[2]
PROTOS = sorted((ROOT / "protos").rglob("*.proto"))


def lint(descriptor_set: Path) -> subprocess.CompletedProcess[str]:
    """What buf says about a descriptor set under the project's rules."""
    buf = Path(sys.executable).with_name("buf")
    command = [str(buf), "lint", str(descriptor_set), "--config", str(ROOT / "buf.yaml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_lint(tmp_path: Path) -> None:
    """Buf has nothing to say about the protos."""
    path = tmp_path / "contract.binpb"
    path.write_bytes(load_contract().descriptor_set)
    result = lint(path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_lint_can_fail(tmp_path: Path) -> None:
    """Buf does object to a proto in another style, under the same rules."""
    text = "message pump { string Name = 1; }"
    path = tmp_path / "lab.binpb"
    path.write_bytes(compiled(tmp_path, text, head='syntax = "proto3"; package lab.v1;'))
    result = lint(path)
    assert result.returncode != 0
    assert "PascalCase" in result.stdout
    assert "comment" in result.stdout


def test_lint_has_no_exceptions_in_files(tmp_path: Path) -> None:
    """A comment in a proto cannot switch a rule off."""
    text = "// buf:lint:ignore COMMENT_MESSAGE\n// buf:lint:ignore MESSAGE_PASCAL_CASE\nmessage pump {}"
    path = tmp_path / "lab.binpb"
    path.write_bytes(compiled(tmp_path, text, head='syntax = "proto3"; package lab.v1;'))
    assert "PascalCase" in lint(path).stdout


def test_comment_density() -> None:
    """About every second line of the protos is one of comment, blank lines and lists of errors apart."""
    errors = "option (vapi.v1.errors)"
    lines = [line.strip() for path in PROTOS for line in path.read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith(errors)]
    comments = sum(line.startswith("//") for line in lines)
    assert len(PROTOS) > 30
    assert 0.40 <= comments / len(lines) <= 0.60


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT / "protos"))) for path in PROTOS])
def test_every_file_is_compiled(path: Path) -> None:
    """Each proto is in the descriptor set of the package."""
    files = descriptor_pb2.FileDescriptorSet.FromString(load_contract().descriptor_set).file
    assert str(path.relative_to(ROOT / "protos")) in {file.name for file in files}
