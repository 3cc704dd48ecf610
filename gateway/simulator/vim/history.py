"""History collectors: a position in the list of events or tasks, from which a session reads in pages."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.simulator.vim.faults import invalid_argument
from gateway.simulator.vim.values import Typed

__all__ = ["MOST", "HistoryCollector"]

MOST = 1000
"""Maximum size of a page."""
_PAGE = 10


@dataclass(slots=True)
class HistoryCollector:
    """A collector of items that have growing numbers."""

    type: str
    id: str
    items: Callable[[], Iterable[Any]]
    """All items that match the filter, oldest first."""
    number: Callable[[Any], int]
    to_data: Callable[[Any], Any]
    filter: Any
    page_size: int = _PAGE
    position: int = 0
    """The number of the last item before the position: the next item is newer."""

    def latest_page(self) -> list[Typed]:
        """The newest items, newest first."""
        items = list(self.items())[-self.page_size :]
        return self._written(items[::-1])

    def next(self, most: int | None) -> list[Typed]:
        """Newer items in their order; the position is then after them."""
        found = [item for item in self.items() if self.number(item) > self.position][: self._count(most)]
        if found:
            self.position = self.number(found[-1])
        return self._written(found)

    def previous(self, most: int | None) -> list[Typed]:
        """Older items, newest first; the position is then before them."""
        found = [item for item in self.items() if self.number(item) <= self.position][-self._count(most) :]
        if found:
            self.position = self.number(found[0]) - 1
        return self._written(found[::-1])

    def rewind(self) -> None:
        """Moves before the oldest item."""
        self.position = 0

    def reset(self) -> None:
        """Moves before the latest page."""
        older = list(self.items())[: -self.page_size]
        self.position = self.number(older[-1]) if older else 0

    def resize(self, most: int | None) -> None:
        """Sets the size of the latest page."""
        self.page_size = self._count(most)

    def _written(self, items: Sequence[Any]) -> list[Typed]:
        return [Typed(self.to_data(item)) for item in items]

    def _count(self, most: int | None) -> int:
        if most is None or not 1 <= most <= MOST:
            raise invalid_argument("maxCount")
        return most
