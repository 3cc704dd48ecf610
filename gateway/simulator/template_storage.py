"""Where the files of templates and of machines deployed from them are stored: the storage specs of templates.

Both kinds of specs have the same form: a storage for the machine's own files, one for all disks, and others for single
disks. Their defaults differ: a new template is stored where its library is, a new machine where its template is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import find
from gateway.simulator.places import Datastore

__all__ = ["Storage", "StoragePlan", "datastore_of", "plan_storage", "source_storage"]

_MESSAGES = "com.vmware.vdcs.vmtx-main"


@dataclass(frozen=True, slots=True)
class Storage:
    """Where files are stored, and which storage policy they follow."""

    datastore: Datastore
    policy: str | None


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """The storage of a machine's own files, and of its disks by identifier."""

    home: Storage
    disks: Mapping[str, Storage]


def datastore_of(inventory: Inventory, path: str) -> Datastore:
    """The datastore of a path; RESOURCE_INACCESSIBLE if it is gone."""
    datastore = inventory.places.datastore_of(path)
    if datastore is None:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.file_inaccessible", "The file '{0}' cannot be accessed: its datastore is gone.", path
        )
    return datastore


def source_storage(inventory: Inventory, machine: VirtualMachine) -> StoragePlan:
    """Where a machine's files are stored."""
    return StoragePlan(
        Storage(datastore_of(inventory, machine.directory), machine.home_storage_policy),
        {
            key: Storage(datastore_of(inventory, disk.vmdk_file), disk.storage_policy)
            for key, disk in machine.disks.items()
        },
    )


def plan_storage(inventory: Inventory, spec: Mapping[str, Any], default: StoragePlan) -> StoragePlan:
    """The storage for a spec; `default`, which has all disks, provides what it omits.

    NOT_FOUND for a datastore that does not exist, INVALID_ARGUMENT for a policy or a disk that does not.
    """
    overrides = spec.get("disk_storage_overrides") or {}
    for key in overrides:
        if key not in default.disks:
            raise errors.invalid_argument(f"{_MESSAGES}.disk_not_found", "There is no disk '{0}'.", key)
    return StoragePlan(
        _storage(inventory, spec.get("vm_home_storage"), default.home),
        {
            key: _storage(inventory, overrides.get(key) or spec.get("disk_storage"), storage)
            for key, storage in default.disks.items()
        },
    )


def _storage(inventory: Inventory, spec: Mapping[str, Any] | None, default: Storage) -> Storage:
    if spec is None:
        return default
    if spec.get("datastore") is None:
        raise errors.invalid_argument(f"{_MESSAGES}.datastore_missing", "A storage has to name a datastore.")
    datastore = find(inventory.places.datastores, "datastore", spec["datastore"])
    policy = spec.get("storage_policy")
    if policy is None:
        return Storage(datastore, datastore.default_policy)
    if policy["type"] == "USE_SOURCE_POLICY":
        return Storage(datastore, default.policy)
    if policy["policy"] not in inventory.storage_policies:
        raise errors.invalid_argument(
            f"{_MESSAGES}.invalid_policy", "Storage policy with identifier '{0}' does not exist.", policy["policy"]
        )
    return Storage(datastore, policy["policy"])
