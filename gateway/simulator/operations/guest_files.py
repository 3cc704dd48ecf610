"""com.vmware.vcenter.vm.guest.filesystem.files: files of the guest operating system, without their contents."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_access import operating_guest
from gateway.simulator.guest_files import (
    already_exists,
    create_temporary,
    file_error,
    file_errors,
    permission_denied,
    remove,
    require_fitting,
    require_path,
    set_attributes,
)
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create_temporary_file", "delete", "get", "list_", "move", "update"]

_SERVICE = "com.vmware.vcenter.vm.guest.filesystem.files"
_MESSAGES = "com.vmware.api.vcenter.vm.guest.filesystem"
_PRIVATE = 0o600
_PAGE = 50


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """A page of a directory's entries, starting with itself and its parent; for a file, only this file."""
    guest, account = operating_guest(call)
    path = call.spec["path"]
    node = _find(guest, account, path, follow=False)
    if not guest.files.readable(account, node):
        raise permission_denied()
    found = [(node.name, node)]
    if node.kind == "DIRECTORY":
        above = guest.files.find(account, guest.files.parent_of(path))
        found = [(".", node), ("..", above), *((child.name, child) for child in node.children.values())]
    pattern = _pattern((call.spec.get("filter") or {}).get("match_pattern"))
    matching = [(name, item) for name, item in found if pattern.search(name)]
    iteration = call.spec.get("iteration") or {}
    size, index = _natural(iteration, "size", _PAGE), _natural(iteration, "index", 0)
    page = matching[index : index + size]
    result: dict[str, Any] = {
        "files": [{"filename": name, "type": item.kind, "size": item.size} for name, item in page],
        "total": len(matching),
        "status": "READY" if page and index + len(page) < len(matching) else "END_OF_DATA",
    }
    return {**result, "start_index": index, "end_index": index + len(page) - 1} if page else result


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """Type, size and attributes; for a symbolic link, those of the link itself."""
    guest, account = operating_guest(call)
    node = _find(guest, account, call.path["path"], follow=False)
    attributes: dict[str, Any] = {"last_modified": timestamp(node.modified), "last_accessed": timestamp(node.accessed)}
    if guest.posix:
        permissions = f"{node.mode:04o}"
        attributes["filesystem_family"] = "POSIX"
        attributes["posix_attributes"] = {"owner": node.owner, "group": node.group, "permissions": permissions}
        if node.target is not None:
            attributes["symlink_target"] = node.target
    else:
        created = timestamp(node.created)
        attributes["filesystem_family"] = "WINDOWS"
        attributes["win_attributes"] = {"hidden": node.hidden, "read_only": node.read_only, "created": created}
    return {"type": node.kind, "size": node.size, "attributes": attributes}


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the attributes of a file or directory, or of the target of a symbolic link."""
    guest, account = operating_guest(call)
    attributes = call.spec["file_attributes"]
    require_fitting(guest, attributes)
    node = _find(guest, account, call.spec["path"], follow=True)
    changes_owner = any((attributes.get("posix") or {}).get(name) is not None for name in ("owner_id", "group_id"))
    if not account.administrator and (changes_owner or account.uid != node.owner):
        raise permission_denied()
    set_attributes(node, attributes)


@operation(_SERVICE, "move")
def move(call: Call) -> None:
    """Moves a file or a symbolic link to another path; replaces an existing file only on request."""
    guest, account = operating_guest(call)
    path, new_path = call.spec["path"], call.spec["new_path"]
    _require_file(path, _find(guest, account, path, follow=False))
    require_path(guest, new_path, "NOT_A_FILE")
    with file_errors(new_path):
        if guest.files.exists(account, new_path):
            _require_file(new_path, guest.files.find(account, new_path, follow=False))
            if not call.spec.get("overwrite"):
                raise already_exists(new_path)
        guest.files.move(account, path, new_path, replace=True)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes a file or a symbolic link."""
    guest, account = operating_guest(call)
    path = call.path["path"]
    _require_file(path, _find(guest, account, path, follow=False))
    remove(guest, account, path)


@operation(_SERVICE, "create_temporary")
def create_temporary_file(call: Call) -> Json:
    """Creates an empty file with a unique name, and returns its path."""
    guest, account = operating_guest(call)
    node = Node.new("", "FILE", call.now(), _PRIVATE, owner=account.uid)
    return create_temporary(guest, account, call.spec, node)


def _find(guest: Guest, account: Account, path: str, *, follow: bool) -> Node:
    require_path(guest, path, "NOT_A_FILE")
    with file_errors(path, denied="access"):
        return guest.files.find(account, path, follow=follow)


def _require_file(path: str, node: Node) -> None:
    if node.kind == "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path)


def _pattern(text: str | None) -> re.Pattern[str]:
    try:
        return re.compile(text or ".*")
    except re.error:
        raise errors.invalid_argument(
            f"{_MESSAGES}.invalid_pattern", "'{0}' is not a valid regular expression.", text or ""
        ) from None


def _natural(iteration: Mapping[str, Any], name: str, default: int) -> int:
    value: int = default if iteration.get(name) is None else iteration[name]
    if value < 0:
        raise errors.invalid_argument(
            f"{_MESSAGES}.negative_{name}", "The value {0} of " + name + " must not be negative.", str(value)
        )
    return value
