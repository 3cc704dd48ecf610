"""What machines use: the owners of disk files, the memory that running machines use on each host, and the ports of
distributed networks that their nics have.

With many machines, looking at all of them for each power operation would take too long. On access, the known values are
updated for the machines that were touched since: see `Changes`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.simulator.changes import Changes
from gateway.simulator.machine import VirtualMachine

__all__ = ["Usage"]


class _Used(NamedTuple):
    """What one machine uses."""

    files: frozenset[str]
    ports: tuple[tuple[str, str], ...]
    """Networks with the used ports."""
    host: str
    memory_mib: int

    @classmethod
    def by(cls, machine: VirtualMachine) -> "_Used":
        backings = [nic.backing for nic in machine.nics.values()]
        return cls(
            frozenset(disk.vmdk_file for disk in machine.disks.values()),
            tuple((item["network"], item["distributed_port"]) for item in backings if "distributed_port" in item),
            machine.placement.host,
            machine.memory.size_mib if machine.power_state == "POWERED_ON" else 0,
        )


class Usage:
    """The disk files, the memory and the ports that machines use."""

    def __init__(self, machines: Mapping[str, VirtualMachine], changes: Changes) -> None:
        self._machines = machines
        self._changes = changes
        self._used: dict[str, _Used] = {}
        self._owners: dict[str, set[str]] = {}
        self._memory_mib: Counter[str] = Counter()
        self._ports: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._settled = 0
        self._known: int | None = None

    def owners(self, vmdk_file: str) -> list[VirtualMachine]:
        """The machines that a disk file is attached to."""
        self._follow()
        return [self._machines[vm] for vm in sorted(self._owners.get(vmdk_file, ()))]

    def memory_mib(self, host: str) -> int:
        """The memory of the host's powered-on machines."""
        self._follow()
        return self._memory_mib[host]

    def ports(self, network: str) -> Counter[str]:
        """How many nics use each port of a network."""
        self._follow()
        return self._ports[network].copy()

    def settled(self) -> None:
        """No change is in progress: everything touched so far has its final state."""
        self._settled = self._changes.revision

    def _follow(self) -> None:
        touched = None if self._known is None else self._changes.since(self._known)
        if touched is None:
            machines: Iterable[str] = {*self._used, *self._machines}
        else:
            machines = [key.id for key in touched if key.type == "VirtualMachine"]
        for vm in machines:
            self._look_at(vm)
        self._known = self._settled

    def _look_at(self, vm: str) -> None:
        machine = self._machines.get(vm)
        before, now = self._used.pop(vm, None), None if machine is None else _Used.by(machine)
        if before is not None:
            self._memory_mib[before.host] -= before.memory_mib
            for network, port in before.ports:
                self._ports[network][port] -= 1
            for file in before.files:
                self._owners[file].discard(vm)
                if not self._owners[file]:
                    del self._owners[file]
        if now is not None:
            self._used[vm] = now
            self._memory_mib[now.host] += now.memory_mib
            for network, port in now.ports:
                self._ports[network][port] += 1
            for file in now.files:
                self._owners.setdefault(file, set()).add(vm)
