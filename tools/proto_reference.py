"""The reference of the services, as Markdown generated from the compiled protos: one page for each .proto file.

A page has every rpc, message, field and enum value with its comment and everything in its options: the REST call, the
errors, what is required, the release that introduced it, the type of an identifier. tools/build_docs.py adds the pages
to the site, where a link to a .proto file refers to its page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.rpc import code_pb2

from gateway.contract import Contract, Idempotency, Method, Streaming, load_contract
from gateway.errors import BY_ERROR_TYPE

__all__ = ["ProtoReference", "first_sentence"]

# Field numbers in google/protobuf/descriptor.proto, of which the paths of comments consist.
_MESSAGE, _ENUM, _SERVICE, _RPC, _FIELD, _VALUE, _NESTED = 4, 5, 6, 2, 2, 2, 3

_REPEATABLE = {
    Idempotency.NO_SIDE_EFFECTS: "read-only",
    Idempotency.IDEMPOTENT: "idempotent",
    Idempotency.UNKNOWN: "changes something",
}
_STREAMS = {
    Streaming.UNARY: "",
    Streaming.SERVER: "streams responses",
    Streaming.CLIENT: "streams requests",
    Streaming.BIDIRECTIONAL: "streams both ways",
}
_OURS = ("vapi/", "vcenter/", "cis/", "content/")
_TYPES = {
    number: name.removeprefix("TYPE_").lower() for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()
}
# A line of text directly before a list, which Markdown would treat as part of the text.
_LIST_AFTER_TEXT = re.compile(r"^((?!- |  |\n).+)\n(?=- )", re.MULTILINE)
_WELL_KNOWN = "https://protobuf.dev/reference/protobuf/google.protobuf/#"


def first_sentence(comment: str) -> str:
    """The first sentence of a comment, for lists."""
    paragraph = " ".join(comment.split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z`])", paragraph)[0]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where names in a comment are resolved: the page, the package, and the service or message."""

    page: str
    package: str
    owner: str = ""


