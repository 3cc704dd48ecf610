"""Which devices a machine can have, and gets by default, for its guest operating system and hardware version."""

from dataclasses import dataclass

from gateway.simulator import errors
from gateway.simulator.machine import VirtualMachine

__all__ = ["GuestDefaults", "guest_defaults", "hardware_version", "require_hardware_version"]

# By name prefix. Hosts do not support these guests at all, or (Mac OS X) not on this hardware.
_UNSUPPORTED = (
    "WIN_31", "WIN_95", "WIN_98", "WIN_ME", "WIN_NT", "OS2", "ECOMSTATION", "NETWARE_4", "REDHAT", "MANDRAKE",
    "MANDRIVA", "TURBO_LINUX", "NLD", "SJDS", "SOLARIS_6", "SOLARIS_7", "SOLARIS_8", "SOLARIS_9", "OPENSERVER",
    "UNIXWARE", "DARWIN", "COREOS",
)  # fmt: skip

# The emulation types of nics by guest, first match; all others have drivers for VMXNET3.
_NICS = (
    ("PCNET32", ("DOS", "NETWARE", "WIN_2000")),
    ("E1000E", ("WINDOWS_8", "WINDOWS_9", "WINDOWS_HYPERV")),
    (
        "E1000",
        (
            "WIN_", "WINDOWS_7", "FREEBSD", "SOLARIS", "VMKERNEL", "RHEL_2", "RHEL_3", "RHEL_4", "RHEL_5", "SUSE",
            "SLES_10", "OES", "DEBIAN_4", "DEBIAN_5", "DEBIAN_6", "DEBIAN_7", "OTHER_24X", "OTHER_26X",
        ),
    ),
)  # fmt: skip
_GENERIC = {"OTHER": "PCNET32", "OTHER_64": "E1000"}

# The sizes of new disks in GiB by guest, first match; all others get 16.
_DISK_SIZES = (
    (2, ("DOS",)),
    (8, ("OTHER", "NETWARE", "FREEBSD", "SOLARIS")),
    (40, ("WIN_", "WINDOWS_7_SERVER", "VMKERNEL")),
    (90, ("WINDOWS_8_SERVER", "WINDOWS_9_SERVER", "WINDOWS_SERVER", "WINDOWS_HYPERV")),
    (32, ("WINDOWS_7", "WINDOWS_8")),
    (48, ("WINDOWS_9",)),
    (64, ("WINDOWS_1",)),
)
_DISK_ADAPTERS = (("IDE", ("DOS", "WIN_XP_HOME", "WIN_XP_PRO")), ("NVME", ("WINDOWS_11", "WINDOWS_12")))
_HAVE_SCSI_DRIVERS = frozenset({"WIN_XP_PRO_64"})

# The adapters that SCSI disks are attached to by guest, first match; all others have drivers for PVSCSI.
_SCSI_ADAPTERS = (
    ("BUSLOGIC", ("WIN_2000", "WIN_NT", "NETWARE")),
    ("LSILOGIC", ("DOS", "WIN_XP", "FREEBSD", "SOLARIS", "RHEL_2", "RHEL_3", "RHEL_4", "SUSE", "OTHER")),
    ("LSILOGICSAS", ("WIN_", "WINDOWS_")),
)
_SAS_SINCE = 7

# Memory in MiB by guest, first match; all others get 2048. The guests that need most get two cores.
_MEMORY = (
    (32, ("DOS",)),
    (4096, ("WINDOWS_8_SERVER", "WINDOWS_9", "WINDOWS_SERVER", "WINDOWS_1", "VMKERNEL")),
    (1024, ("WIN_", "OTHER", "FREEBSD", "SOLARIS", "NETWARE")),
)
_MUCH_MEMORY = 4096
_EFI = ("WINDOWS_9", "WINDOWS_SERVER", "WINDOWS_1", "RHEL_9", "VMKERNEL_6", "VMKERNEL_7", "VMKERNEL_8")
_EFI_SINCE = 8

_SATA_SINCE = 10
_NVME_SINCE = 13
_NICS_SINCE = {"VMXNET3": 7, "E1000E": 8}


@dataclass(frozen=True, slots=True)
class GuestDefaults:
    """What a guest gets if a request omits it: the types of devices, and the size of disks."""

    nic: str
    cdrom: str
    disk: str
    disk_capacity: int
    """In bytes."""
    scsi: str
    cpus: int
    memory_mib: int
    firmware: str


def hardware_version(machine: VirtualMachine) -> int:
    """The number in the machine's hardware version: 19 for VMX_19."""
    return int(machine.hardware_version.removeprefix("VMX_"))


def guest_defaults(machine: VirtualMachine) -> GuestDefaults:
    """The defaults for the machine's guest. UNSUPPORTED if the hosts do not support that guest."""
    guest = machine.guest_os
    if guest.startswith(_UNSUPPORTED):
        raise errors.unsupported(
            "vmsg.UnsupportedGuest.summary", "The guest operating system '{0}' is not supported.", guest
        )
    nic = _GENERIC.get(guest) or next((nic for nic, guests in _NICS if guest.startswith(guests)), "VMXNET3")
    modern = nic in {"VMXNET3", "E1000E"}
    version = hardware_version(machine)
    scsi = next((adapter for adapter, guests in _SCSI_ADAPTERS if guest.startswith(guests)), "PVSCSI")
    memory = next((size for size, guests in _MEMORY if guest.startswith(guests)), 2048)
    return GuestDefaults(
        nic=nic if version >= _NICS_SINCE.get(nic, 0) else "E1000",
        cdrom="SATA" if modern and version >= _SATA_SINCE else "IDE",
        disk=_disk_adapter(guest, version),
        disk_capacity=next((size for size, guests in _DISK_SIZES if guest.startswith(guests)), 16) << 30,
        scsi=scsi if version >= _SAS_SINCE or scsi == "BUSLOGIC" else "LSILOGIC",
        cpus=2 if memory >= _MUCH_MEMORY else 1,
        memory_mib=memory,
        firmware="EFI" if guest.startswith(_EFI) and version >= _EFI_SINCE else "BIOS",
    )


def _disk_adapter(guest: str, version: int) -> str:
    """SCSI for every guest that has a driver for it and does not run better with NVMe."""
    if guest in _HAVE_SCSI_DRIVERS:
        return "SCSI"
    adapter = next((adapter for adapter, guests in _DISK_ADAPTERS if guest.startswith(guests)), "SCSI")
    return "SCSI" if adapter == "NVME" and version < _NVME_SINCE else adapter


def require_hardware_version(machine: VirtualMachine, device: str) -> None:
    """UNSUPPORTED for a type of device (`SATA`, `VMXNET3`...) that is newer than the machine's hardware."""
    since = {"SATA": _SATA_SINCE, "NVME": _NVME_SINCE, **_NICS_SINCE}.get(device, 0)
    if hardware_version(machine) < since:
        raise errors.unsupported(
            "vmsg.DeviceUnsupportedForVmVersion.summary",
            "The device '{0}' is not supported by the virtual machine's hardware version '{1}'. At least version '{2}' "
            "is required.",
            device,
            machine.hardware_version,
            f"VMX_{since:02}",
        )
