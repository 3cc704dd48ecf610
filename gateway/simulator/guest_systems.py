"""Facts about the guests' operating systems: families, names, and the processes that run from the start."""

from typing import Literal

from gateway.simulator.catalogue import load

__all__ = ["ENVIRONMENTS", "SYSTEM_PROCESSES", "Family", "family_of", "full_name_of", "guest_id_of", "guest_os_of"]

Family = Literal["WINDOWS", "LINUX", "NETWARE", "SOLARIS", "DARWIN", "OTHER"]

_FAMILIES: dict[Family, tuple[str, ...]] = {
    "WINDOWS": ("WIN",),
    "NETWARE": ("NETWARE",),
    "SOLARIS": ("SOLARIS",),
    "DARWIN": ("DARWIN",),
    "OTHER": ("DOS", "OS2", "ECOM", "FREEBSD", "OPENSERVER", "UNIXWARE", "VMKERNEL", "OTHER_64"),
}
_NAMES = {
    "UBUNTU_64": ("ubuntu64Guest", "Ubuntu Linux (64-bit)"),
    "RHEL_8_64": ("rhel8_64Guest", "Red Hat Enterprise Linux 8 (64-bit)"),
    "DEBIAN_11_64": ("debian11_64Guest", "Debian GNU/Linux 11 (64-bit)"),
    "SLES_15_64": ("sles15_64Guest", "SUSE Linux Enterprise 15 (64-bit)"),
    "VMWARE_PHOTON_64": ("vmwarePhoton64Guest", "VMware Photon OS (64-bit)"),
    "WINDOWS_SERVER_2019": ("windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)"),
}

# Name, account, command line of the processes in every guest, by pid; the system depends on the first of each.
SYSTEM_PROCESSES = {
    "WINDOWS": {
        4: ("System", "NT AUTHORITY\\SYSTEM", ""),
        612: ("lsass.exe", "NT AUTHORITY\\SYSTEM", "C:\\Windows\\system32\\lsass.exe"),
        2040: (
            "vmtoolsd.exe",
            "NT AUTHORITY\\SYSTEM",
            '"C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe"',
        ),
        3312: ("explorer.exe", "Administrator", "C:\\Windows\\Explorer.EXE"),
    },
    "LINUX": {
        1: ("systemd", "root", "/sbin/init"),
        712: ("vmtoolsd", "root", "/usr/bin/vmtoolsd"),
        845: ("sshd", "root", "/usr/sbin/sshd -D"),
        1203: ("bash", "user", "-bash"),
    },
}

# The environment of the system user.
ENVIRONMENTS = {
    "WINDOWS": {
        "ComSpec": "C:\\Windows\\system32\\cmd.exe",
        "OS": "Windows_NT",
        "Path": "C:\\Windows\\system32;C:\\Windows",
        "SystemRoot": "C:\\Windows",
        "TEMP": "C:\\Windows\\TEMP",
    },
    "LINUX": {
        "HOME": "/",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD": "/",
        "SHELL": "/bin/sh",
    },
}


def family_of(guest_os: str) -> Family:
    """The family of an operating system in vCenter's list; most of them are Linux."""
    if guest_os == "OTHER":
        return "OTHER"
    return next((family for family, beginnings in _FAMILIES.items() if guest_os.startswith(beginnings)), "LINUX")


def full_name_of(guest_os: str) -> tuple[str, str]:
    """The message id and the text of an operating system's full name."""
    guest_id, name = _names_of(guest_os)
    return f"vmsg.guestos.{guest_id}.label", name


def guest_id_of(guest_os: str) -> str:
    """The VIM API's name of an operating system."""
    return _names_of(guest_os)[0]


def guest_os_of(guest_id: str) -> str:
    """The operating system in vCenter's list for the VIM API's name; `OTHER_64` for an unknown one."""
    wanted = _bare(guest_id)
    known = sorted(load().enumerations["VcenterVmGuestOS"].values)
    return next((name for name in known if _bare(guest_id_of(name)) == wanted), "OTHER_64")


def _bare(guest_id: str) -> str:
    return guest_id.replace("_", "").casefold()


def _names_of(guest_os: str) -> tuple[str, str]:
    return _NAMES.get(guest_os) or (guest_os.lower() + "Guest", guest_os.replace("_", " ").title())
