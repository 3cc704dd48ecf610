"""Compiles protos that a test has written down, for cases that the project's own protos do not have."""

from __future__ import annotations

from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from grpc_tools import protoc

from gateway.contract import Contract
from gateway.contract.reader import build_contract

__all__ = ["compiled", "contract_of"]

ROOT = Path(__file__).parents[1]
HEAD = """
syntax = "proto3";
package lab.v1;
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "vapi/std/errors/v1/error.proto";
import "vapi/v1/options.proto";
"""


def compiled(folder: Path, text: str, *, head: str = HEAD, imports: bool = True) -> bytes:
    """The serialized descriptor set of a proto."""
    source, output = folder / "lab.proto", folder / "lab.binpb"
    source.write_text(head + text)
    googleapis = Path(annotations_pb2.__file__).parents[2]
    includes = [folder, ROOT / "protos", googleapis, Path(grpc_tools.__file__).parent / "_proto"]
    arguments = [f"--proto_path={path}" for path in includes]
    arguments += ["--include_source_info", *(["--include_imports"] if imports else [])]
    assert protoc.main(["protoc", *arguments, f"--descriptor_set_out={output}", str(source)]) == 0
    return output.read_bytes()


def contract_of(folder: Path, text: str) -> Contract:
    """The contract of a proto of package `lab.v1`."""
    return build_contract(compiled(folder, text))
