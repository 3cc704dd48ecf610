"""Reasons: the enum of the protos, that of the gateway, and the table of their codes say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import BY_REASON, GATEWAY_DOMAIN, Reason

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
FILE = "vcenter/gateway/v1/reason.proto"
_PREFIX = "REASON_"
_EXAMPLE = re.compile(r"^\s*\{.*\}\s*$", re.DOTALL | re.MULTILINE)


def values() -> dict[str, str]:
    """The values of the enum by name, with their comments."""
    files = descriptor_pb2.FileDescriptorSet.FromString(load_contract().descriptor_set).file
    [file] = [file for file in files if file.name == FILE]
    [enum] = file.enum_type
    assert enum.name == "Reason"
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    return {value.name: comments[5, 0, 2, index] for index, value in enumerate(enum.value)}


REASONS = {name: comment for name, comment in values().items() if name != "REASON_UNSPECIFIED"}


def test_the_enums_are_equal() -> None:
    """The gateway has the reasons of the protos, in their order, less the prefix."""
    assert [f"{_PREFIX}{reason}" for reason in Reason] == list(REASONS)
    assert next(iter(values())) == "REASON_UNSPECIFIED"


def test_every_reason_has_a_code() -> None:
    """The table of codes is complete, and no reason stands for success."""
    assert list(BY_REASON) == list(Reason)
    assert code_pb2.OK not in BY_REASON.values()


@pytest.mark.parametrize("name", REASONS)
def test_the_example(name: str) -> None:
    """The comment of a value shows its ErrorInfo: its own reason, the gateway's domain, and texts as metadata."""
    [example] = _EXAMPLE.findall(REASONS[name])
    info = json.loads(example)
    assert set(info) == {"reason", "domain", "metadata"}
    assert (info["reason"], info["domain"]) == (name.removeprefix(_PREFIX), GATEWAY_DOMAIN)
    assert all(isinstance(value, str) for value in info["metadata"].values())
    assert set(info["metadata"]) <= {"operation", "http_status", "may_have_executed", "pid"}


@pytest.mark.parametrize("name", REASONS)
def test_the_code_in_the_comment(name: str) -> None:
    """The comment of a value says its gRPC code, that of the table first."""
    text = " ".join(REASONS[name].split())
    found = re.search(r"The gRPC code is `([A-Z_]+)`", text)
    assert found is not None
    assert found[1] == code_pb2.Code.Name(BY_REASON[Reason(name.removeprefix(_PREFIX))])


def test_every_reason_is_documented() -> None:
    """The page about errors has a row for each reason, in order, with its code first."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)`[^|]*\|[^|]+\|[^|]+\|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(reason, code_pb2.Code.Name(code)) for reason, code in BY_REASON.items()]
