"""com.vmware.vcenter.vm.guest.filesystem.transfers: copying files into the guest and out of it, by URLs."""

from gateway.simulator import errors
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_access import operating_guest
from gateway.simulator.guest_files import (
    already_exists,
    file_error,
    file_errors,
    free_space,
    permission_denied,
    require_fitting,
    require_path,
    require_readable,
)
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create"]


@operation("com.vmware.vcenter.vm.guest.filesystem.transfers", "create")
def create(call: Call) -> Json:
    """Prepares a transfer, after checking everything that can be checked in advance; returns its URL."""
    guest, account = operating_guest(call)
    spec = call.spec["spec"]
    path, attributes = spec["path"], spec.get("attributes")
    require_path(guest, path, "NOT_A_FILE")
    if attributes is None:
        require_readable(guest, account, path)
    else:
        require_fitting(guest, attributes)
        _require_creatable(guest, account, path, overwrite=bool(attributes.get("overwrite")))
        size = attributes["size"]
        if size < 0:
            raise errors.invalid_argument(
                "com.vmware.api.vcenter.vm.guest.filesystem.negative_size",
                "The size {0} must not be negative.",
                str(size),
            )
        if size > free_space(guest, path):
            raise errors.of_type(
                "UNABLE_TO_ALLOCATE_RESOURCE",
                "vmsg.NoDiskSpace.summary",
                "Insufficient disk space for the file {0}",
                path,
                data={"reason": "NO_DISK_SPACE", "file_path": path},
            )
    return call.inventory.transfers.prepare(call.vm, account, path, attributes, call.now(), call.origin)


def _require_creatable(guest: Guest, account: Account, path: str, *, overwrite: bool) -> None:
    directory = guest.files.parent_of(path)
    with file_errors(path, denied="access"):
        parent = guest.files.find(account, directory)
        present = guest.files.exists(account, path)
    if present:
        if guest.files.find(account, path, follow=False).kind != "FILE":
            raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path)
        if not overwrite:
            raise already_exists(path)
    if parent.kind != "DIRECTORY":
        raise file_error("NOT_FOUND", "FILE_NOT_FOUND", path)
    if not guest.files.writable(account, parent):
        raise permission_denied()
