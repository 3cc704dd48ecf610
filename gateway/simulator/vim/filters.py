"""A filter of a property collector: what its client knows about each object, and what is new since then.

The filter only looks at objects that were touched since its last look. It compares them with what the client knows, so
that many changes of one object are one update, and a touch without a change is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.simulator.vim.selection import Selection, Values
from gateway.simulator.vim.values import Data, Raw, Ref, Typed, write
from gateway.simulator.vim.world import World

__all__ = ["Filter"]


@dataclass(slots=True)
class _Seen:
    """How far the filter has looked."""

    revision: int
    structure: int


class Filter:
    """A PropertyFilter."""

    type = "PropertyFilter"

    def __init__(self, identifier: str, selection: Selection, world: World) -> None:
        self.id = identifier
        self.selection = selection
        self._view = selection.view(world)
        self._missing = selection.missing(world)
        self._known: dict[Ref, Values] = {}
        self._queue: dict[Ref, None] = {}
        self._selected: set[Ref] = set()
        """The selected objects outside the view."""
        self._seen = _Seen(0, 0)
        self.begin(world)

    def begin(self, world: World) -> None:
        """Forgets what the client knows: everything will be reported."""
        self._known.clear()
        self._queue = dict.fromkeys(self.selection.objects(world))
        is_followed = self._view is None and not self.selection.is_fixed()
        self._selected = set(self._queue) if is_followed else self.selection.named_objects()
        self._remember(world)

    def updates(self, world: World, most: int) -> tuple[list[str], bool]:
        """The next updates in XML, up to this many, and whether more may follow."""
        self._catch_up(world)
        found: list[str] = []
        while self._queue and len(found) < most:
            ref = next(iter(self._queue))
            del self._queue[ref]
            update = self._update(ref, world)
            if update is not None:
                found.append(update)
        return found, bool(self._queue)

    def to_xml(self, updates: list[str]) -> str:
        """A PropertyFilterUpdate with these updates; objects that never existed are reported once."""
        missing, self._missing = self._missing, []
        told = [
            Data("MissingObject", obj=ref, fault=Data("LocalizedMethodFault", fault=Typed(_gone(ref))))
            for ref in missing
        ]
        objects = "".join(updates)
        return write("filterSet", Raw(write("filter", Ref(self.type, self.id)) + objects + write("missingSet", told)))

    @property
    def has_missing(self) -> bool:
        """Whether there are objects to report as missing."""
        return bool(self._missing)

    def _remember(self, world: World) -> None:
        changes = world.inventory.changes
        self._seen = _Seen(changes.revision, changes.structure)

    def _catch_up(self, world: World) -> None:
        """Queues all objects that may have changed since the last look."""
        changes = world.inventory.changes
        if changes.revision == self._seen.revision:
            return
        touched = changes.since(self._seen.revision)
        restructured = changes.structure != self._seen.structure
        view = self._view
        refs = None if touched is None else [Ref(*key) for key in touched]
        has_view_changed = view is not None and refs is not None and Ref(view.type, view.id) in refs
        if view is None and not self.selection.is_fixed():
            selected = dict.fromkeys(self.selection.objects(world))
            self._queue.update(dict.fromkeys(ref for ref in selected if ref not in self._known))
            self._queue.update(dict.fromkeys(ref for ref in self._known if ref not in selected))
            self._selected = set(selected)
        if refs is None or has_view_changed or (restructured and not (view is not None and view.has_only_machines)):
            self._queue.update(dict.fromkeys((*self.selection.objects(world), *self._known)))
        else:
            self._queue.update(dict.fromkeys(ref for ref in reversed(refs) if self._concerns(ref, world)))
        self._remember(world)

    def _concerns(self, ref: Ref, world: World) -> bool:
        if ref in self._known:
            return True
        return self._is_selected(ref, world) and bool(self.selection.paths(ref.type))

    def _is_selected(self, ref: Ref, world: World) -> bool:
        return ref in self._selected or (self._view is not None and self._view.contains(ref, world))

    def _update(self, ref: Ref, world: World) -> str | None:
        """What is new about an object; None if nothing is."""
        before = self._known.get(ref)
        now = self.selection.values(ref, world) if self._is_selected(ref, world) else None
        if now is None:
            if before is None:
                return None
            del self._known[ref]
            return write("objectSet", Raw(_head("leave", ref)))
        if now == before:
            return None
        self._known[ref] = now
        paths = self.selection.paths(ref.type)
        kind = "enter" if before is None else "modify"
        return write("objectSet", Raw(_head(kind, ref) + "".join(_changes(paths, before, now))))


def _changes(paths: tuple[str, ...], before: Values | None, now: Values) -> Iterator[str]:
    for position, path in enumerate(paths):
        value = now[position]
        if (value is not None) if before is None else (value != before[position]):
            yield f"<changeSet>{write('name', path)}<op>assign</op>{value or ''}</changeSet>"


def _head(kind: str, ref: Ref) -> str:
    return f"<kind>{kind}</kind>{write('obj', ref)}"


def _gone(ref: Ref) -> Data:
    return Data("ManagedObjectNotFound", obj=ref)
