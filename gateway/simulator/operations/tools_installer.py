"""com.vmware.vcenter.vm.tools.installer: the CD image that VMware Tools are installed from."""

from gateway.simulator import errors
from gateway.simulator.machine import Cdrom, ToolsInstaller, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["connect", "disconnect", "get", "tools_image"]

_SERVICE = "com.vmware.vcenter.vm.tools.installer"

# The host's images by the beginnings of the names of the guest operating systems they are for; all others are Linux.
_IMAGES = {
    "WIN": "windows.iso",
    "DARWIN": "darwin.iso",
    "FREEBSD": "freebsd.iso",
    "SOLARIS": "solaris.iso",
    "NETWARE": "netware.iso",
}
# Guests without tools, by the beginnings of their names, and by their whole names.
_WITHOUT = ("DOS", "OS2", "ECOMSTATION", "OPENSERVER", "UNIXWARE", "VMKERNEL", "CRX")
_UNKNOWN = {"OTHER", "OTHER_64"}


def tools_image(guest_os: str) -> str | None:
    """The file of the installer for a guest operating system, None if there is none."""
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
    """Puts the installer into a CD-ROM drive: one that is not connected, else the first."""
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
    """Takes the installer out and gives the drive back what it had; nothing to take out is not an error."""
    machine = call.vm
    _require_powered_on(machine)
    _restore(machine)


def _require_powered_on(machine: VirtualMachine) -> None:
    machine.require_powered_on(
        "com.vmware.api.vcenter.vm.tools.installer.not_powered_on", "Virtual machine is not powered on."
    )


def _drive(machine: VirtualMachine) -> Cdrom | None:
    """The drive that holds the installer, unless it has been given another medium or removed since."""
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
        # After the power was off in between, nothing is connected that was not asked for.
        if drive.state == "CONNECTED":
            drive.state = installer.state
    machine.tools_installer = None
