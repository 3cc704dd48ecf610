"""Data sets: named collections of keys and values that a machine shares with its guest.

They are part of the machine's configuration, whose size is limited.
"""

import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator import errors

__all__ = ["DataSet", "DataSets", "size"]

_ROOM = 100 << 20
_NAMESPACE = uuid.UUID("3f9a8f0c-5a1e-4c0d-9b53-0c6f7f0f3b21")


@dataclass(slots=True)
class DataSet:
    """One data set; `host` and `guest` are the access of each side to its entries."""

    data_set: str
    name: str
    description: str
    host: str
    guest: str
    omit_from_snapshot_and_clone: bool = False
    entries: dict[str, str] = field(default_factory=dict)
    used: int = 0
    """The bytes of all keys and values."""

    def put(self, key: str, value: str) -> None:
        """Writes an entry, new or replacing an old one."""
        self.used += self.growth(key, value)
        self.entries[key] = value

    def growth(self, key: str, value: str) -> int:
        """By how many bytes writing the entry would grow the data set."""
        old = self.entries.get(key)
        return size(value) + size(key) if old is None else size(value) - size(old)

    def remove(self, key: str) -> None:
        """Removes an entry."""
        self.used -= size(key) + size(self.entries.pop(key))

    def to_json(self) -> dict[str, Any]:
        """The data set as `get` returns it."""
        return {
            "name": self.name,
            "description": self.description,
            "host": self.host,
            "guest": self.guest,
            "used": self.used,
            "omit_from_snapshot_and_clone": self.omit_from_snapshot_and_clone,
        }


@dataclass(slots=True)
class DataSets:
    """The data sets of a machine by identifier. `room` is their total limit, in bytes."""

    room: int = _ROOM
    sets: dict[str, DataSet] = field(default_factory=dict)

    def create(self, name: str, description: str, host: str, guest: str, *, omit: bool) -> DataSet:
        """Adds an empty data set. ALREADY_EXISTS if the name is taken."""
        if any(item.name == name for item in self.sets.values()):
            raise errors.of_type(
                "ALREADY_EXISTS",
                "com.vmware.api.vcenter.vm.data_sets.already_exists",
                "A data set with the name '{0}' already exists.",
                name,
            )
        self.require_room(size(name) + size(description))
        item = DataSet(str(uuid.uuid5(_NAMESPACE, name)), name, description, host, guest, omit)
        self.sets[item.data_set] = item
        return item

    def require_room(self, more: int) -> None:
        """UNABLE_TO_ALLOCATE_RESOURCE if this many more bytes do not fit."""
        used = sum(size(item.name) + size(item.description) + item.used for item in self.sets.values())
        if used + more > self.room:
            raise errors.unable_to_allocate(
                "com.vmware.api.vcenter.vm.data_sets.no_room",
                "The data sets of the virtual machine cannot have more than {0} bytes.",
                str(self.room),
            )

    def for_clone(self) -> "DataSets":
        """The data sets that a clone of the machine gets."""
        kept = {key: item for key, item in self.sets.items() if not item.omit_from_snapshot_and_clone}
        return DataSets(self.room, deepcopy(kept))


def size(text: str) -> int:
    """The size of a text in UTF-8, in bytes."""
    return len(text.encode())
