"""The files of a new guest: a small selection for each operating system, with the programs that can be started."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from gateway.simulator.file_system import FileSystem, Node
from gateway.simulator.guest_accounts import Account

__all__ = ["LINUX_PROGRAMS", "build_tree"]

_INSTALLED = datetime(2025, 6, 1, 8, 30, tzinfo=UTC)
_SYSTEM = Account("system", "", administrator=True, home="")

LINUX_PROGRAMS = (
    "bash", "cat", "chmod", "cp", "date", "df", "echo", "false", "hostname", "id", "kill", "ls", "mkdir", "mv", "ping",
    "ps", "rm", "setsid", "sh", "sleep", "tail", "touch", "true", "uname", "whoami", "yes",
)  # fmt: skip
_LINUX_DIRECTORIES: Mapping[str, int] = {
    **dict.fromkeys(
        ("/etc", "/home", "/opt", "/usr", "/usr/bin", "/usr/local", "/usr/local/sbin", "/usr/sbin", "/var"),
        0o755,
    ),
    "/root": 0o700,
    # Every process may write its log.
    "/var/log": 0o1777,
    "/tmp": 0o1777,  # noqa: S108
    "/var/tmp": 0o1777,  # noqa: S108
}
_LINUX_LINKS = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/etc/mtab": "../proc/self/mounts"}
_WINDOWS_DIRECTORIES = (
    "C:\\Program Files", "C:\\Users", "C:\\Users\\Administrator", "C:\\Users\\Administrator\\AppData",
    "C:\\Users\\Administrator\\AppData\\Local", "C:\\Users\\Administrator\\AppData\\Local\\Temp", "C:\\Windows",
    "C:\\Windows\\System32", "C:\\Windows\\System32\\WindowsPowerShell",
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0", "C:\\Windows\\Temp",
)  # fmt: skip
_WINDOWS_PROGRAMS = (
    *(
        f"C:\\Windows\\System32\\{name}.exe"
        for name in ("cmd", "hostname", "ipconfig", "ping", "taskkill", "tasklist", "timeout", "whoami")
    ),
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
)
_PROGRAM = b"\x7fELF"
_WINDOWS_PROGRAM = b"MZ"


def build_tree(host_name: str, accounts: Iterable[Account], mounts: Iterable[str], *, posix: bool) -> FileSystem:
    """The files of a new guest; `mounts` are the paths of its file systems."""
    return _linux(host_name, accounts, mounts) if posix else _windows(mounts)


def _linux(host_name: str, accounts: Iterable[Account], mounts: Iterable[str]) -> FileSystem:
    tree = FileSystem(_node("", "DIRECTORY", 0o755), posix=True)
    for path, mode in _LINUX_DIRECTORIES.items():
        _add(tree, path, _node(tree.name_of(path), "DIRECTORY", mode))
    for path, target in _LINUX_LINKS.items():
        link = _node(tree.name_of(path), "SYMLINK", 0o777)
        link.target = target
        _add(tree, path, link)
    for name in LINUX_PROGRAMS:
        _add(tree, f"/usr/bin/{name}", _node(name, "FILE", 0o755, _PROGRAM))
    _add(tree, "/usr/local/sbin/backup", _node("backup", "FILE", 0o700, _PROGRAM))
    accounts = list(accounts)
    passwd = "".join(f"{item.name}:x:{item.uid}:{item.uid}::{item.home}:/bin/bash\n" for item in accounts)
    mounted = sorted(path for path in mounts if path != "/")
    fstab = "".join(
        f"/dev/sd{chr(ord('a') + number)}1 {path} ext4 defaults 0 1\n" for number, path in enumerate(["/", *mounted])
    )
    files = {
        "/etc/fstab": fstab,
        "/etc/hostname": f"{host_name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {host_name}\n",
        "/etc/passwd": passwd,
        "/var/log/messages": f"Jun  1 08:30:00 {host_name} systemd[1]: Started VMware Tools.\n",
    }
    for path, text in files.items():
        _add(tree, path, _node(tree.name_of(path), "FILE", 0o644, text.encode()))
    for account in accounts:
        if not account.administrator:
            _add(tree, account.home, _node(account.name, "DIRECTORY", 0o755, owner=account.uid))
    for path in mounted:
        if not tree.exists(_SYSTEM, path):
            _add(tree, path, _node(tree.name_of(path), "DIRECTORY", 0o755))
    return tree


def _windows(mounts: Iterable[str]) -> FileSystem:
    tree = FileSystem(_node("", "DIRECTORY", 0), posix=False)
    for drive in {"C:", *(path.rstrip("\\") for path in mounts)}:
        tree.root.children[drive.casefold()] = _node(drive, "DIRECTORY", 0)
    for path in _WINDOWS_DIRECTORIES:
        _add(tree, path, _node(tree.name_of(path), "DIRECTORY", 0))
    for path in _WINDOWS_PROGRAMS:
        _add(tree, path, _node(tree.name_of(path), "FILE", 0, _WINDOWS_PROGRAM))
    _add(tree, "C:\\Windows\\win.ini", _node("win.ini", "FILE", 0, b"; for 16-bit app support\r\n[fonts]\r\n"))
    return tree


def _node(name: str, kind: str, mode: int, content: bytes = b"", *, owner: int = 0) -> Node:
    node = Node.new(name, kind, _INSTALLED, mode, owner=owner)  # type: ignore[arg-type]
    node.content = content
    return node


def _add(tree: FileSystem, path: str, node: Node) -> None:
    tree.put(_SYSTEM, path, node)
