"""Properties of objects as tables: each member of a structure is a function of its subject.

A path such as `config.hardware.memoryMB` is resolved once to a single function; reading it does not build a whole
`config`. That makes thousands of objects cheap.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.values import Data, Typed

__all__ = [
    "Get",
    "Member",
    "Structure",
    "array",
    "at_path",
    "boolean",
    "constant",
    "integer",
    "names",
    "reference",
    "references",
    "string",
]

Get = Callable[[Any, Any], Any]
"""The value of a member, computed from the subject and its inventory; None for unset."""

_STEP = re.compile(r'(\w+)(?:\[(?:"([^"]*)"|([^\]"]*))\])?(?:\.|$)')


@dataclass(frozen=True, slots=True)
class Member:
    """A member that is not a structure: the type of its values, and how to compute one."""

    kind: str
    get: Get


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure whose members all have the same subject."""

    type: str
    members: Mapping[str, "Member | Structure"]
    unset: frozenset[str] = frozenset()
    """Members that vCenter has and this simulator never sets."""
    when: Callable[[Any, Any], bool] | None = None
    """Whether a subject has the structure; None for always."""

    def value(self, subject: Any, world: Any) -> Data | None:
        """The whole structure; None if the subject has none."""
        if self.when is not None and not self.when(subject, world):
            return None
        found: dict[str, Any] = {}
        for name, member in self.members.items():
            if isinstance(member, Structure):
                found[name] = member.value(subject, world)
            else:
                value = member.get(subject, world)
                found[name] = Typed(value) if member.kind == "anyType" and value is not None else value
        return Data(self.type, found)


def array(element: str, get: Get) -> Member:
    """A list; unset if it is empty."""
    return Member(f"ArrayOf{element}", lambda subject, world: get(subject, world) or None)


def string(get: Callable[[Any], Any]) -> Member:
    """A text that only depends on the subject."""
    return Member("xsd:string", lambda subject, world: get(subject))


def integer(get: Callable[[Any], Any]) -> Member:
    """A 32-bit integer that only depends on the subject."""
    return Member("xsd:int", lambda subject, world: get(subject))


def boolean(get: Callable[[Any], Any]) -> Member:
    """A boolean that only depends on the subject."""
    return Member("xsd:boolean", lambda subject, world: get(subject))


def constant(kind: str, value: Any) -> Member:
    """A value that is the same for all subjects."""
    return Member(kind, lambda subject, world: value)


def reference(get: Get) -> Member:
    """A reference to another object."""
    return Member("ManagedObjectReference", get)


def references(get: Get) -> Member:
    """References to other objects; unset if there are none."""
    return array("ManagedObjectReference", get)


def names(text: str) -> frozenset[str]:
    """The words of a text, for lists of members."""
    return frozenset(text.split())


def at_path(structure: Structure, path: str) -> Member:
    """The member at a path. InvalidProperty for an unknown path."""
    steps = _steps(path)
    here: Member | Structure = structure
    conditions: list[Callable[[Any, Any], bool]] = []
    for position, (name, key) in enumerate(steps):
        if not isinstance(here, Structure):
            here = Member("", _within(here.get, name))
        elif name in here.members:
            here = here.members[name]
        elif name in here.unset:
            return Member("", _unset)
        else:
            raise _invalid(path)
        if isinstance(here, Structure) and here.when is not None:
            conditions.append(here.when)
        if key is not None:
            if isinstance(here, Structure):
                raise _invalid(path)
            here = Member("", _keyed(here.get, key))
        if isinstance(here, Member) and here.kind and not _is_open(here) and position < len(steps) - 1:
            raise _invalid(path)
    member = Member(here.type, here.value) if isinstance(here, Structure) else here
    return Member(member.kind, _guarded(member.get, conditions)) if conditions else member


def _steps(path: str) -> list[tuple[str, str | None]]:
    found, position = [], 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise _invalid(path)
        found.append((step[1], step[2] if step[2] is not None else step[3]))
        position = step.end()
    if not found or path.endswith("."):
        raise _invalid(path)
    return found


def _is_open(member: Member) -> bool:
    """Whether paths may lead into its values."""
    return not member.kind.startswith(("xsd:", "ManagedObjectReference", "ArrayOf"))


def _guarded(get: Get, conditions: list[Callable[[Any, Any], bool]]) -> Get:
    def value(subject: Any, world: Any) -> Any:
        return get(subject, world) if all(condition(subject, world) for condition in conditions) else None

    return value


def _within(get: Get, name: str) -> Get:
    def value(subject: Any, world: Any) -> Any:
        found = _plain(get(subject, world))
        return _plain(found.get(name)) if isinstance(found, Data) else None

    return value


def _keyed(get: Get, key: str) -> Get:
    def value(subject: Any, world: Any) -> Any:
        items = get(subject, world) or ()
        return next((_plain(item) for item in items if str(_plain(item).get("key")) == key), None)

    return value


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Typed) else value


def _unset(subject: Any, world: Any) -> None:
    return None


def _invalid(path: str) -> VimError:
    return VimError("InvalidProperty", f"Property {path} is not valid.", name=path)
