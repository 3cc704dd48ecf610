"""Determines which reads a change may affect, from the resources that both name.

A change that names machines affects these: reads that name one of them, or another resource of the change, and reads
that name no machine, such as lists. An object within a machine, for example a disk, is part of it: its identifier means
nothing without the machine's, and other machines use the same one.

A change that names no machine affects all reads if it is about the inventory, whose folders, hosts and clusters contain
one another and all machines. If it is about anything else, for example tags, it affects all reads except those that
name other resources of the same types. If the subject of a change or a read is unknown, it counts as being about
everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.contract import Named

__all__ = ["ReadIndex", "Subject", "subject_of"]

_Name = TypeVar("_Name")
_MACHINE = "VirtualMachine"
_WITHIN_MACHINES = "com.vmware.vcenter.vm."


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a request: resources, each with its type and identifier. Empty if it may be anything."""

    resources: frozenset[tuple[str, str]]
    types: frozenset[str]


_ANYTHING = Subject(frozenset(), frozenset())


def subject_of(named: Iterable[Named]) -> Subject:
    """The subject of a request that names these resources."""
    resources: set[tuple[str, str]] = set()
    for resource in named:
        # An empty identifier names nothing; as a filter, it may match everything.
        if len(resource.types) != 1 or not resource.identifier:
            return _ANYTHING
        resources.update((of_type, resource.identifier) for of_type in resource.types)
    types = frozenset(of_type for of_type, _ in resources)
    if _MACHINE in types:
        types = frozenset(of_type for of_type in types if not of_type.startswith(_WITHIN_MACHINES))
        resources = {resource for resource in resources if resource[0] in types}
    return Subject(frozenset(resources), types)


@dataclass(slots=True, eq=False)
class ReadIndex:
    """The keys of reads, by their subject."""

    _by_resource: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    _by_types: dict[frozenset[str], set[bytes]] = field(default_factory=dict)

    def add(self, key: bytes, subject: Subject) -> None:
        """Adds a read, whose key must be new."""
        self._by_types.setdefault(subject.types, set()).add(key)
        for resource in subject.resources:
            self._by_resource.setdefault(resource, set()).add(key)

    def remove(self, key: bytes, subject: Subject) -> None:
        """Removes a read that was added with this subject."""
        _discard(self._by_types, subject.types, key)
        for resource in subject.resources:
            _discard(self._by_resource, resource, key)

    def touched(self, change: Subject) -> set[bytes]:
        """The keys of all reads that a change may affect."""
        decisive = _decisive(change.types)
        keys: set[bytes] = set()
        for types, of_types in self._by_types.items():
            if not decisive or not decisive <= types:
                keys |= of_types
        for resource in change.resources:
            keys |= self._by_resource.get(resource, set())
        return keys


def _decisive(types: frozenset[str]) -> frozenset[str]:
    """The types for which a read must name different resources than the change to be unaffected. None if every read is
    affected."""
    if _MACHINE in types:
        return frozenset({_MACHINE})
    # Types of the inventory have no namespace.
    return types if all("." in of_type for of_type in types) else frozenset()


def _discard(index: dict[_Name, set[bytes]], name: _Name, key: bytes) -> None:
    index[name].discard(key)
    if not index[name]:
        del index[name]
