"""Compiles protos/ into one descriptor set with imports and comments: the only generated file the gateway needs.

Used by the build (hatch_build.py) and by `make generate`. The google/api protos come from the installed
googleapis-common-protos, those of google/protobuf from grpcio-tools.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from grpc_tools import protoc

__all__ = ["compile_protos"]


def compile_protos(protos: Path, output: Path) -> None:
    """Writes the FileDescriptorSet of every .proto below `protos` to `output`.

    Raises SystemExit when protoc finds a mistake; protoc itself has then said which.
    """
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    googleapis = Path(annotations_pb2.__file__).parents[2]
    includes = [protos, googleapis, Path(grpc_tools.__file__).parent / "_proto"]
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = [f"--proto_path={path}" for path in includes]
    arguments += ["--include_imports", "--include_source_info", f"--descriptor_set_out={output}"]
    if protoc.main(["protoc", *arguments, *files]) != 0:
        sys.exit("protoc failed")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    compile_protos(root / "protos", root / "gateway" / "contract" / "descriptors.binpb")
