"""The machines of the inventory by identifier, with two indexes: by name, and by the directory of their files.

Only `rename` changes the name of a machine. Its folder can change in any way, so lookups check it.
"""

from collections.abc import Callable, Iterable, Mapping

from gateway.simulator.machine import VirtualMachine

__all__ = ["Machines"]


class Machines(dict[str, VirtualMachine]):
    """A dictionary of machines. Change only single items, otherwise the indexes become stale."""

    def __init__(self, machines: Mapping[str, VirtualMachine] | None = None) -> None:
        super().__init__()
        self._by_name: dict[str, list[VirtualMachine]] = {}
        self.directories: dict[str, VirtualMachine] = {}
        """The directories with the files of a machine, including machines that are no longer in the inventory."""
        self.on_change: Callable[[str], None] = lambda vm: None
        """Called for each machine that is added or removed."""
        for vm, machine in (machines or {}).items():
            self[vm] = machine

    def __setitem__(self, vm: str, machine: VirtualMachine) -> None:
        self._drop(vm)
        super().__setitem__(vm, machine)
        self._by_name.setdefault(machine.name, []).append(machine)
        self.directories[machine.directory] = machine
        self.on_change(vm)

    def __delitem__(self, vm: str) -> None:
        """Removes the machine from the inventory; its files stay where they are."""
        self._drop(vm)
        super().__delitem__(vm)
        self.on_change(vm)

    def named(self, name: str, folder: str | None = None) -> list[VirtualMachine]:
        """The machines with that name: in a folder, or anywhere."""
        return [item for item in self._by_name.get(name, ()) if folder is None or item.placement.folder == folder]

    def rename(self, machine: VirtualMachine, name: str) -> None:
        """Renames a machine; its files keep their names."""
        self._drop(machine.vm)
        machine.home, machine.name = machine.home or machine.name, name
        self._by_name.setdefault(name, []).append(machine)

    def moved(self, machine: VirtualMachine, directory: str) -> None:
        """Follows a machine whose files have moved from that directory."""
        self.directories.pop(directory, None)
        self.directories[machine.directory] = machine

    def free_directory(self, datastore: str, name: str) -> str:
        """The name of a directory for a new machine: the machine's name, with a number if that is taken."""
        base = name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
        return next(home for home in _numbered(base) if f"[{datastore}] {home}" not in self.directories)

    def _drop(self, vm: str) -> None:
        before = self.get(vm)
        if before is not None:
            others = [item for item in self._by_name.get(before.name, ()) if item is not before]
            self._by_name[before.name] = others
            if not others:
                del self._by_name[before.name]


def _numbered(base: str) -> Iterable[str]:
    number = 0
    while True:
        yield f"{base}_{number}" if number else base
        number += 1
