"""Lists of the inventory: filters that must all match, and vCenter's maximum length."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from gateway.simulator import errors
from gateway.simulator.catalogue import load
from gateway.simulator.registry import Call

__all__ = ["MOST", "listed"]

MOST = 1000
"""Maximum length of vCenter's lists for most kinds of objects; a longer one is an error, because there are no pages."""

Item = TypeVar("Item")


def listed(
    call: Call,
    items: Iterable[Item],
    filters: Mapping[str, Callable[[Item], Collection[str | None]]],
    *,
    kind: str,
    most: int = MOST,
    enumerations: Mapping[str, str] | None = None,
) -> list[Item]:
    """The items that pass every filter of the query; a filter matches if one of its values is one of the item's.

    `enumerations` names the filters with enumerated values: INVALID_ARGUMENT for any other value.
    UNABLE_TO_ALLOCATE_RESOURCE if more than `most` match.
    """
    for name, enumeration in (enumerations or {}).items():
        for value in call.query.get(name, ()):
            if value not in load().enumerations[enumeration].values:
                text = "Value {0} is not one of the values of the enumeration {1}."
                raise errors.invalid_argument(
                    "vapi.bindings.typeconverter.enum.unknown.value", text, value, enumeration
                )
    wanted = [(filters[name], frozenset(values)) for name, values in call.query.items() if name in filters]
    found = [item for item in items if all(not values.isdisjoint(of(item)) for of, values in wanted)]
    if len(found) > most:
        text = "Too many objects match, the limit is {0}. Add more filter criteria to reduce the number."
        raise errors.unable_to_allocate(f"com.vmware.api.vcenter.{kind}.too_many_matches", text, str(most))
    return found
