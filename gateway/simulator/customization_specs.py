"""The customization specifications stored in vCenter, by name, each with a fingerprint that every change renews."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from gateway.simulator import errors
from gateway.simulator.customization import STORED_SPECS, Spec, require_valid, stored

__all__ = ["CustomizationSpecs", "StoredSpec", "without_nulls"]

_MESSAGES = "com.vmware.api.vcenter.guest.customization_spec"
_FIRST_VERSION = 1_500_000_000
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class StoredSpec:
    """A stored specification."""

    name: str
    description: str
    spec: Spec
    fingerprint: str
    modified: datetime

    def to_json(self) -> dict[str, Any]:
        """The specification in the form that updates accept."""
        return {
            "name": self.name,
            "description": self.description,
            "fingerprint": self.fingerprint,
            "spec": self.spec,
        }


class CustomizationSpecs(Mapping[str, Spec]):
    """All stored specifications by name, as used for customizing guests; `records` has their other attributes."""

    def __init__(self, started: datetime) -> None:
        self._versions = count(_FIRST_VERSION)
        self.records: dict[str, StoredSpec] = {}
        for name, spec in STORED_SPECS.items():
            self._store(name, "", spec, started)

    def __getitem__(self, name: str) -> Spec:
        return self.records[name].spec

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def record(self, name: str) -> StoredSpec:
        """The stored specification; NOT_FOUND if none has that name."""
        stored(self, name)
        return self.records[name]

    def create(self, given: Mapping[str, Any], now: datetime) -> None:
        """Stores a new specification. INVALID_ARGUMENT for an invalid one, ALREADY_EXISTS for a name that is taken."""
        self._require_valid(given)
        if given["name"] in self.records:
            raise errors.of_type(
                "ALREADY_EXISTS",
                f"{_MESSAGES}.already_exists",
                "A customization specification with the name '{0}' already exists.",
                given["name"],
            )
        self._store(given["name"], given["description"], given["spec"], now)

    def replace(self, name: str, given: Mapping[str, Any], now: datetime) -> None:
        """Replaces a specification, possibly under another name.

        NOT_FOUND if none has that name, INVALID_ARGUMENT for an invalid one, and if the stored one was changed since
        the caller read it.
        """
        before = self.record(name)
        if given["fingerprint"] not in ("", before.fingerprint):
            raise errors.invalid_argument(
                f"{_MESSAGES}.fingerprint_mismatch",
                "The customization specification '{0}' was changed since the fingerprint '{1}'.",
                name,
                given["fingerprint"],
            )
        self._require_valid(given)
        if given["name"] != name and given["name"] in self.records:
            raise errors.invalid_argument(
                f"{_MESSAGES}.name_in_use",
                "A customization specification with the name '{0}' already exists.",
                given["name"],
            )
        del self.records[name]
        self._store(given["name"], given["description"], given["spec"], now)

    def delete(self, name: str) -> None:
        """Deletes a specification; NOT_FOUND if none has that name."""
        del self.records[self.record(name).name]

    def _require_valid(self, given: Mapping[str, Any]) -> None:
        name = given["name"]
        if not 0 < len(name.strip()) <= _LONGEST_NAME:
            raise errors.invalid_argument(f"{_MESSAGES}.invalid_name", "The name '{0}' is invalid.", name)
        require_valid(given["spec"])

    def _store(self, name: str, description: str, spec: Spec, now: datetime) -> None:
        version = str(next(self._versions))
        self.records[name] = StoredSpec(name, description, without_nulls(spec), version, now)


def without_nulls(value: Any) -> Any:
    """The value without null fields, which clients may send for fields that they do not set."""
    if isinstance(value, Mapping):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
