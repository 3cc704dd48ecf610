"""Paged lists: a marker encodes where the next page begins, and for which filter.

Markers contain their meaning, so that no state is kept between two pages. Clients must treat them as opaque.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json

__all__ = ["marker", "names_page", "read_marker"]

_DEFAULT_SIZE = 20
_MOST = 1000

Item = TypeVar("Item")


def marker(*position: Any) -> str:
    """A marker for a position, which is any JSON value."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_marker(text: str) -> list[Any]:
    """The position in a marker. Raises ValueError for an invalid marker."""
    try:
        position = json.loads(base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}"))
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("no marker") from error
    if not isinstance(position, list):
        raise ValueError("no marker")
    return position


def names_page(
    call: Call, items: Iterable[Item], key: Callable[[Item], tuple[int, str]], show: Callable[[Item], Json]
) -> Json:
    """A page of a list whose only filter is `names`; `key` returns an item's number, which defines the order, and its
    name.

    NOT_FOUND for an invalid marker, INVALID_ARGUMENT for a marker together with a filter and for an invalid size.
    """
    size = int(call.query["page_size"][0]) if "page_size" in call.query else _DEFAULT_SIZE
    if not 1 <= size <= _MOST:
        text = "The page size {0} is not between 1 and {1}."
        raise errors.invalid_argument("com.vmware.vcenter.tagging.page_size.invalid", text, str(size), str(_MOST))
    after, names = 0, call.query.get("names", [])
    if "marker" in call.query:
        if names:
            text = "A marker and a filter cannot be given together."
            raise errors.invalid_argument("com.vmware.vcenter.tagging.marker.with_filter", text)
        after, names = _position(call.query["marker"][0])
    matching = (item for item in items if key(item)[0] > after and (not names or key(item)[1] in names))
    found = list(islice(matching, size + 1))
    page: dict[str, Any] = {"items": [show(item) for item in found[:size]]}
    if len(found) > size:
        page["marker"] = marker(key(found[size - 1])[0], names)
    return page


def _position(text: str) -> tuple[int, list[str]]:
    try:
        after, names = read_marker(text)
        return int(after), [str(name) for name in names]
    except (ValueError, TypeError):
        raise errors.of_type(
            "NOT_FOUND", "com.vmware.vcenter.tagging.marker.not_found", "The marker {0} is not valid.", text
        ) from None
