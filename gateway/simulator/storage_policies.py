"""Storage policies, which datastores are compatible with them, and whether machines comply with them.

The simulated policies look at the kind of a datastore. vCenter keeps the result of a check until the next one. A part
of a machine that has got another policy, or was never checked, is checked on the next request.
"""

from collections import UserDict
from dataclasses import dataclass
from datetime import datetime

from gateway.simulator.machine import Checked, VirtualMachine
from gateway.simulator.places import Datastore, Places

__all__ = ["HOME", "KNOWN", "StoragePolicies", "StoragePolicy", "overall"]

HOME = "home"
"""The key of a machine's home directory, next to the identifiers of its disks."""


@dataclass(frozen=True, slots=True)
class StoragePolicy:
    """A policy: kinds of datastores that it has rules for, and those of them that are compatible."""

    policy: str
    name: str
    description: str
    applies_to: frozenset[str] | None = None
    """None means every kind."""
    suits: frozenset[str] = frozenset()

    def status_on(self, datastore: Datastore | None) -> str:
        """The result of a check for something on that datastore."""
        if datastore is None or not datastore.accessible:
            return "UNKNOWN_COMPLIANCE"
        if self.applies_to is not None and datastore.type not in self.applies_to:
            return "NOT_APPLICABLE"
        return "COMPLIANT" if datastore.type in self.suits else "NON_COMPLIANT"


KNOWN = (
    StoragePolicy(
        "aa6d5a82-1c88-45da-85d3-3d74b91a5bad",
        "vSAN Default Storage Policy",
        "Storage policy used as default for vSAN datastores",
        suits=frozenset({"VSAN"}),
    ),
    StoragePolicy(
        "f4e5bade-15a2-4805-bf8e-52318c4ce443",
        "VVol No Requirements Policy",
        "Allow the datastore to determine the best placement strategy for storage objects",
        applies_to=frozenset({"VVOL"}),
        suits=frozenset({"VVOL"}),
    ),
    StoragePolicy(
        "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11", "Gold", "Block storage for production", suits=frozenset({"VMFS"})
    ),
)
"""The policies of the inventory."""


class StoragePolicies(UserDict[str, StoragePolicy]):
    """All policies by identifier, and the machines' compliance with them."""

    def __init__(self, places: Places) -> None:
        super().__init__({policy.policy: policy for policy in KNOWN})
        self._places = places

    def parts_of(self, machine: VirtualMachine) -> dict[str, str]:
        """The policies of the home directory and the disks; parts without a policy are omitted."""
        parts = {HOME: machine.home_storage_policy} | {key: disk.storage_policy for key, disk in machine.disks.items()}
        return {part: policy for part, policy in parts.items() if policy is not None}

    def compliance_of(self, machine: VirtualMachine, now: datetime) -> dict[str, Checked]:
        """The results of the last checks by part."""
        parts = self.parts_of(machine)
        unknown = {part for part, policy in parts.items() if _policy_of(machine.compliance.get(part)) != policy}
        self.check(machine, unknown, now)
        machine.compliance = {part: machine.compliance[part] for part in parts}
        return machine.compliance

    def check(self, machine: VirtualMachine, parts: set[str], now: datetime) -> None:
        """Checks these parts again."""
        for part, policy in self.parts_of(machine).items():
            if part in parts:
                path = machine.directory if part == HOME else machine.disks[part].vmdk_file
                datastore = None if machine.inaccessible else self._places.datastore_of(path)
                machine.compliance[part] = Checked(policy, self.data[policy].status_on(datastore), now)


def overall(statuses: list[str]) -> str:
    """The status of a machine as a whole: the worst of its parts."""
    order = ("NON_COMPLIANT", "UNKNOWN_COMPLIANCE", "OUT_OF_DATE", "COMPLIANT")
    return next((status for status in order if status in statuses), "NOT_APPLICABLE")


def _policy_of(checked: Checked | None) -> str | None:
    return checked.policy if checked is not None else None
