"""The documentation in the protos of services, rpcs, messages, fields and enums: comments, versions, secret fields.

Read file by file on demand, because calls do not need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, message_factory

from gateway.contract.contract import Contract

__all__ = ["Documentation", "Documented"]

# Field numbers in google/protobuf/descriptor.proto, which form the paths of comments.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM = 2, 3, 4
_METHOD, _VALUE = 2, 2


@dataclass(frozen=True, slots=True)
class Documented:
    """The documentation of one element."""

    comment: str = ""
    since: str = ""
    """Version of the vSphere API that introduced it, empty if unknown."""
    is_secret: bool = False


class Documentation:
    """The documentation of a contract."""

    def __init__(self, contract: Contract) -> None:
        pool = contract.pool
        # Options are read with the pool's own classes: those know the pool's own extensions.
        self._file_class = message_factory.GetMessageClass(
            pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto")
        )
        self._field_since: Any = pool.FindExtensionByName("vapi.v1.field_since")
        self._value_since: Any = pool.FindExtensionByName("vapi.v1.value_since")
        self._files = {
            file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(contract.descriptor_set).file
        }
        self._read: set[str] = set()
        self._all: dict[str, Documented] = {}

    def of(self, file_name: str, full_name: str) -> Documented:
        """The documentation of an element in a file, by its full name; an rpc is `package.Service/Rpc`."""
        if file_name not in self._read:
            self._read.add(file_name)
            self._all.update(self._walk(self._files[file_name]))
        return self._all.get(full_name, Documented())

    def _walk(self, plain: Any) -> Iterator[tuple[str, Documented]]:
        file: Any = self._file_class.FromString(plain.SerializeToString())
        comments = {
            tuple(location.path): "\n".join(line.strip() for line in location.leading_comments.strip().splitlines())
            for location in file.source_code_info.location
            if location.leading_comments
        }
        prefix = f"{file.package}." if file.package else ""
        for index, service in enumerate(file.service):
            path: tuple[int, ...] = (_SERVICE, index)
            yield prefix + service.name, Documented(comments.get(path, ""))
            for number, method in enumerate(service.method):
                comment = comments.get((*path, _METHOD, number), "")
                yield f"{prefix}{service.name}/{method.name}", Documented(comment)
        for index, message in enumerate(file.message_type):
            yield from self._message(prefix + message.name, message, (_MESSAGE, index), comments)
        for index, enum in enumerate(file.enum_type):
            yield from self._enum(prefix + enum.name, enum, (_ENUM, index), comments)

    def _message(
        self, name: str, message: Any, path: tuple[int, ...], comments: dict[tuple[int, ...], str]
    ) -> Iterator[tuple[str, Documented]]:
        yield name, Documented(comments.get(path, ""))
        for index, field in enumerate(message.field):
            comment = comments.get((*path, _FIELD, index), "")
            since = field.options.Extensions[self._field_since]
            yield f"{name}.{field.name}", Documented(comment, since, field.options.debug_redact)
        for index, nested in enumerate(message.nested_type):
            yield from self._message(f"{name}.{nested.name}", nested, (*path, _NESTED, index), comments)
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(f"{name}.{enum.name}", enum, (*path, _NESTED_ENUM, index), comments)

    def _enum(
        self, name: str, enum: Any, path: tuple[int, ...], comments: dict[tuple[int, ...], str]
    ) -> Iterator[tuple[str, Documented]]:
        yield name, Documented(comments.get(path, ""))
        for index, value in enumerate(enum.value):
            comment = comments.get((*path, _VALUE, index), "")
            yield f"{name}.{value.name}", Documented(comment, value.options.Extensions[self._value_since])
