"""The protos as files: in good style, well commented, and one with what is compiled from them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from gateway.contract import load_contract
from tests.contract.comparison import Protos
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


def test_objective_c_prefixes() -> None:
    """Objective-C has one name space: the prefix of each file is its package, so no two classes have the same name."""
    contract = descriptor_pb2.FileDescriptorSet.FromString(load_contract().descriptor_set)
    ours = {str(path.relative_to(ROOT / "protos")) for path in PROTOS}
    found = {file.name: file for file in contract.file if file.name in ours}
    assert found.keys() == ours
    for name, file in found.items():
        parts = re.split(r"[._]", file.package)
        assert file.options.objc_class_prefix == "".join(part[:1].upper() + part[1:] for part in parts), name


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


# The oldest release that the gateway supports: what it has needs no word about when it came.
OLDEST = (7, 0, 3, 0)
# Where items stand in a file, and the option that says since when an item is there.
SINCE = {"rpc": "vapi.v1.since", "field": "vapi.v1.field_since", "value": "vapi.v1.value_since"}


def items(protos: Protos) -> Iterator[tuple[str, str, Any, str]]:
    """Each rpc, field and enum value of vCenter's, with its kind, its name and its comment."""
    for file in protos.set.file:
        comments = {tuple(item.path): item.leading_comments for item in file.source_code_info.location}
        for kind, owners, number, below, attribute in (
            ("rpc", file.service, 6, 2, "method"),
            ("field", file.message_type, 4, 2, "field"),
            ("value", file.enum_type, 5, 2, "value"),
        ):
            for position, owner in enumerate(owners):
                for place, item in enumerate(getattr(owner, attribute)):
                    comment = comments.get((number, position, below, place), "")
                    yield kind, f"{file.package}.{owner.name}.{item.name}", item, comment


def release(text: str) -> tuple[int, ...]:
    """A release as numbers that can be compared."""
    return tuple(map(int, text.split(".")))


def test_comments_say_since_when() -> None:
    """What is newer than the oldest supported release says so in its comment, or its rpc or message does; and none says
    anything but its option."""
    protos, silent, wrong, told = Protos(load_contract().descriptor_set), [], [], 0
    for kind, name, item, comment in items(protos):
        since = protos.option(item, SINCE[kind])
        said = re.findall(r"[Ss]ince\s+vCenter\s+(\d+(?:\.\d+)*)", comment)
        told += bool(said)
        if since and release(since) > OLDEST and not said and kind != "field":
            silent.append(name)
        if since and any(not since.startswith(text) for text in said):
            wrong.append((name, since, said))
    assert (silent, wrong) == ([], [])
    assert told > 50


def test_newer_fields_of_older_rpcs_say_since_when() -> None:
    """A field that is newer than an rpc that takes or returns it has the release in its own comment."""
    protos = Protos(load_contract().descriptor_set)
    comments = {f".{name}": comment for kind, name, _, comment in items(protos) if kind == "field"}
    silent, seen = set(), set()

    def look(message: str, known: tuple[int, ...]) -> None:
        if (message, known) in seen:
            return
        seen.add((message, known))
        for field in protos.messages[message].field:
            name, text = f"{message}.{field.name}", protos.option(field, SINCE["field"])
            since = max(known, release(text)) if text else known
            if since > known and f"vCenter {text}" not in " ".join(comments[name].split()):
                silent.add((name, text))
            if field.type_name in protos.messages:
                look(field.type_name, since)

    for method in protos.methods.values():
        since = protos.option(method, SINCE["rpc"])
        known = max(OLDEST, release(since)) if since else OLDEST
        look(method.input_type, known)
        look(method.output_type, known)
    assert silent == set()
    assert len(seen) > 500
