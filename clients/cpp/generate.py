"""Writes the contract that the C++ package is made from, so that building it needs no Python.

    generate.py FOLDER

- `descriptors.binpb`: the compiled protos of the gateway, and those of google/rpc that its errors consist of
- `protos.txt`: the names of all files that C++ classes are generated for
- `service_config.json`: which calls are repeated
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

ROOT = Path(__file__).resolve().parents[2]


def add(files: FileDescriptorSet, file: FileDescriptor) -> None:
    """Adds a file after all that it imports, unless it is there."""
    for dependency in file.dependencies:
        add(files, dependency)
    if all(file.name != present.name for present in files.file):
        file.CopyToProto(files.file.add())


def write(path: Path, content: bytes) -> None:
    """Writes a file unless it has the content, so that nothing is built anew for no reason."""
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)


def main(folder: Path) -> None:
    """Writes the files."""
    files = FileDescriptorSet.FromString((ROOT / "gateway" / "contract" / "descriptors.binpb").read_bytes())
    add(files, error_details_pb2.DESCRIPTOR)
    add(files, status_pb2.DESCRIPTOR)
    names = sorted(file.name for file in files.file if not file.name.startswith("google/protobuf/"))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "descriptors.binpb", files.SerializeToString(deterministic=True))
    write(folder / "protos.txt", "".join(f"{name}\n" for name in names).encode())
    write(folder / "service_config.json", (ROOT / "clients" / "service_config.json").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
