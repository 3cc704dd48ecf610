"""The operations' view of guest files: validated paths, errors with vCenter's details, free space on disks."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.simulator import errors
from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest, Mount

__all__ = [
    "already_exists",
    "create_temporary",
    "file_error",
    "file_errors",
    "free_space",
    "new_node",
    "permission_denied",
    "place",
    "remove",
    "require_fitting",
    "require_path",
    "require_readable",
    "set_attributes",
]

_LONGEST_PATH = {True: 4095, False: 259}
_TAG = "vmware"
_PERMISSIONS = re.compile(r"0?[0-7]{1,4}")
_PREFIX = "com.vmware.api.vcenter.vm.guest.filesystem"


def file_error(error_type: str, reason: str, path: str) -> errors.VapiError:
    """An error about a path, with details: which path, and why."""
    message_id, text = _MESSAGES[reason]
    return errors.of_type(error_type, message_id, text, path, data={"reason": reason, "file_path": path})


def already_exists(path: str) -> errors.VapiError:
    """ALREADY_EXISTS: something is at the path."""
    return errors.of_type("ALREADY_EXISTS", "vmsg.FileAlreadyExists.summary", "File {0} already exists", path)


def permission_denied() -> errors.VapiError:
    """UNAUTHORIZED: the account may not do it."""
    text = "The guest authentication being used does not have sufficient permissions to perform the operation."
    return errors.unauthorized("vmsg.GuestPermissionDenied.summary", text)


@contextmanager
def file_errors(path: str, *, denied: str = "permission") -> Iterator[None]:
    """Converts the file system's errors about the path to vCenter's; `denied` is what a refusal was about."""
    try:
        yield
    except FileNotFoundError:
        raise file_error("NOT_FOUND", "FILE_NOT_FOUND", path) from None
    except FileExistsError:
        raise already_exists(path) from None
    except IsADirectoryError:
        raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path) from None
    except PermissionError:
        if denied == "access":
            raise errors.unauthorized("vmsg.CannotAccessFile.summary", "Unable to access file {0}", path) from None
        raise permission_denied() from None


def require_path(guest: Guest, path: str, reason: str) -> None:
    """INVALID_ARGUMENT unless the text is an absolute path of the guest; `reason` is the reason for any other text."""
    absolute = path.startswith("/") if guest.posix else path[1:3] in (":\\", ":/")
    if len(path) > _LONGEST_PATH[guest.posix]:
        reason, absolute = "PATH_TOO_LONG", False
    if not absolute or "\0" in path:
        raise errors.invalid_argument(
            "vmsg.InvalidFilePath.summary",
            "{0} is not a valid path",
            path,
            data={"reason": reason, "file_path": path},
        )


def place(guest: Guest, account: Account, path: str, node: Node, *, overwrite: bool = False) -> None:
    """Puts a node at a path, replacing an old file if that is allowed, and uses up the space."""
    with file_errors(path):
        old = guest.files.find(account, path, follow=False) if guest.files.exists(account, path) else None
        guest.files.put(account, path, node, replace=overwrite)
    _use(guest, path, node.usage - (old.usage if old is not None else 0))


def remove(guest: Guest, account: Account, path: str) -> None:
    """Removes what is at a path, and frees its space."""
    with file_errors(path):
        node = guest.files.remove(account, path)
    _use(guest, path, -node.usage)


def create_temporary(guest: Guest, account: Account, spec: dict[str, str], node: Node) -> str:
    """Creates a uniquely named file or directory in the directory of the spec; returns its path."""
    directory = spec.get("parent_path") or _temporary_directory(guest, account)
    require_path(guest, directory, "NOT_A_DIRECTORY")
    with file_errors(directory, denied="access"):
        parent = guest.files.find(account, directory)
    if parent.kind != "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_DIRECTORY", directory)
    while True:
        node.name = f"{spec['prefix']}{_TAG}{guest.next_temporary}{spec['suffix']}"
        guest.next_temporary += 1
        path = guest.files.join(directory, node.name)
        require_path(guest, path, "NOT_A_FILE")
        if not guest.files.exists(account, path):
            place(guest, account, path, node)
            return path


def new_node(guest: Guest, account: Account, path: str, kind: str, now: datetime, mode: int) -> Node:
    """A new node for a path, owned by the account."""
    return Node.new(guest.files.name_of(path), kind, now, mode, owner=account.uid)  # type: ignore[arg-type]


def free_space(guest: Guest, path: str) -> int:
    """The free bytes on the file system of the path."""
    mount = _mount(guest, path)
    return guest.mounts[mount].free_space if mount is not None else 0


def require_readable(guest: Guest, account: Account, path: str) -> None:
    """NOT_FOUND, INVALID_ARGUMENT or UNAUTHORIZED unless a file is at the path that the account may read."""
    with file_errors(path, denied="access"):
        node = guest.files.find(account, path, follow=False)
    if node.kind != "FILE":
        raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path)
    if not guest.files.readable(account, node):
        raise permission_denied()


def require_fitting(guest: Guest, attributes: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT for attributes of the other family of file systems, or invalid permissions."""
    foreign = "windows" if guest.posix else "posix"
    if attributes.get(foreign) is not None:
        raise errors.invalid_argument(
            f"{_PREFIX}.wrong_attributes",
            "The attributes '{0}' are not those of the guest operating system's file system.",
            foreign,
        )
    permissions = (attributes.get("posix") or {}).get("permissions")
    if permissions is not None and _PERMISSIONS.fullmatch(permissions) is None:
        raise errors.invalid_argument(
            f"{_PREFIX}.invalid_permissions", "'{0}' are not permissions in octal digits.", permissions
        )


