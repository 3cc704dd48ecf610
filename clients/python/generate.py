"""Completes what protoc writes below a folder of sources.

    generate.py DESCRIPTORS FOLDER

- The enums that programs compare with become Python enums, with the comments of the protos. protoc makes no `enum.Enum`
  of an enum, and what a program compares should be one.
- Stubs whose top-level package has a name that any program may have taken for a package of its own, such as `content`,
  move into `vcenter_gateway_client`: Python finds only one package of a name.
"""

from __future__ import annotations

import re
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

CLIENT = "vcenter_gateway_client"
OWN_NAMES = {"vapi", "vcenter"}
"""The packages that stay where protoc puts them: nobody else is likely to use these names."""

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


def move(folder: Path, names: set[str]) -> None:
    """Moves top-level packages into the client, and changes all modules that name them."""
    # Imports, and the module's own name, which protoc tells the classes.
    before = r"\s*from |\s*import |.*BuildTopDescriptorsAndMessages\(DESCRIPTOR, '"
    named = re.compile(rf"^({before})({'|'.join(sorted(names))})\.", re.MULTILINE)
    for name in names:
        (folder / name).rename(folder / CLIENT / name)
    for top in (*(folder / name for name in OWN_NAMES), *(folder / CLIENT / name for name in names)):
        for path in top.rglob("*.py*"):
            source = path.read_text(encoding="utf-8")
            path.write_text(named.sub(rf"\1{CLIENT}.\2.", source), encoding="utf-8")


def main(descriptors: Path, folder: Path) -> None:
    """Completes the sources in a folder."""
    files = FileDescriptorSet.FromString(descriptors.read_bytes())
    (folder / CLIENT / "_enums.py").write_text(module(files), encoding="utf-8")
    tops = {file.package.partition(".")[0] for file in files.file}
    move(folder, tops - OWN_NAMES - {"google"})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
