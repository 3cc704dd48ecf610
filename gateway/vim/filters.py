"""Specifications for the property collector: which properties of which objects are read or watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.vim.values import Data, Ref

__all__ = ["in_view", "of_objects"]


def in_view(view: Ref, type: str, paths: Iterable[str]) -> Data:  # noqa: A002 - the API's word
    """Properties of all objects of a type in a view: a ContainerView or a ListView.

    A missing view, for example of an ended session, is an error and not an empty view.
    """
    step = Data("TraversalSpec", name="view", type=view.type, path="view", skip=False)
    objects = Data("ObjectSpec", obj=view, skip=True, selectSet=[step])
    return _filter(type, paths, [objects], missing_is_told=False)


def of_objects(objects: Sequence[Ref], paths: Iterable[str]) -> Data:
    """Properties of known objects, at least one and all of one type. An object that no longer exists is missing from
    the response."""
    each = [Data("ObjectSpec", obj=obj, skip=False) for obj in objects]
    return _filter(objects[0].type, paths, each, missing_is_told=True)


def _filter(type: str, paths: Iterable[str], objects: list[Data], *, missing_is_told: bool) -> Data:  # noqa: A002
    properties = Data("PropertySpec", type=type, all=False, pathSet=list(paths))
    return Data(
        "PropertyFilterSpec", propSet=[properties], objectSet=objects, reportMissingObjectsInResults=missing_is_told
    )
