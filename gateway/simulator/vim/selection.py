"""Which objects a specification of the property collector selects, and which of their properties.

Nearly all clients select the objects of a view. Other objects are found by following properties that are references,
from object to object, as the specification says.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import invalid_argument, not_found
from gateway.simulator.vim.kinds import is_a
from gateway.simulator.vim.objects import TYPES, Properties
from gateway.simulator.vim.structures import at_path
from gateway.simulator.vim.values import Ref, write_any
from gateway.simulator.vim.views import ContainerView, ListView, View
from gateway.simulator.vim.world import World

__all__ = ["Selection", "Values", "read_selection"]

Values = tuple[str | None, ...]
"""The values of an object's properties in XML, None for unset ones."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A TraversalSpec: from objects of a type along one of their properties."""

    kind: str
    path: str
    skip: bool
    steps: "tuple[_Step | str, ...]"
    """The next steps; a name refers to the step with that name."""


@dataclass(frozen=True, slots=True)
class _Start:
    """An ObjectSpec."""

    ref: Ref
    skip: bool
    steps: tuple[_Step | str, ...]


class Selection:
    """A PropertyFilterSpec."""

    def __init__(
        self, properties: Properties, starts: tuple[_Start, ...], named: dict[str, _Step], *, missing_is_told: bool
    ) -> None:
        self._properties = properties
        self._starts = starts
        self._named = named
        self.missing_is_told = missing_is_told
        """Whether an object that does not exist is reported as missing; otherwise it is an error."""
        self._by_type: dict[str, tuple[tuple[str, ...], tuple[tuple[str, str, object], ...]]] = {}

    def view(self, world: World) -> View | None:
        """The view whose objects are selected, if all others are named individually. ManagedObjectNotFound if it is
        gone."""
        followed = [start for start in self._starts if start.steps]
        if len(followed) != 1 or len(followed[0].steps) != 1:
            return None
        start, step = followed[0], followed[0].steps[0]
        if not start.skip and self.paths(start.ref.type):
            return None
        if isinstance(step, str) or step.path != "view" or step.steps or step.skip:
            return None
        found = world.find(start.ref)
        if found is None:
            raise not_found(start.ref)
        return found if isinstance(found, ContainerView | ListView) else None

    def is_fixed(self) -> bool:
        """Whether the objects are named individually."""
        return not any(start.steps for start in self._starts)

    def named_objects(self) -> set[Ref]:
        """The objects that are named individually."""
        return {start.ref for start in self._starts if not start.skip}

    def missing(self, world: World) -> list[Ref]:
        """The named objects that do not exist. ManagedObjectNotFound unless they are reported."""
        gone = [start.ref for start in self._starts if world.find(start.ref) is None]
        if gone and not self.missing_is_told:
            raise not_found(gone[0])
        return gone

    def objects(self, world: World) -> list[Ref]:
        """All objects that are currently selected and have requested properties."""
        view = self.view(world)
        found: dict[Ref, None] = {}
        for start in self._starts:
            if world.find(start.ref) is None:
                continue
            if view is not None and start.steps:
                found.update(dict.fromkeys(view.members(world)))
            else:
                self._follow(start, found, world)
        return [ref for ref in found if self.paths(ref.type)]

    def paths(self, kind: str) -> tuple[str, ...]:
        """The requested paths for objects of a type."""
        return self._compiled(kind)[0]

    def values(self, ref: Ref, world: World) -> Values | None:
        """The current properties of an object; None if it is gone."""
        subject = world.find(ref)
        if subject is None:
            return None
        return tuple(
            [
                None if (value := get(subject, world)) is None else write_any("val", value, kind)  # type: ignore[operator]
                for _, kind, get in self._compiled(ref.type)[1]
            ]
        )

    def _compiled(self, kind: str) -> tuple[tuple[str, ...], tuple[tuple[str, str, object], ...]]:
        found = self._by_type.get(kind)
        if found is None:
            members = self._properties.of(kind)
            found = tuple(path for path, _ in members), tuple((path, item.kind, item.get) for path, item in members)
            self._by_type[kind] = found
        return found

    def _follow(self, start: _Start, found: dict[Ref, None], world: World) -> None:
        waiting: list[tuple[Ref, bool, tuple[_Step | str, ...]]] = [(start.ref, start.skip, start.steps)]
        seen: set[tuple[Ref, int]] = set()
        while waiting:
            ref, skip, steps = waiting.pop()
            if not skip:
                found.setdefault(ref)
            for item in reversed(steps):
                step = self._step(item)
                if (ref, id(step)) in seen or not is_a(ref.type, step.kind):
                    continue
                seen.add((ref, id(step)))
                waiting += [(target, step.skip, step.steps) for target in reversed(_targets(ref, step.path, world))]

    def _step(self, item: _Step | str) -> _Step:
        if isinstance(item, _Step):
            return item
        if item not in self._named:
            raise invalid_argument("selectSet")
        return self._named[item]


def read_selection(spec: Arguments) -> Selection:
    """The selection of a PropertyFilterSpec. InvalidProperty, InvalidType or InvalidArgument for an invalid one."""
    specs = tuple((item.text("type"), item.flag("all"), tuple(item.texts("pathSet"))) for item in spec.all("propSet"))
    starts = spec.all("objectSet")
    if not specs or not starts:
        raise invalid_argument("propSet" if starts else "objectSet")
    properties = Properties(specs)
    properties.check()
    named: dict[str, _Step] = {}
    read = tuple(_Start(item.ref("obj"), item.flag("skip"), tuple(_steps(item, named))) for item in starts)
    return Selection(properties, read, named, missing_is_told=spec.flag("reportMissingObjectsInResults"))


def _steps(owner: Arguments, named: dict[str, _Step]) -> Iterator[_Step | str]:
    for item in owner.all("selectSet"):
        if not item.has("path"):
            yield item.text("name")
            continue
        step = _Step(item.text("type"), item.text("path"), item.flag("skip"), tuple(_steps(item, named)))
        name = item.optional_text("name")
        if name:
            named[name] = step
        yield step


def _targets(ref: Ref, path: str, world: World) -> list[Ref]:
    """The objects that a property refers to."""
    structure = TYPES.get(ref.type)
    subject = world.find(ref)
    if structure is None or subject is None:
        return []
    value = at_path(structure, path).get(subject, world)
    refs = value if isinstance(value, list) else [value]
    return [item for item in refs if isinstance(item, Ref)]