def set_attributes(node: Node, attributes: Mapping[str, Any]) -> None:
    """Sets the attributes that are given on a node."""
    if attributes.get("last_modified") is not None:
        node.modified = datetime.fromisoformat(attributes["last_modified"])
    if attributes.get("last_accessed") is not None:
        node.accessed = datetime.fromisoformat(attributes["last_accessed"])
    posix, windows = attributes.get("posix") or {}, attributes.get("windows") or {}
    if posix.get("permissions") is not None:
        node.mode = int(posix["permissions"], 8)
    node.owner = node.owner if posix.get("owner_id") is None else posix["owner_id"]
    node.group = node.group if posix.get("group_id") is None else posix["group_id"]
    node.hidden = node.hidden if windows.get("hidden") is None else windows["hidden"]
    node.read_only = node.read_only if windows.get("read_only") is None else windows["read_only"]


def _use(guest: Guest, path: str, size: int) -> None:
    mount = _mount(guest, path)
    if mount is not None:
        found: Mount = guest.mounts[mount]
        guest.mounts[mount] = replace(found, free_space=max(0, found.free_space - size))


def _mount(guest: Guest, path: str) -> str | None:
    """The file system that a path is on."""
    parts = [part.casefold() for part in guest.files.parts(path)]
    found = {mount: [part.casefold() for part in guest.files.parts(mount)] for mount in guest.mounts}
    fitting = [mount for mount, names in found.items() if parts[: len(names)] == names]
    return max(fitting, key=len, default=None)


def _temporary_directory(guest: Guest, account: Account) -> str:
    return "/tmp" if guest.posix else f"{account.home}\\AppData\\Local\\Temp"  # noqa: S108 - in the guest


_MESSAGES = {
    "FILE_NOT_FOUND": ("vmsg.FileNotFound.summary", "File {0} was not found"),
    "NOT_A_FILE": ("vmsg.NotAFile.summary", "{0} is not a file"),
    "NOT_A_DIRECTORY": ("vmsg.NotADirectory.summary", "{0} is not a directory"),
    "DIRECTORY_NOT_EMPTY": ("vmsg.DirectoryNotEmpty.summary", "Directory {0} is not empty"),
}
