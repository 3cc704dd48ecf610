"""com.vmware.vcenter.vm.tools.installer: the CD image for installing VMware Tools."""

from gateway.simulator import errors
from gateway.simulator.machine import Cdrom, ToolsInstaller, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["connect", "disconnect", "get", "tools_image"]

_SERVICE = "com.vmware.vcenter.vm.tools.installer"

# The host's images, by name prefix of the guest operating systems; all others are Linux.
_IMAGES = {
    "WIN": "windows.iso",
    "DARWIN": "darwin.iso",
    "FREEBSD": "freebsd.iso",
    "SOLARIS": "solaris.iso",
    "NETWARE": "netware.iso",
}
# Guests without tools, by name prefix, and by full name.
_WITHOUT = ("DOS", "OS2", "ECOMSTATION", "OPENSERVER", "UNIXWARE", "VMKERNEL", "CRX")
_UNKNOWN = {"OTHER", "OTHER_64"}


def tools_image(guest_os: str) -> str | None:
    """The installer file for a guest operating system, None if there is none."""
    if guest_os.startswith(_WITHOUT) or guest_os in _UNKNOWN:
        return None
    image = next((image for beginning, image in _IMAGES.items() if guest_os.startswith(beginning)), "linux.iso")
    return f"[] /vmimages/tools-isoimages/{image}"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """Whether the installer is in a CD-ROM drive."""
    return {"is_connected": _connected(call.vm) is not None}


@operation(_SERVICE, "connect")
def connect(call: Call) -> None:
    """Puts the installer into a CD-ROM drive: one that is not connected, otherwise the first."""
    machine = call.vm
    _require_powered_on(machine)
    if _connected(machine) is not None:
        raise errors.already_in_desired_state(
            "com.vmware.api.vcenter.vm.tools.installer.already_connected",
            "The VMware Tools installer is already connected.",
        )
    image = tools_image(machine.guest_os)
    if image is None:
        raise errors.error(
            "vmsg.ToolsImageNotAvailable.summary",
            "No VMware Tools package is available. The VMware Tools package is not available for this guest operating "
            "system.",
        )
    if not machine.cdroms:
        raise errors.error(
            "com.vmware.api.vcenter.vm.tools.installer.no_cdrom",
            "The VMware Tools installer cannot be connected: the virtual machine has no CD-ROM device.",
        )
    _restore(machine)
    key, drive = min(machine.cdroms.items(), key=lambda item: item[1].state == "CONNECTED")
    machine.tools_installer = ToolsInstaller(key, image, drive.backing, drive.state)
    drive.backing, drive.state = {"type": "ISO_FILE", "iso_file": image}, "CONNECTED"


@operation(_SERVICE, "disconnect")
def disconnect(call: Call) -> None:
    """Removes the installer and restores the drive's previous backing; a missing installer is not an error."""
    machine = call.vm
    _require_powered_on(machine)
    _restore(machine)


def _require_powered_on(machine: VirtualMachine) -> None:
    machine.require_powered_on(
        "com.vmware.api.vcenter.vm.tools.installer.not_powered_on", "Virtual machine is not powered on."
    )


def _drive(machine: VirtualMachine) -> Cdrom | None:
    """The drive with the installer, unless it has got another medium or was removed since."""
    installer = machine.tools_installer
    drive = machine.cdroms.get(installer.cdrom) if installer is not None else None
    if installer is None or drive is None or drive.backing.get("iso_file") != installer.image:
        return None
    return drive


def _connected(machine: VirtualMachine) -> Cdrom | None:
    drive = _drive(machine)
    return drive if drive is not None and drive.state == "CONNECTED" else None


def _restore(machine: VirtualMachine) -> None:
    drive, installer = _drive(machine), machine.tools_installer
    if drive is not None and installer is not None:
        drive.backing = installer.backing
        # If the machine was powered off in between, the drive stays as it is.
        if drive.state == "CONNECTED":
            drive.state = installer.state
    machine.tools_installer = None
