"""Writes vCenter's error types as a Python enum, with the comments of the protos.

    generate.py DESCRIPTORS OUTPUT

protoc makes no `enum.Enum` of an enum, and what a program compares should be one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROTO = "vapi/std/errors/v1/error.proto"
ENUM = "ErrorType"
PREFIX = "ERROR_TYPE_"

HEAD = '''"""vCenter's standard errors as a Python enum. Generated from vapi.std.errors.v1.ErrorType."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ErrorType"]


class ErrorType(IntEnum):
    """What happened, in vCenter's terms. Numbers and names are those of the protos, less the prefix."""
'''


def error_type_module(descriptors: FileDescriptorSet) -> str:
    """The module's source."""
    file = next(file for file in descriptors.file if file.name == PROTO)
    enum_index, enum = next((index, enum) for index, enum in enumerate(file.enum_type) if enum.name == ENUM)
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    lines = [HEAD]
    for index, value in enumerate(enum.value):
        # 5 is the number of FileDescriptorProto.enum_type, 2 that of EnumDescriptorProto.value.
        comment = " ".join(comments[5, enum_index, 2, index].split())
        lines += [f"    {value.name.removeprefix(PREFIX)} = {value.number}", f'    """{comment}"""', ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    descriptors, output = map(Path, sys.argv[1:])
    output.write_text(error_type_module(FileDescriptorSet.FromString(descriptors.read_bytes())), encoding="utf-8")
