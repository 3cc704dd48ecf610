"""The properties of objects that sessions create: views, collectors and filters."""

from gateway.simulator.vim.structures import Member, Structure, array
from gateway.simulator.vim.values import Ref

__all__ = ["SESSION_OBJECTS"]

_HISTORIES = {"EventHistoryCollector": "Event", "TaskHistoryCollector": "TaskInfo"}


def _history(kind: str, element: str) -> Structure:
    return Structure(
        kind,
        {
            "filter": Member("anyType", lambda collector, world: collector.filter),
            "latestPage": array(element, lambda collector, world: collector.latest_page()),
        },
        frozenset({"initialized"} if kind == "EventHistoryCollector" else ()),
    )


SESSION_OBJECTS = {
    "ContainerView": Structure(
        "ContainerView",
        {
            "view": array("ManagedObjectReference", lambda view, world: view.members(world)),
            "container": Member("ManagedObjectReference", lambda view, world: view.container),
            "type": array("String", lambda view, world: list(view.kinds)),
            "recursive": Member("xsd:boolean", lambda view, world: view.recursive),
        },
    ),
    "ListView": Structure(
        "ListView", {"view": array("ManagedObjectReference", lambda view, world: view.members(world))}
    ),
    "PropertyCollector": Structure(
        "PropertyCollector",
        {
            "filter": array(
                "ManagedObjectReference",
                lambda collector, world: [Ref("PropertyFilter", key) for key in collector.filters],
            )
        },
    ),
    "PropertyFilter": Structure("PropertyFilter", {}, frozenset({"spec", "partialUpdates"})),
    **{kind: _history(kind, element) for kind, element in _HISTORIES.items()},
}
"""By type."""