class ProtoReference:
    """The pages of a contract."""

    def __init__(self, contract: Contract | None = None) -> None:
        self._contract = contract or load_contract()
        pool = self._contract.pool
        # The pool's own class has the extensions of the options.
        of_files = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto"))
        everything = descriptor_pb2.FileDescriptorSet.FromString(self._contract.descriptor_set).file
        self._files: list[Any] = [
            of_files.FromString(file.SerializeToString()) for file in everything if file.name.startswith(_OURS)
        ]
        self._options = {name: pool.FindExtensionByName(f"vapi.v1.{name}") for name in _OPTIONS}
        self.comments: dict[str, str] = {}
        self._page_of: dict[str, str] = {}
        """The page of each service, rpc, message and enum by its full name."""
        self._map_entries: dict[str, Any] = {}
        for file in self._files:
            self._index(file)

    @cached_property
    def services(self) -> Mapping[str, tuple[str, str]]:
        """Each service by full name: its .proto file and the first sentence of its comment."""
        return {
            f"{file.package}.{service.name}": (
                file.name,
                first_sentence(self.comments[f"{file.package}.{service.name}"]),
            )
            for file in sorted(self._files, key=lambda file: str(file.name))
            for service in file.service
        }

    def pages(self) -> Iterator[tuple[str, str, str]]:
        """The name of each .proto file, the title of its page, and the page."""
        for file in self._files:
            title = file.service[0].name if file.service else posixpath.basename(file.name).removesuffix(".proto")
            yield file.name, title, "\n".join(self._page(file, title)).rstrip() + "\n"

    # Indexes

    def _index(self, file: Any) -> None:
        page = str(file.name).removesuffix(".proto") + ".md"
        texts = {
            tuple(location.path): "\n".join(
                line.removeprefix(" ").rstrip() for line in location.leading_comments.splitlines()
            ).strip()
            for location in file.source_code_info.location
            if location.leading_comments
        }

        def add(name: str, path: tuple[int, ...], *, anchor: bool = True) -> None:
            self.comments[name] = texts.get(path, "")
            if anchor:
                self._page_of[name] = page

        def add_enum(name: str, enum: Any, path: tuple[int, ...]) -> None:
            add(name, path)
            for i, value in enumerate(enum.value):
                add(f"{name}.{value.name}", (*path, _VALUE, i), anchor=False)

        def add_message(name: str, message: Any, path: tuple[int, ...]) -> None:
            if message.options.map_entry:
                self._map_entries[name] = message
                return
            add(name, path)
            for i, field in enumerate(message.field):
                add(f"{name}.{field.name}", (*path, _FIELD, i), anchor=False)
            for i, nested in enumerate(message.nested_type):
                add_message(f"{name}.{nested.name}", nested, (*path, _NESTED, i))

        for i, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            add(name, (_SERVICE, i))
            for j, rpc in enumerate(service.method):
                add(f"{name}/{rpc.name}", (_SERVICE, i, _RPC, j))
        for i, message in enumerate(file.message_type):
            add_message(f"{file.package}.{message.name}", message, (_MESSAGE, i))
        for i, enum in enumerate(file.enum_type):
            add_enum(f"{file.package}.{enum.name}", enum, (_ENUM, i))

    def _option(self, of: Any, name: str) -> Any:
        option = self._options[name]
        return of.options.Extensions[option] if of.HasField("options") else option.default_value

    # Pages

    def _page(self, file: Any, title: str) -> Iterator[str]:
        scope = _Scope(str(file.name).removesuffix(".proto") + ".md", str(file.package))
        messages = {f"{file.package}.{message.name}": message for message in file.message_type}
        heading = f"{{#{_anchor(f'{file.package}.{title}')}}}" if file.service else ""
        yield from (f"# {title} {heading}".rstrip(), "")
        kind = "Service" if file.service else "Shared types"
        where = f"[`{file.name}`](repository:protos/{file.name})"
        for service in file.service:
            name = f"{file.package}.{service.name}"
            yield from (f"{kind} `{name}` in {where}.", "", self._prose(self.comments[name], scope, name), "")
            yield from ("| Rpc | What it does |", "|---|---|")
            for rpc in service.method:
                told = self._prose(first_sentence(self.comments[f"{name}/{rpc.name}"]), scope, name)
                yield f"| [`{rpc.name}`](#{_anchor(f'{name}/{rpc.name}')}) | {told} |"
            yield ""
            for rpc in service.method:
                yield from self._rpc(self._contract.methods[f"{name}/{rpc.name}"], messages, scope)
        if not file.service:
            yield from (f"{kind} of the package `{file.package}` in {where}.", "")
        if messages:
            yield from ("## Messages", "")
            for name, message in messages.items():
                yield from self._message(name, message, scope)
        if file.enum_type:
            yield from ("## Enums", "")
            for enum in file.enum_type:
                yield from self._enum(f"{file.package}.{enum.name}", enum, scope)

    def _rpc(self, method: Method, messages: dict[str, Any], scope: _Scope) -> Iterator[str]:
        name = method.full_name
        facts = [
            f"`{method.operation}`" if method.operation else "implemented by the gateway",
            _REPEATABLE[method.idempotency],
            _STREAMS[method.streaming],
            f"since vSphere API {method.since}" if method.since else "",
            "answers show what the policy allows" if method.is_filtered else "",
            "no default deadline" if method.waits else "",
        ]
        yield from (f"## {method.name} {{#{_anchor(name)}}}", "", " · ".join(filter(None, facts)), "")
        yield from (self._prose(self.comments[name], scope, method.service), "")
        for what, message in (("Request", method.input_type), ("Response", method.output_type)):
            if message.full_name == f"{scope.package}.{method.name}{what}":
                yield from (f"**{what}** `{message.name}`{{#{_anchor(message.full_name)}}}", "")
                yield from self._fields(message.full_name, messages.pop(message.full_name), scope)
            else:
                yield from (f"**{what}** {self._link(message.full_name, scope)}", "")
        if method.task_form:
            yield from (f"As a task: {self._link(method.task_form, scope)}", "")
        if method.errors:
            yield from (f"**Errors** {', '.join(_error(error) for error in method.errors)}", "")

    def _message(self, name: str, message: Any, scope: _Scope) -> Iterator[str]:
        yield from (f"### {message.name} {{#{_anchor(name)}}}", "", self._prose(self.comments[name], scope, name), "")
        if self._option(message, "error_data"):
            yield from ("In the details of errors whose `data` has these fields.", "")
        yield from self._fields(name, message, scope)
        for union in self._option(message, "unions"):
            yield from (f"With `{union.tag}`, these fields belong together:", "")
            yield from (f"| `{union.tag}` | Required | Optional |", "|---|---|---|")
            for case in union.cases:
                yield f"| `{case.value}` | {_code(case.required)} | {_code(case.optional)} |"
            yield ""
        for nested in message.nested_type:
            if not nested.options.map_entry:
                yield from self._message(f"{name}.{nested.name}", nested, scope)

    def _fields(self, name: str, message: Any, scope: _Scope) -> Iterator[str]:
        if not message.field:
            yield from ("No fields.", "")
        required = self._contract.required(self._contract.messages[name])
        for field in message.field:
            one_of = field.HasField("oneof_index") and not field.proto3_optional
            since = self._option(field, "field_since")
            facts = [
                self._type(field, scope),
                "**required**" if field.name in required else "",
                f"one of `{message.oneof_decl[field.oneof_index].name}`" if one_of else "",
                self._resource(field, "resource", ""),
                self._resource(field, "key_resource", "key: "),
                "JSON as text" if self._option(field, "json_text") else "",
                f"since {since}" if since else "",
            ]
            if enum := self._option(field, "open_enum"):
                facts.append(f"values of {self._link(enum, scope)}, or newer ones")
            yield f"`{field.name}` · {' · '.join(filter(None, facts))}"
            yield from (_definition(self._prose(self.comments[f"{name}.{field.name}"], scope, name)), "")

    def _enum(self, name: str, enum: Any, scope: _Scope) -> Iterator[str]:
        yield from (f"### {enum.name} {{#{_anchor(name)}}}", "", self._prose(self.comments[name], scope, name), "")
        for value in enum.value:
            since = self._option(value, "value_since")
            yield f"`{value.name}` = {value.number}" + (f" · since {since}" if since else "")
            yield from (_definition(self._prose(self.comments[f"{name}.{value.name}"], scope, name)), "")

    # Parts of pages

    def _type(self, field: Any, scope: _Scope) -> str:
        name = str(field.type_name).lstrip(".")
        if name in self._map_entries:
            key, value = self._map_entries[name].field
            return f"map of {self._type(key, scope)} to {self._type(value, scope)}"
        text = self._link(name, scope) if name else _TYPES[field.type]
        repeated = field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        return f"list of {text}" if repeated else text

    def _resource(self, field: Any, option: str, before: str) -> str:
        if not field.HasField("options") or not field.options.HasExtension(self._options[option]):
            return ""
        told = field.options.Extensions[self._options[option]]
        types = " or ".join(f"`{name}`" for name in told.types) or "any resource"
        return f"{before}identifies {types}" + (f", as `{told.type_field}` says" if told.type_field else "")

    def _link(self, name: str, scope: _Scope) -> str:
        if name.startswith("google.protobuf."):
            short = name.removeprefix("google.protobuf.")
            return f"[`{short}`]({_WELL_KNOWN}{re.sub(r'(?<!^)(?=[A-Z])', '-', short).lower()})"
        page = self._page_of.get(name)
        short = name.removeprefix(f"{scope.package}.") if "/" not in name else name.rpartition("/")[2]
        if page is None:
            return f"`{name}`"
        target = "" if page == scope.page else posixpath.relpath(page, posixpath.dirname(scope.page))
        return f"[`{short}`]({target}#{_anchor(name)})"

    def _prose(self, comment: str, scope: _Scope, owner: str) -> str:
        """A comment with its names as links and its lists separated."""

        def link(code: re.Match[str]) -> str:
            word = code[1]
            for name in (f"{owner}/{word}", f"{scope.package}.{word}", word):
                if name in self._page_of and name != owner:
                    return self._link(name, scope).replace(f"[`{name.rpartition('/')[2]}`]", f"[`{word}`]")
            return code[0]

        return re.sub(r"`([A-Za-z][\w.]*(?:/\w+)?)`", link, _LIST_AFTER_TEXT.sub(r"\1\n\n", comment))


_OPTIONS = (
    "error_data",
    "field_since",
    "json_text",
    "key_resource",
    "open_enum",
    "resource",
    "unions",
    "value_since",
)


def _anchor(name: str) -> str:
    return name.replace("/", ".")


def _error(name: str) -> str:
    """An error type of vCenter, with its gRPC code if that has another name."""
    code = code_pb2.Code.Name(BY_ERROR_TYPE[name])
    return f"`{name}`" if code == name else f"`{name}` → `{code}`"


def _code(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _definition(text: str) -> str:
    """The text below a term of a definition list."""
    lines = (text or "(no comment)").splitlines()
    return "\n".join([f":   {lines[0]}", *(f"    {line}" if line else "" for line in lines[1:])])
