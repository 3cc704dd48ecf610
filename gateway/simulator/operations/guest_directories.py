"""com.vmware.vcenter.vm.guest.filesystem.directories: directories of the guest operating system."""

from gateway.simulator import errors
from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_access import operating_guest
from gateway.simulator.guest_files import (
    already_exists,
    create_temporary,
    file_error,
    file_errors,
    new_node,
    place,
    remove,
    require_path,
)
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "create_temporary_directory", "delete", "move"]

_SERVICE = "com.vmware.vcenter.vm.guest.filesystem.directories"
_MODE, _PRIVATE = 0o755, 0o700


@operation(_SERVICE, "create")
def create(call: Call) -> None:
    """Creates a directory and, on request, its missing parents."""
    guest, account = operating_guest(call)
    path = call.spec["path"]
    require_path(guest, path, "NOT_A_DIRECTORY")
    with file_errors(path, denied="access"):
        if guest.files.exists(account, path):
            raise already_exists(path)
    missing = [path]
    if call.spec.get("create_parents"):
        while not _exists(guest, account, guest.files.parent_of(missing[-1])):
            missing.append(guest.files.parent_of(missing[-1]))
    for directory in reversed(missing):
        place(guest, account, directory, new_node(guest, account, directory, "DIRECTORY", call.now(), _MODE))


@operation(_SERVICE, "create_temporary")
def create_temporary_directory(call: Call) -> Json:
    """Creates a directory with a unique name, and returns its path."""
    guest, account = operating_guest(call)
    node = Node.new("", "DIRECTORY", call.now(), _PRIVATE, owner=account.uid)
    return create_temporary(guest, account, call.spec, node)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes a directory, one with entries only on request."""
    guest, account = operating_guest(call)
    path = call.spec["path"]
    node = _directory(guest, account, path)
    if node.children and not call.spec.get("recursive"):
        raise errors.of_type(
            "RESOURCE_IN_USE",
            "vmsg.DirectoryNotEmpty.summary",
            "Directory {0} is not empty",
            path,
            data={"reason": "DIRECTORY_NOT_EMPTY", "file_path": path},
        )
    remove(guest, account, path)


@operation(_SERVICE, "move")
def move(call: Call) -> None:
    """Moves a directory to another path."""
    guest, account = operating_guest(call)
    path, new_path = call.spec["path"], call.spec["new_path"]
    _directory(guest, account, path)
    require_path(guest, new_path, "NOT_A_DIRECTORY")
    with file_errors(new_path):
        if guest.files.exists(account, new_path):
            raise already_exists(new_path)
        try:
            guest.files.move(account, path, new_path)
        except ValueError:
            raise file_error("INVALID_ARGUMENT", "NOT_A_DIRECTORY", new_path) from None


def _directory(guest: Guest, account: Account, path: str) -> Node:
    """The directory at the path; a symbolic link to a directory does not count."""
    require_path(guest, path, "NOT_A_DIRECTORY")
    with file_errors(path, denied="access"):
        node = guest.files.find(account, path, follow=False)
    if node.kind != "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_DIRECTORY", path)
    return node


def _exists(guest: Guest, account: Account, path: str) -> bool:
    with file_errors(path, denied="access"):
        return guest.files.exists(account, path) or guest.files.parent_of(path) == path
