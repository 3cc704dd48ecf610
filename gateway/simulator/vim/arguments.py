"""Requests: the XML of a call as a tree, and its members as the types that a method needs.

Unknown members are ignored, as vCenter does within a release. A required member that is missing or cannot be read is
InvalidArgument.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from xml.parsers import expat

from gateway.simulator.vim.faults import VimError, invalid_argument
from gateway.simulator.vim.values import Data, Ref, Typed

__all__ = ["Arguments", "SoapCall", "read_call"]

Value = TypeVar("Value")

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI_TYPE = "http://www.w3.org/2001/XMLSchema-instance type"
_DEEPEST = 100


@dataclass(slots=True)
class Arguments:
    """An element: its type if it states one, its text, and its child elements."""

    name: str
    type: str = ""
    """Of `xsi:type`, without its prefix."""
    ref_type: str = ""
    """Of `type`, which references have."""
    content: str = field(default="", repr=False)
    children: list["Arguments"] = field(default_factory=list, repr=False)

    def find(self, name: str) -> "Arguments | None":
        """The first member with that name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list["Arguments"]:
        """All members with that name."""
        return [child for child in self.children if child.name == name]

    def need(self, name: str) -> "Arguments":
        """The member with that name; InvalidArgument if it does not exist."""
        found = self.find(name)
        if found is None:
            raise invalid_argument(name)
        return found

    def has(self, name: str) -> bool:
        """Whether a member with that name exists."""
        return self.find(name) is not None

    def text(self, name: str) -> str:
        """A required text."""
        return self.need(name).content

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        return [child.content for child in self.all(name)]

    def optional_text(self, name: str) -> str | None:
        """An optional text."""
        found = self.find(name)
        return None if found is None else found.content

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number."""
        return self._read(name, int, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        return bool(self._read(name, _boolean, default))

    def optional_flag(self, name: str) -> bool | None:
        """An optional boolean."""
        return self._read(name, _boolean, None)

    def time(self, name: str) -> datetime | None:
        """A time; without a time zone, it is in UTC."""
        return self._read(name, _time, None)

    def ref(self, name: str) -> Ref:
        """A required reference."""
        return self.need(name).as_ref()

    def optional_ref(self, name: str) -> Ref | None:
        """An optional reference."""
        found = self.find(name)
        return None if found is None else found.as_ref()

    def refs(self, name: str) -> list[Ref]:
        """A list of references."""
        return [child.as_ref() for child in self.all(name)]

    def as_ref(self) -> Ref:
        """This element as a reference."""
        return Ref(self.ref_type, self.content.strip())

    def as_value(self) -> Any:
        """This element unchanged, to be sent back: for values that the simulator does not interpret."""
        if self.children:
            data = Data(self.type)
            for child in self.children:
                value = child.as_value()
                data[child.name] = [*data[child.name], value] if child.name in data else [value]
            return Typed(data) if self.type else data
        if self.ref_type:
            return self.as_ref()
        return Typed(self.content, self.type) if self.type else self.content

    def _read(self, name: str, read: Callable[[str], Value], default: Value | None) -> Value | None:
        found = self.find(name)
        if found is None:
            return default
        try:
            return read(found.content.strip())
        except ValueError:
            raise invalid_argument(name) from None


@dataclass(frozen=True, slots=True)
class SoapCall:
    """The call in a request."""

    method: str
    this: Ref
    arguments: Arguments


def read_call(body: bytes) -> SoapCall:
    """The call in a SOAP envelope. InvalidRequest for everything else, and for XML with declarations."""
    root = _tree(body)
    bodies = [] if root.name != "Envelope" else root.all("Body")
    calls = bodies[0].children if bodies else []
    if not calls:
        raise VimError("InvalidRequest", "The request is no SOAP envelope with a call in it.")
    this = calls[0].find("_this")
    if this is None:
        raise VimError("InvalidRequest", "The request does not name the object that it calls.")
    return SoapCall(calls[0].name, this.as_ref(), calls[0])


def _tree(body: bytes) -> Arguments:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = Arguments("")
    stack = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > _DEEPEST:
            raise VimError("InvalidRequest", "The request is nested too deeply.")
        kind = attributes.get(_XSI_TYPE, "").rpartition(":")[2]
        element = Arguments(name.rpartition(" ")[2], kind, attributes.get("type", ""))
        stack[-1].children.append(element)
        stack.append(element)

    def end(name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].content += data

    def refuse(*_: object) -> None:
        raise VimError("InvalidRequest", "The request declares a type of document.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise VimError("InvalidRequest", f"XML document is not well-formed: {error}.") from None
    return top.children[0]


def _boolean(text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueError


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
