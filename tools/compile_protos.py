"""Compiles protos/ into descriptor sets with imports.

    compile_protos.py              gateway/contract/descriptors.binpb, with comments: the gateway's contract
    compile_protos.py --released   protos/released.binpb, without them: what `buf breaking` compares later protos with

The build (hatch_build.py) and `make generate` create the first, `make release` the second. The google/api and
google/rpc protos come from the installed googleapis-common-protos, those of google/protobuf from grpcio-tools.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from grpc_tools import protoc

__all__ = ["compile_protos"]

# Our protos do not import these, but every error uses them, and clients generated from the set alone need them.
_OF_ERRORS = ("google/rpc/code.proto", "google/rpc/error_details.proto", "google/rpc/status.proto")


def compile_protos(protos: Path, output: Path, *, comments: bool = True) -> None:
    """Writes the FileDescriptorSet of every .proto below `protos` to `output`.

    Raises SystemExit if protoc fails; protoc itself has then reported the mistake.
    """
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    googleapis = Path(annotations_pb2.__file__).parents[2]
    includes = [protos, googleapis, Path(grpc_tools.__file__).parent / "_proto"]
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = [f"--proto_path={path}" for path in includes]
    arguments += ["--include_imports", f"--descriptor_set_out={output}"]
    if comments:
        arguments.append("--include_source_info")
    if protoc.main(["protoc", *arguments, *files, *_OF_ERRORS]) != 0:
        sys.exit("protoc failed")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    if "--released" in sys.argv[1:]:
        compile_protos(root / "protos", root / "protos" / "released.binpb", comments=False)
    else:
        compile_protos(root / "protos", root / "gateway" / "contract" / "descriptors.binpb")
