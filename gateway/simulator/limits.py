"""Maximum number of virtual CPUs and maximum memory of a machine, for its hardware version and guest."""

from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.machine import VirtualMachine

__all__ = ["HOT_PLUG_SINCE", "max_cpus", "max_memory_mib"]

HOT_PLUG_SINCE = 7
"""The first hardware version that supports adding CPUs and memory to a running machine."""

_GIB = 1024
# First hardware version, CPU cores, memory in MiB.
_BY_VERSION = (
    (3, 2, 3600),
    (4, 4, 65532),
    (7, 8, 255 * _GIB),
    (8, 32, 1011 * _GIB),
    (9, 64, 1011 * _GIB),
    (11, 128, 4080 * _GIB),
    (12, 128, 6128 * _GIB),
    (15, 256, 6128 * _GIB),
    (18, 768, 24560 * _GIB),
    (22, 960, 24560 * _GIB),
)
# Guests that cannot even use what old hardware supports, by name prefix: CPU cores, memory in MiB.
_BY_GUEST = (
    (("DOS", "WIN_31"), 1, 64),
    (("WIN_95", "WIN_98", "WIN_ME"), 1, 512),
    (("OS2", "ECOMSTATION"), 1, 2048),
)


def max_cpus(machine: VirtualMachine) -> int:
    """The maximum number of CPU cores."""
    return _limits(machine)[0]


def max_memory_mib(machine: VirtualMachine) -> int:
    """The maximum memory, in MiB."""
    return _limits(machine)[1]


def _limits(machine: VirtualMachine) -> tuple[int, int]:
    version = hardware_version(machine)
    cpus, memory = next(limits for since, *limits in reversed(_BY_VERSION) if since <= version)
    for guests, guest_cpus, guest_memory in _BY_GUEST:
        if machine.guest_os.startswith(guests):
            return min(cpus, guest_cpus), min(memory, guest_memory)
    return cpus, memory
