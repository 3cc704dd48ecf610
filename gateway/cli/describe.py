"""`describe`: what the protos say about a service, an rpc, a message or an enum."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, ServiceDescriptor

from gateway.cli.output import echo, wrapped
from gateway.cli.rpcs import completions, find_name
from gateway.contract import Contract, Idempotency, Method, Rest, Streaming, load_contract
from gateway.contract.contract import enum_value_name, map_value
from gateway.contract.documentation import Documentation

__all__ = ["describe", "type_name"]

_EFFECTS = {
    Idempotency.NO_SIDE_EFFECTS: "reads only",
    Idempotency.IDEMPOTENT: "changes something; may be repeated",
    Idempotency.UNKNOWN: "changes something",
}
_STREAMS = {
    Streaming.UNARY: "",
    Streaming.SERVER: "streams responses",
    Streaming.CLIENT: "streams requests",
    Streaming.BIDIRECTIONAL: "streams requests and responses",
}
_SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def _complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return completions(_all_names(load_contract()), incomplete)


@click.command(
    epilog="""
\b
Examples:
  vcenter-gateway describe CloneVm
  vcenter-gateway describe VmCloneSpec
  vcenter-gateway describe vcenter.vm.v1.PowerState
  vcenter-gateway describe vcenter.v1.VmService
"""
)
@click.argument("name", metavar="RPC|MESSAGE|ENUM|SERVICE", shell_complete=_complete)
def describe(name: str) -> None:
    """Describes an rpc, a message, an enum or a service.

    You can leave out the beginning of a name if its end is unambiguous. For each field you see its type, whether it is
    required, what an identifier stands for, and the version of the vSphere API that introduced it.
    """
    contract = load_contract()
    found = _find(name, contract)
    echo("\n".join(_Describer(contract).lines(found)))


def _all_names(contract: Contract) -> list[str]:
    return [*contract.methods, *contract.services, *contract.messages, *contract.enums]


def _find(text: str, contract: Contract) -> str:
    names = _all_names(contract)
    found = find_name(text, names)
    if not found:
        ends = {end: name for name in names for end in (name, name.rpartition(".")[2], name.rpartition("/")[2])}
        close = difflib.get_close_matches(text, ends, n=3, cutoff=0.7)
        word = f" {text}" if any(text.lower() in name.lower() for name in contract.methods) else ""
        see = f"see `vcenter-gateway routes{word}`"
        hint = f"did you mean {' or '.join(ends[end] for end in close)}?" if close else see
        raise click.UsageError(f"there is no rpc, message, enum or service {text!r}; {hint}")
    if len(found) > 1:
        raise click.UsageError(f"{text!r} is the end of several names: {', '.join(found)}")
    return found[0]


class _Describer:
    """Writes descriptions in lines."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._documentation = Documentation(contract)

    def lines(self, name: str) -> Iterator[str]:
        contract = self._contract
        if name in contract.methods:
            yield from self._rpc(contract.methods[name])
        elif name in contract.services:
            yield from self._service(contract.services[name])
        elif name in contract.messages:
            yield from self._head("message", contract.messages[name])
            yield from self._fields(contract.messages[name])
        else:
            yield from self._enum(contract.enums[name])

    def _rpc(self, method: Method) -> Iterator[str]:
        service = self._contract.services[method.service]
        yield f"rpc {method.full_name}"
        yield from _paragraphs(self._documentation.of(service.file.name, method.full_name).comment, "  ")
        yield ""
        facts = {
            "calls": method.operation
            if isinstance(method.backing, Rest)
            else "nothing of vCenter's REST API: the gateway itself answers",
            "effect": _EFFECTS[method.idempotency],
            "streaming": _STREAMS[method.streaming],
            "since": method.since,
            "as a task": method.task_form,
            "errors": ", ".join(method.errors),
        }
        for name, text in facts.items():
            if text:
                yield wrapped(text, f"  {name + ':':11}", " " * 13)
        for kind, message in (("request", method.input_type), ("response", method.output_type)):
            yield ""
            yield f"{kind} {message.full_name}"
            yield from self._fields(message)

    def _service(self, service: ServiceDescriptor) -> Iterator[str]:
        yield from self._head("service", service)
        for method in self._contract.methods.values():
            if method.service == service.full_name:
                yield ""
                yield f"  {method.name}"
                comment = self._documentation.of(service.file.name, method.full_name).comment
                yield from _paragraphs(comment.partition("\n\n")[0], "    ")

    def _head(self, kind: str, descriptor: ServiceDescriptor | Descriptor | EnumDescriptor) -> Iterator[str]:
        yield f"{kind} {descriptor.full_name}"
        yield from _paragraphs(self._documentation.of(descriptor.file.name, descriptor.full_name).comment, "  ")

    def _fields(self, message: Descriptor) -> Iterator[str]:
        if not message.fields:
            yield "  (no fields)"
        required = self._contract.required(message)
        for field in message.fields:
            told = self._documentation.of(message.file.name, field.full_name)
            resource = self._contract.identifiers.get(field.full_name)
            facts = [
                type_name(field),
                "required" if field.name in required else "",
                f"one of {choice}" if (choice := _choice(field)) else "",
                f"identifies {' or '.join(sorted(resource.types))}" if resource is not None and resource.types else "",
                f"identifies what {resource.type_field} says" if resource is not None and resource.type_field else "",
                f"since {told.since}" if told.since else "",
                "secret" if told.is_secret else "",
            ]
            yield ""
            yield wrapped(", ".join(filter(None, facts)), f"  {field.name}  ", "      ")
            yield from _paragraphs(told.comment, "      ")
        for union in self._contract.unions(message):
            yield ""
            yield f"  {union.tag} decides which other fields are relevant:"
            for value, case in union.cases.items():
                parts = [f"{name} (required)" for name in sorted(case.required)] + sorted(case.optional)
                yield wrapped(", ".join(parts) or "none", f"      {value}: ", "        ")

    def _enum(self, enum: EnumDescriptor) -> Iterator[str]:
        yield from self._head("enum", enum)
        for value in enum.values:
            if value.number == 0:
                continue
            told = self._documentation.of(enum.file.name, f"{enum.full_name}.{value.name}")
            yield ""
            yield f"  {enum_value_name(enum, value.number)}" + (f"  since {told.since}" if told.since else "")
            yield from _paragraphs(told.comment, "      ")


def type_name(field: FieldDescriptor) -> str:
    """The type of a field in readable form: `string`, `list of vcenter.vm.v1.PowerState`, `map of ...`."""
    if (of_map := map_value(field)) is not None:
        return f"map of {type_name(of_map)}"
    named = field.message_type or field.enum_type
    text = named.full_name if named is not None else _SCALARS.get(field.type, "number")
    return f"list of {text}" if field.is_repeated else text


def _choice(field: FieldDescriptor) -> str:
    """The oneof that a field is in, empty if it is in none. Synthetic oneofs of optional fields do not count."""
    choice = field.containing_oneof
    return "" if choice is None or choice.name.startswith("_") else choice.name


def _paragraphs(comment: str, indent: str) -> Iterator[str]:
    """A comment wrapped into lines, with each list item on its own line."""
    for paragraph in comment.split("\n\n") if comment else ():
        items = paragraph.replace("\n- ", "\n\n- ").split("\n\n")
        for item in items:
            rest = f"{indent}  " if item.startswith("- ") else indent
            yield wrapped(" ".join(item.split()), indent, rest)
