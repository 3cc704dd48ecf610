"""Writes the enums that programs compare with as Python enums, with the comments of the protos.

    generate.py DESCRIPTORS OUTPUT

protoc makes no `enum.Enum` of an enum, and what a program compares should be one.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

HEAD = '''"""vCenter's standard errors and the gateway's own, as Python enums. Generated from the protos."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ErrorType", "Reason"]
'''

ENUMS = (
    (
        "vapi/std/errors/v1/error.proto",
        "ErrorType",
        "ERROR_TYPE_",
        "What happened, in vCenter's terms. Numbers and names are those of the protos, less the prefix.",
    ),
    (
        "vcenter/gateway/v1/reason.proto",
        "Reason",
        "REASON_",
        "Why the gateway itself failed a call. Numbers and names are those of the protos, less the prefix.",
    ),
)

WIDTH = 110


def enum_source(descriptors: FileDescriptorSet, proto: str, name: str, prefix: str, summary: str) -> str:
    """The source of one enum."""
    file = next(file for file in descriptors.file if file.name == proto)
    enum_index, enum = next((index, enum) for index, enum in enumerate(file.enum_type) if enum.name == name)
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    lines = [f"class {name}(IntEnum):", f'    """{summary}"""', ""]
    for index, value in enumerate(enum.value):
        # 5 is the number of FileDescriptorProto.enum_type, 2 that of EnumDescriptorProto.value.
        text = _prose(comments[5, enum_index, 2, index])
        quoted = textwrap.indent(f'"""{text}"""' if "\n" not in text else f'"""{text}\n"""', "    ")
        lines += [f"    {value.name.removeprefix(prefix)} = {value.number}", quoted, ""]
    return "\n".join(lines).rstrip() + "\n"


def _prose(comment: str) -> str:
    """A comment less its indented examples, wrapped."""
    prose = " ".join(line for line in comment.splitlines() if not line.startswith("     "))
    return textwrap.fill(" ".join(prose.split()), WIDTH)


def module(descriptors: FileDescriptorSet) -> str:
    """The module's source."""
    return "\n\n".join([HEAD, *(enum_source(descriptors, *enum) for enum in ENUMS)])


if __name__ == "__main__":
    descriptors, output = map(Path, sys.argv[1:])
    output.write_text(module(FileDescriptorSet.FromString(descriptors.read_bytes())), encoding="utf-8")
