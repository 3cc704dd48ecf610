"""The contents of an OVF package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from gateway.simulator.machine import VirtualMachine

__all__ = ["PHOTON", "OvfPackage"]

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class OvfPackage:
    """What an OVF descriptor says about its machine. Sizes of disks are in bytes."""

    name: str
    guest_os: str
    cpu_count: int = 1
    memory_mib: int = 2048
    disks: tuple[int, ...] = (16 * _GIB,)
    networks: tuple[str, ...] = ("VM Network",)
    """The network of each adapter, by its name in the package."""
    annotation: str = ""
    eulas: tuple[str, ...] = ()
    storage_groups: tuple[str, ...] = ("group1",)
    properties: Mapping[str, str] = field(default_factory=dict)
    """Default values of the properties, by key."""

    @classmethod
    def of(cls, machine: VirtualMachine, name: str, annotation: str) -> Self:
        """The package that captures a machine."""
        return cls(
            name,
            machine.guest_os,
            machine.cpu.count,
            machine.memory.size_mib,
            tuple(disk.capacity for disk in machine.disks.values()),
            tuple(nic.backing.get("network_name", nic.backing["type"]) for nic in machine.nics.values()),
            annotation,
        )


PHOTON = OvfPackage(
    "photon-5",
    "VMWARE_PHOTON_64",
    annotation="Photon OS 5 with its tools",
    eulas=("The example license: do as you like with what is not there.",),
    properties={"guestinfo.hostname": "photon"},
)
"""The package in the initial library, and at every URL."""
