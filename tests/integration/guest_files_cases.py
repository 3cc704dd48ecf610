"""The files of the guest operating system: directories, files, transfers; and its network interfaces and routes."""

# ruff: noqa: S104, S108 - paths and routes of guests

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.file_system import Node
from gateway.simulator.guest_accounts import Account
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.guest_cases import (
    ADMINISTRATOR,
    DISABLED,
    FILE_ERROR,
    INVALID_LOGIN,
    LINUX,
    LONG_PATH,
    NOT_SUPPORTED,
    OFF,
    PERMISSION_DENIED,
    ROOT,
    TOOLS_NOT_RUNNING,
    USER,
    WINDOWS,
    after,
    guest,
    login,
    machine,
    powered,
    with_guest,
)

__all__ = ["ERRORS", "SUCCESSES"]

_PACKAGE = "vcenter.vm.guest.filesystem.v1"
CREATE_DIRECTORY, TEMPORARY_DIRECTORY, DELETE_DIRECTORY, MOVE_DIRECTORY = (
    f"{_PACKAGE}.DirectoriesService/{verb}Directory" for verb in ("Create", "CreateTemporary", "Delete", "Move")
)
TEMPORARY_FILE, DELETE_FILE, GET_FILE, MOVE_FILE, UPDATE_FILE = (
    f"{_PACKAGE}.FilesService/{verb}File" for verb in ("CreateTemporary", "Delete", "Get", "Move", "Update")
)
LIST_FILES = f"{_PACKAGE}.FilesService/ListFiles"
TRANSFER = f"{_PACKAGE}.TransfersService/CreateTransfer"
INTERFACES = "vcenter.vm.guest.networking.v1.InterfacesService/ListInterfaces"
ROUTES = "vcenter.vm.guest.networking.v1.RoutesService/ListRoutes"

NOW, INSTALLED = "2026-01-15T12:00:00Z", "2025-06-01T08:30:00Z"
NOT_FOUND, NOT_A_FILE, NOT_A_DIRECTORY, INVALID_PATH, EXISTS, NO_ACCESS, NOT_EMPTY = (
    f"vmsg.{name}.summary"
    for name in (
        "FileNotFound",
        "NotAFile",
        "NotADirectory",
        "InvalidFilePath",
        "FileAlreadyExists",
        "CannotAccessFile",
        "DirectoryNotEmpty",
    )
)
MESSAGES = "com.vmware.api.vcenter.vm.guest.filesystem"
SYSTEM = Account("system", "", True, "/")


def request(path: str | None = None, credentials: Json = USER, vm: str = LINUX, **more: Any) -> dict[str, Any]:
    """A request about a path in the guest."""
    fields: dict[str, Any] = {"vm": vm, "credentials": credentials, **more}
    return fields if path is None else {**fields, "path": path}


def has(path: str, vm: str = LINUX, **attributes: Any) -> Callable[[Any, Simulator], None]:
    """A check that something is at the path, with these attributes."""

    def check(response: Any, simulator: Simulator) -> None:
        node = guest(simulator, vm).files.find(SYSTEM, path, follow=False)
        assert {name: getattr(node, name) for name in attributes} == attributes

    return check


def has_not(path: str, vm: str = LINUX) -> Callable[[Any, Simulator], None]:
    """A check that nothing is at the path."""

    def check(response: Any, simulator: Simulator) -> None:
        assert not guest(simulator, vm).files.exists(SYSTEM, path)

    return check


def both(*checks: Callable[[Any, Simulator], None]) -> Callable[[Any, Simulator], None]:
    def check(response: Any, simulator: Simulator) -> None:
        for item in checks:
            item(response, simulator)

    return check


def with_file(path: str, content: bytes = b"", vm: str = LINUX, owner: int = 1000, **attributes: Any) -> Setup:
    """A file is at the path; it belongs to `user`."""
    return _with("FILE", path, vm, owner, content=content, **attributes)


def with_directory(path: str, vm: str = LINUX, owner: int = 1000, **attributes: Any) -> Setup:
    """A directory is at the path; it belongs to `user`."""
    return _with("DIRECTORY", path, vm, owner, mode=0o755, **attributes)


def _with(kind: Any, path: str, vm: str, owner: int, **attributes: Any) -> Setup:
    def setup(simulator: Simulator) -> None:
        files = guest(simulator, vm).files
        node = Node.new(files.name_of(path), kind, simulator.options.clock(), 0o644, owner=owner)
        for name, value in attributes.items():
            setattr(node, name, value)
        files.put(SYSTEM, path, node)

    return setup


def all_of(*steps: Setup) -> Setup:
    def setup(simulator: Simulator) -> None:
        for step in steps:
            step(simulator)

    return setup


def refused(
    rpc: str,
    error: str,
    case: str,
    message: str,
    fields: Mapping[str, Any],
    reason: str = "",
    path: str = "",
    setup: Setup | None = None,
) -> ErrorCase:
    """A call that is refused; `reason` and `path` are the details about the file."""
    details = {FILE_ERROR: {"reason": f"FILE_ERROR_REASON_{reason}", "file_path": path}} if reason else {}
    return ErrorCase(rpc=rpc, error=error, id=case, request=fields, messages=(message,), details=details, setup=setup)


def guest_errors(rpc: str, fields: Mapping[str, Any]) -> Iterator[ErrorCase]:
    """What every operation in a guest can end in."""
    off = ("com.vmware.api.vcenter.vm.guest.not_powered_on", "vmsg.InvalidPowerState.summary")
    yield ErrorCase(rpc=rpc, error="NOT_ALLOWED_IN_CURRENT_STATE", request={**fields, "vm": OFF}, messages=off)
    yield refused(rpc, "UNSUPPORTED", "old", NOT_SUPPORTED, fields, setup=with_guest(operations_supported=False))
    yield refused(rpc, "UNSUPPORTED", "off", DISABLED, fields, setup=with_guest(operations_disabled=True))
    yield refused(
        rpc, "SERVICE_UNAVAILABLE", "no-tools", TOOLS_NOT_RUNNING, fields, setup=with_guest(tools_installed=False)
    )
    wrong = {**fields, "credentials": login("user", "hunter2")}
    yield refused(rpc, "UNAUTHENTICATED", "wrong-password", INVALID_LOGIN, wrong)


def path_errors(rpc: str, reason: str, field: str = "path", **more: Any) -> Iterator[ErrorCase]:
    """What becomes of paths that are none."""
    fields = {**request(**more), "path": "/tmp/x", "new_path": "/tmp/y", field: "tmp/x"}
    fields = {name: value for name, value in fields.items() if name in _FIELDS[rpc]}
    yield refused(rpc, "INVALID_ARGUMENT", f"{field}-relative", INVALID_PATH, fields, reason, "tmp/x", _SETUP.get(rpc))
    # Of Windows, whose paths are short enough to be in the error as they are.
    fields = {**fields, "vm": WINDOWS, "credentials": ADMINISTRATOR, field: LONG_PATH}
    if field == "new_path":
        fields["path"] = "C:\\x"
    setup = {MOVE_DIRECTORY: with_directory("C:\\x", WINDOWS), MOVE_FILE: with_file("C:\\x", vm=WINDOWS)}.get(rpc)
    case = f"{field}-long"
    yield refused(rpc, "INVALID_ARGUMENT", case, INVALID_PATH, fields, "PATH_TOO_LONG", LONG_PATH, setup)


_FIELDS = {
    CREATE_DIRECTORY: {"vm", "credentials", "path"},
    TEMPORARY_DIRECTORY: {"vm", "credentials", "prefix", "suffix", "parent_path"},
    DELETE_DIRECTORY: {"vm", "credentials", "path"},
    MOVE_DIRECTORY: {"vm", "credentials", "path", "new_path"},
    TEMPORARY_FILE: {"vm", "credentials", "prefix", "suffix", "parent_path"},
    DELETE_FILE: {"vm", "credentials", "path"},
    GET_FILE: {"vm", "credentials", "path"},
    LIST_FILES: {"vm", "credentials", "path"},
    MOVE_FILE: {"vm", "credentials", "path", "new_path"},
    UPDATE_FILE: {"vm", "credentials", "path", "file_attributes"},
}
_SETUP: dict[str, Setup] = {MOVE_DIRECTORY: with_directory("/tmp/x"), MOVE_FILE: with_file("/tmp/x")}

# --- Directories ------------------------------------------------------------------------------------------------------

NAMES: dict[str, Any] = {"prefix": "job-", "suffix": ".d"}

DIRECTORY_SUCCESSES = (
    Success(
        id="one",
        rpc=CREATE_DIRECTORY,
        request=request("/tmp/new"),
        check=has("/tmp/new", kind="DIRECTORY", owner=1000, mode=0o755),
    ),
    Success(
        id="with-parents",
        rpc=CREATE_DIRECTORY,
        request=request("/srv/a/b/", ROOT, create_parents=True),
        check=has("/srv/a/b", kind="DIRECTORY", owner=0),
    ),
    Success(
        id="windows",
        rpc=CREATE_DIRECTORY,
        request=request("C:\\data\\in", ADMINISTRATOR, WINDOWS, create_parents=True),
        check=has("c:\\DATA\\IN", WINDOWS, kind="DIRECTORY", name="in"),
    ),
    Success(
        id="default-place",
        rpc=TEMPORARY_DIRECTORY,
        request=request(**NAMES),
        response={"path": "/tmp/job-vmware0.d"},
        check=has("/tmp/job-vmware0.d", kind="DIRECTORY", mode=0o700),
    ),
    Success(
        id="particular-place",
        rpc=TEMPORARY_DIRECTORY,
        request=request(parent_path="/home/user", prefix="", suffix=""),
        response={"path": "/home/user/vmware0"},
    ),
    Success(
        id="windows",
        rpc=TEMPORARY_DIRECTORY,
        request=request(None, ADMINISTRATOR, WINDOWS, **NAMES),
        response={"path": "C:\\Users\\Administrator\\AppData\\Local\\Temp\\job-vmware0.d"},
    ),
    Success(
        id="empty",
        rpc=DELETE_DIRECTORY,
        request=request("/tmp/x"),
        setup=with_directory("/tmp/x"),
        check=has_not("/tmp/x"),
    ),
    Success(
        id="recursive",
        rpc=DELETE_DIRECTORY,
        request=request("/tmp/x", recursive=True),
        setup=all_of(with_directory("/tmp/x"), with_file("/tmp/x/file")),
        check=has_not("/tmp/x"),
    ),
    Success(
        id="renamed",
        rpc=MOVE_DIRECTORY,
        request=request("/tmp/x", new_path="/home/user/y"),
        setup=all_of(with_directory("/tmp/x"), with_file("/tmp/x/file", b"1")),
        check=both(has_not("/tmp/x"), has("/home/user/y/file", content=b"1")),
    ),
)

DIRECTORY_ERRORS = (
    *guest_errors(CREATE_DIRECTORY, request("/tmp/new")),
    *path_errors(CREATE_DIRECTORY, "NOT_A_DIRECTORY"),
    refused(CREATE_DIRECTORY, "ALREADY_EXISTS", "", EXISTS, request("/tmp")),
    refused(CREATE_DIRECTORY, "NOT_FOUND", "parent", NOT_FOUND, request("/tmp/a/b"), "FILE_NOT_FOUND", "/tmp/a/b"),
    refused(CREATE_DIRECTORY, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request("/etc/new")),
    refused(CREATE_DIRECTORY, "UNAUTHORIZED", "out-of-reach", NO_ACCESS, request("/root/new")),
    *guest_errors(TEMPORARY_DIRECTORY, request(**NAMES)),
    *path_errors(TEMPORARY_DIRECTORY, "NOT_A_DIRECTORY", "parent_path", **NAMES),
    refused(
        TEMPORARY_DIRECTORY,
        "INVALID_ARGUMENT",
        "file",
        NOT_A_DIRECTORY,
        request(parent_path="/etc/hosts", **NAMES),
        "NOT_A_DIRECTORY",
        "/etc/hosts",
    ),
    refused(
        TEMPORARY_DIRECTORY,
        "NOT_FOUND",
        "parent",
        NOT_FOUND,
        request(parent_path="/none", **NAMES),
        "FILE_NOT_FOUND",
        "/none",
    ),
    refused(TEMPORARY_DIRECTORY, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request(parent_path="/etc", **NAMES)),
    *guest_errors(DELETE_DIRECTORY, request("/tmp/x")),
    *path_errors(DELETE_DIRECTORY, "NOT_A_DIRECTORY"),
    refused(
        DELETE_DIRECTORY,
        "INVALID_ARGUMENT",
        "file",
        NOT_A_DIRECTORY,
        request("/etc/hosts"),
        "NOT_A_DIRECTORY",
        "/etc/hosts",
    ),
    refused(DELETE_DIRECTORY, "NOT_FOUND", "path", NOT_FOUND, request("/tmp/none"), "FILE_NOT_FOUND", "/tmp/none"),
    refused(
        DELETE_DIRECTORY,
        "RESOURCE_IN_USE",
        "",
        NOT_EMPTY,
        request("/tmp/x"),
        "DIRECTORY_NOT_EMPTY",
        "/tmp/x",
        all_of(with_directory("/tmp/x"), with_file("/tmp/x/file")),
    ),
    refused(DELETE_DIRECTORY, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request("/opt")),
    refused(DELETE_DIRECTORY, "UNAUTHORIZED", "root", PERMISSION_DENIED, request("/", ROOT, recursive=True)),
    refused(
        DELETE_DIRECTORY,
        "UNAUTHORIZED",
        "of-another-in-a-shared-directory",
        PERMISSION_DENIED,
        request("/tmp/x"),
        setup=with_directory("/tmp/x", owner=0),
    ),
    *guest_errors(MOVE_DIRECTORY, request("/tmp/x", new_path="/tmp/y")),
    *path_errors(MOVE_DIRECTORY, "NOT_A_DIRECTORY"),
    *path_errors(MOVE_DIRECTORY, "NOT_A_DIRECTORY", "new_path"),
    refused(
        MOVE_DIRECTORY,
        "INVALID_ARGUMENT",
        "into-itself",
        NOT_A_DIRECTORY,
        request("/tmp/x", new_path="/tmp/x/y"),
        "NOT_A_DIRECTORY",
        "/tmp/x/y",
        with_directory("/tmp/x"),
    ),
    refused(
        MOVE_DIRECTORY, "ALREADY_EXISTS", "", EXISTS, request("/tmp/x", new_path="/opt"), setup=with_directory("/tmp/x")
    ),
    refused(
        MOVE_DIRECTORY,
        "NOT_FOUND",
        "path",
        NOT_FOUND,
        request("/tmp/none", new_path="/tmp/y"),
        "FILE_NOT_FOUND",
        "/tmp/none",
    ),
    refused(
        MOVE_DIRECTORY,
        "NOT_FOUND",
        "new-parent",
        NOT_FOUND,
        request("/tmp/x", new_path="/none/y"),
        "FILE_NOT_FOUND",
        "/none/y",
        with_directory("/tmp/x"),
    ),
    refused(
        MOVE_DIRECTORY,
        "UNAUTHORIZED",
        "guest",
        PERMISSION_DENIED,
        request("/tmp/x", new_path="/etc/y"),
        setup=with_directory("/tmp/x"),
    ),
)

# --- Files ------------------------------------------------------------------------------------------------------------

FILE, DIRECTORY, LINK = (f"FILES_TYPE_{kind}" for kind in ("FILE", "DIRECTORY", "SYMLINK"))
POSIX = {"owner_id": "0", "group_id": "4", "permissions": "0640"}


def attributes(modified: str, accessed: str, owner: int, permissions: str, **more: str) -> Json:
    return {
        "last_modified": modified,
        "last_accessed": accessed,
        "filesystem_family": "FILESYSTEM_FAMILY_POSIX",
        "posix_attributes": {"owner": str(owner), "group": str(owner), "permissions": permissions},
        **more,
    }


def listed(case: str, path: str, result: Json, setup: Setup | None = None, **more: Any) -> Success:
    return Success(id=case, rpc=LIST_FILES, request=request(path, **more), response={"result": result}, setup=setup)


def entry(name: str, kind: str, size: int) -> Json:
    return {"filename": name, "type": kind, "size": str(size)}


THREE = all_of(*(with_file(f"/home/user/{name}.log", name.encode()) for name in ("a", "bb", "ccc")))
READY, END = (f"FILES_LAST_ITERATION_STATUS_{name}" for name in ("READY", "END_OF_DATA"))

FILE_SUCCESSES = (
    Success(
        id="regular",
        rpc=GET_FILE,
        request=request("/etc/hosts"),
        response={"file": {"type": FILE, "size": "39", "attributes": attributes(INSTALLED, INSTALLED, 0, "0644")}},
    ),
    Success(
        id="directory",
        rpc=GET_FILE,
        request=request("/home/user"),
        response={
            "file": {"type": DIRECTORY, "size": "4096", "attributes": attributes(INSTALLED, INSTALLED, 1000, "0755")}
        },
    ),
    Success(
        id="link",
        rpc=GET_FILE,
        request=request("/bin"),
        response={
            "file": {
                "type": LINK,
                "size": "7",
                "attributes": attributes(INSTALLED, INSTALLED, 0, "0777", symlink_target="usr/bin"),
            }
        },
    ),
    Success(
        id="windows",
        rpc=GET_FILE,
        request=request("c:/windows/WIN.INI", ADMINISTRATOR, WINDOWS),
        response={
            "file": {
                "type": FILE,
                "size": "35",
                "attributes": {
                    "last_modified": INSTALLED,
                    "last_accessed": INSTALLED,
                    "filesystem_family": "FILESYSTEM_FAMILY_WINDOWS",
                    "win_attributes": {"hidden": False, "read_only": False, "created": INSTALLED},
                },
            }
        },
    ),
    listed(
        "directory",
        "/home/user",
        {
            "files": [
                entry(".", DIRECTORY, 4096),
                entry("..", DIRECTORY, 4096),
                entry("a.log", FILE, 1),
                entry("bb.log", FILE, 2),
                entry("ccc.log", FILE, 3),
            ],
            "total": "5",
            "start_index": "0",
            "end_index": "4",
            "status": END,
        },
        THREE,
    ),
    listed(
        "page",
        "/home/user",
        {
            "files": [entry("a.log", FILE, 1), entry("bb.log", FILE, 2)],
            "total": "5",
            "start_index": "2",
            "end_index": "3",
            "status": READY,
        },
        THREE,
        iteration={"size": "2", "index": "2"},
    ),
    listed("behind-the-end", "/home/user", {"total": "2", "status": END}, iteration={"index": "9"}),
    listed(
        "pattern",
        "/home/user",
        {
            "files": [entry("bb.log", FILE, 2)],
            "total": "1",
            "start_index": "0",
            "end_index": "0",
            "status": END,
        },
        THREE,
        filter={"match_pattern": "^b+\\.log$"},
    ),
    listed(
        "one-file",
        "/etc/hosts",
        {
            "files": [entry("hosts", FILE, 39)],
            "total": "1",
            "start_index": "0",
            "end_index": "0",
            "status": END,
        },
    ),
    Success(
        id="moved",
        rpc=MOVE_FILE,
        request=request("/tmp/x", new_path="/home/user/y"),
        setup=with_file("/tmp/x", b"1"),
        check=both(has_not("/tmp/x"), has("/home/user/y", content=b"1", name="y")),
    ),
    Success(
        id="overwrites",
        rpc=MOVE_FILE,
        request=request("/tmp/x", new_path="/tmp/y", overwrite=True),
        setup=all_of(with_file("/tmp/x", b"new"), with_file("/tmp/y", b"old")),
        check=both(has_not("/tmp/x"), has("/tmp/y", content=b"new")),
    ),
    Success(
        id="posix",
        rpc=UPDATE_FILE,
        request=request("/tmp/x", ROOT, file_attributes={"last_modified": "2020-02-03T04:05:06Z", "posix": POSIX}),
        setup=with_file("/tmp/x"),
        check=has("/tmp/x", owner=0, group=4, mode=0o640),
    ),
    Success(
        id="windows",
        rpc=UPDATE_FILE,
        request=request(
            "C:\\Windows\\win.ini",
            ADMINISTRATOR,
            WINDOWS,
            file_attributes={"windows": {"hidden": True, "read_only": True}},
        ),
        check=has("C:\\Windows\\win.ini", WINDOWS, hidden=True, read_only=True),
    ),
    Success(
        id="nothing",
        rpc=UPDATE_FILE,
        request=request("/tmp/x", file_attributes={}),
        setup=with_file("/tmp/x"),
        check=has("/tmp/x", owner=1000, mode=0o644),
    ),
    Success(
        id="file",
        rpc=DELETE_FILE,
        request=request("/tmp/x"),
        setup=with_file("/tmp/x"),
        check=has_not("/tmp/x"),
    ),
    Success(
        id="link",
        rpc=DELETE_FILE,
        request=request("/etc/mtab", ROOT),
        check=has_not("/etc/mtab"),
    ),
    Success(
        id="default-place",
        rpc=TEMPORARY_FILE,
        request=request(prefix="a", suffix=".txt"),
        response={"path": "/tmp/avmware0.txt"},
        check=has("/tmp/avmware0.txt", kind="FILE", content=b"", mode=0o600, owner=1000),
    ),
    Success(
        id="taken-name",
        rpc=TEMPORARY_FILE,
        request=request(prefix="a", suffix="", parent_path="/home/user"),
        setup=with_file("/home/user/avmware0"),
        response={"path": "/home/user/avmware1"},
    ),
)


def missing(rpc: str, fields: Mapping[str, Any], path: str = "/tmp/none") -> ErrorCase:
    return refused(rpc, "NOT_FOUND", "path", NOT_FOUND, fields, "FILE_NOT_FOUND", path)


def directory(rpc: str, fields: Mapping[str, Any], path: str, **more: Any) -> ErrorCase:
    return refused(rpc, "INVALID_ARGUMENT", "directory", NOT_A_FILE, fields, "NOT_A_FILE", path, **more)


FILE_ERRORS = (
    *guest_errors(GET_FILE, request("/etc/hosts")),
    *path_errors(GET_FILE, "NOT_A_FILE"),
    missing(GET_FILE, request("/tmp/none")),
    refused(GET_FILE, "UNAUTHORIZED", "guest", NO_ACCESS, request("/root/x")),
    *guest_errors(LIST_FILES, request("/etc")),
    *path_errors(LIST_FILES, "NOT_A_FILE"),
    missing(LIST_FILES, request("/tmp/none")),
    refused(
        LIST_FILES,
        "INVALID_ARGUMENT",
        "pattern",
        f"{MESSAGES}.invalid_pattern",
        request("/tmp", filter={"match_pattern": "("}),
    ),
    *(
        refused(
            LIST_FILES,
            "INVALID_ARGUMENT",
            name,
            f"{MESSAGES}.negative_{name}",
            request("/tmp", iteration={name: "-1"}),
        )
        for name in ("size", "index")
    ),
    refused(LIST_FILES, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request("/root")),
    *guest_errors(MOVE_FILE, request("/tmp/x", new_path="/tmp/y")),
    *path_errors(MOVE_FILE, "NOT_A_FILE"),
    *path_errors(MOVE_FILE, "NOT_A_FILE", "new_path"),
    missing(MOVE_FILE, request("/tmp/none", new_path="/tmp/y")),
    directory(MOVE_FILE, request("/opt", new_path="/tmp/y"), "/opt"),
    refused(
        MOVE_FILE,
        "INVALID_ARGUMENT",
        "onto-a-directory",
        NOT_A_FILE,
        request("/tmp/x", new_path="/opt", overwrite=True),
        "NOT_A_FILE",
        "/opt",
        with_file("/tmp/x"),
    ),
    refused(
        MOVE_FILE,
        "ALREADY_EXISTS",
        "",
        EXISTS,
        request("/tmp/x", new_path="/tmp/y"),
        setup=all_of(with_file("/tmp/x"), with_file("/tmp/y")),
    ),
    refused(
        MOVE_FILE,
        "NOT_FOUND",
        "new-parent",
        NOT_FOUND,
        request("/tmp/x", new_path="/none/y"),
        "FILE_NOT_FOUND",
        "/none/y",
        with_file("/tmp/x"),
    ),
    refused(
        MOVE_FILE,
        "UNAUTHORIZED",
        "guest",
        PERMISSION_DENIED,
        request("/etc/hosts", new_path="/tmp/hosts"),
    ),
    *guest_errors(UPDATE_FILE, request("/tmp/x", file_attributes={})),
    *path_errors(UPDATE_FILE, "NOT_A_FILE", file_attributes={}),
    missing(UPDATE_FILE, request("/tmp/none", file_attributes={})),
    refused(
        UPDATE_FILE,
        "INVALID_ARGUMENT",
        "other-family",
        f"{MESSAGES}.wrong_attributes",
        request("/etc/hosts", ROOT, file_attributes={"windows": {"hidden": True}}),
    ),
    refused(
        UPDATE_FILE,
        "INVALID_ARGUMENT",
        "permissions",
        f"{MESSAGES}.invalid_permissions",
        request("/etc/hosts", ROOT, file_attributes={"posix": {"permissions": "rw"}}),
    ),
    refused(UPDATE_FILE, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request("/etc/hosts", file_attributes={})),
    refused(
        UPDATE_FILE,
        "UNAUTHORIZED",
        "owner",
        PERMISSION_DENIED,
        request("/tmp/x", file_attributes={"posix": {"owner_id": "0"}}),
        setup=with_file("/tmp/x"),
    ),
    *guest_errors(DELETE_FILE, request("/tmp/x")),
    *path_errors(DELETE_FILE, "NOT_A_FILE"),
    missing(DELETE_FILE, request("/tmp/none")),
    directory(DELETE_FILE, request("/opt"), "/opt"),
    refused(DELETE_FILE, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request("/etc/hosts")),
    refused(
        DELETE_FILE,
        "UNAUTHORIZED",
        "read-only",
        PERMISSION_DENIED,
        request("C:\\Windows\\x", ADMINISTRATOR, WINDOWS),
        setup=with_file("C:\\Windows\\x", vm=WINDOWS, read_only=True),
    ),
    *guest_errors(TEMPORARY_FILE, request(**NAMES)),
    *path_errors(TEMPORARY_FILE, "NOT_A_DIRECTORY", "parent_path", **NAMES),
    refused(
        TEMPORARY_FILE,
        "INVALID_ARGUMENT",
        "file",
        NOT_A_DIRECTORY,
        request(parent_path="/etc/hosts", **NAMES),
        "NOT_A_DIRECTORY",
        "/etc/hosts",
    ),
    missing(TEMPORARY_FILE, request(parent_path="/none", **NAMES), "/none"),
    refused(TEMPORARY_FILE, "UNAUTHORIZED", "guest", PERMISSION_DENIED, request(parent_path="/etc", **NAMES)),
)

# --- Transfers --------------------------------------------------------------------------------------------------------


def transfer(path: str, credentials: Json = USER, vm: str = LINUX, **attributes: Any) -> dict[str, Any]:
    """A request for a transfer: into the guest where there are attributes."""
    spec = {"path": path, "attributes": attributes} if attributes else {"path": path}
    return {"vm": vm, "credentials": credentials, "spec": spec}


def prepared(response: Any, simulator: Simulator) -> None:
    """The URL leads to the simulator."""
    assert response["url"].startswith(f"{simulator.url}/guestFile?id=1&token=")
    assert len(simulator.inventory.transfers) == 1


def refused_transfer(error: str, case: str, message: str, fields: Mapping[str, Any], **more: Any) -> ErrorCase:
    return refused(TRANSFER, error, case, message, fields, **more)


TRANSFER_SUCCESSES = (
    Success(id="out", rpc=TRANSFER, request=transfer("/etc/hosts"), check=prepared),
    Success(id="in", rpc=TRANSFER, request=transfer("/tmp/x", size="3"), check=prepared),
    Success(
        id="in-place-of-another",
        rpc=TRANSFER,
        request=transfer("/tmp/x", size="0", overwrite=True, posix={"permissions": "600"}),
        setup=with_file("/tmp/x"),
        check=prepared,
    ),
    Success(
        id="windows",
        rpc=TRANSFER,
        request=transfer("C:\\Windows\\Temp\\x", ADMINISTRATOR, WINDOWS, size="1", windows={"hidden": True}),
        check=prepared,
    ),
)

TRANSFER_ERRORS = (
    *guest_errors(TRANSFER, transfer("/etc/hosts")),
    refused_transfer(
        "INVALID_ARGUMENT", "relative", INVALID_PATH, transfer("hosts"), reason="NOT_A_FILE", path="hosts"
    ),
    refused_transfer(
        "INVALID_ARGUMENT",
        "long",
        INVALID_PATH,
        transfer(LONG_PATH, ADMINISTRATOR, WINDOWS),
        reason="PATH_TOO_LONG",
        path=LONG_PATH,
    ),
    refused_transfer("INVALID_ARGUMENT", "directory", NOT_A_FILE, transfer("/etc"), reason="NOT_A_FILE", path="/etc"),
    refused_transfer(
        "INVALID_ARGUMENT", "link", NOT_A_FILE, transfer("/etc/mtab"), reason="NOT_A_FILE", path="/etc/mtab"
    ),
    refused_transfer(
        "INVALID_ARGUMENT",
        "onto-a-directory",
        NOT_A_FILE,
        transfer("/opt", ROOT, size="1", overwrite=True),
        reason="NOT_A_FILE",
        path="/opt",
    ),
    refused_transfer(
        "INVALID_ARGUMENT",
        "other-family",
        f"{MESSAGES}.wrong_attributes",
        transfer("/tmp/x", size="1", windows={}),
    ),
    refused_transfer("INVALID_ARGUMENT", "size", f"{MESSAGES}.negative_size", transfer("/tmp/x", size="-1")),
    refused_transfer("NOT_FOUND", "path", NOT_FOUND, transfer("/tmp/none"), reason="FILE_NOT_FOUND", path="/tmp/none"),
    refused_transfer(
        "NOT_FOUND", "parent", NOT_FOUND, transfer("/none/x", size="1"), reason="FILE_NOT_FOUND", path="/none/x"
    ),
    refused_transfer("ALREADY_EXISTS", "", EXISTS, transfer("/tmp/x", size="1"), setup=with_file("/tmp/x")),
    refused_transfer(
        "UNABLE_TO_ALLOCATE_RESOURCE",
        "",
        "vmsg.NoDiskSpace.summary",
        transfer("/tmp/x", size=str(1 << 50)),
        reason="NO_DISK_SPACE",
        path="/tmp/x",
    ),
    refused_transfer("UNAUTHORIZED", "directory", PERMISSION_DENIED, transfer("/etc/x", size="1")),
    refused_transfer("UNAUTHORIZED", "out-of-reach", NO_ACCESS, transfer("/root/x")),
    refused_transfer(
        "UNAUTHORIZED",
        "unreadable",
        PERMISSION_DENIED,
        transfer("/tmp/x"),
        setup=with_file("/tmp/x", owner=0, mode=0o600),
    ),
)

# --- Network ----------------------------------------------------------------------------------------------------------

DNS = {"ip_addresses": ["10.20.0.53", "10.20.0.54"], "search_domains": ["example.com"]}
NAMED = {"host_name": "web-0001", "domain_name": "example.com"}
DHCP = {"ipv4_enabled": True, "ipv6_enabled": False}


def address(text: str, prefix: int, origin: str, state: str = "PREFERRED") -> Json:
    return {
        "ip_address": text,
        "prefix_length": str(prefix),
        "origin": f"INTERFACES_IP_ADDRESS_ORIGIN_{origin}",
        "state": f"INTERFACES_IP_ADDRESS_STATUS_{state}",
    }


def route(network: str, prefix: int, interface: int = 0, gateway: str | None = None) -> Json:
    found = {"network": network, "prefix_length": str(prefix), "interface_index": str(interface)}
    return found if gateway is None else {**found, "gateway_address": gateway}


FIRST = {
    "nic": "4000",
    "mac_address": "00:50:56:80:00:00",
    "dns_values": NAMED,
    "dns": DNS,
    "ip": {
        "ip_addresses": [
            address("10.20.1.1", 24, "DHCP"),
            address("fe80::250:56ff:fe80:0", 64, "LINKLAYER"),
        ],
        "dhcp": DHCP,
    },
}
SECOND = {
    "nic": "4001",
    "mac_address": "00:50:56:80:00:01",
    "dns_values": NAMED,
    "dns": DNS,
    "ip": {"dhcp": DHCP},
}


def connected(nic: str, state: str = "CONNECTED") -> Setup:
    return lambda simulator: setattr(machine(simulator).nics[nic], "state", state)


def origin(response: Any, simulator: Simulator) -> None:
    assert response["interfaces"][0]["ip"]["ip_addresses"][0] == address("10.20.1.1", 24, "MANUAL")
    assert "dhcp" not in response["interfaces"][0]["ip"]


def states(*expected: tuple[str, str]) -> Callable[[Any, Simulator], None]:
    """A check of the IPv4 addresses with their states."""

    def check(response: Any, simulator: Simulator) -> None:
        found = [item for interface in response["interfaces"] for item in interface["ip"].get("ip_addresses", ())]
        ipv4 = [(item["ip_address"], item["state"].rpartition("_")[2]) for item in found if "." in item["ip_address"]]
        assert ipv4 == list(expected)

    return check


NETWORK_SUCCESSES = (
    Success(id="all", rpc=INTERFACES, request={"vm": LINUX}, response={"interfaces": [FIRST, SECOND]}),
    Success(
        id="second-connected",
        rpc=INTERFACES,
        request={"vm": LINUX},
        setup=connected("4001"),
        check=states(("10.20.1.1", "PREFERRED"), ("10.21.1.1", "PREFERRED")),
    ),
    Success(
        id="disconnected",
        rpc=INTERFACES,
        request={"vm": LINUX},
        setup=connected("4000", "NOT_CONNECTED"),
        check=states(("10.20.1.1", "INACCESSIBLE")),
    ),
    Success(
        id="static",
        rpc=INTERFACES,
        request={"vm": LINUX},
        setup=with_guest(address_is_static=True),
        check=origin,
    ),
    Success(id="no-report", rpc=INTERFACES, request={"vm": LINUX}, setup=with_guest(reports=False), response={}),
    Success(
        id="all",
        rpc=ROUTES,
        request={"vm": LINUX},
        response={"routes": [route("0.0.0.0", 0, gateway="10.20.1.254"), route("10.20.1.0", 24), route("fe80::", 64)]},
    ),
    Success(
        id="second-interface",
        rpc=ROUTES,
        request={"vm": LINUX},
        setup=all_of(connected("4000", "NOT_CONNECTED"), connected("4001")),
        response={"routes": [route("10.21.1.0", 24, 1), route("fe80::", 64, 1)]},
    ),
    Success(id="no-report", rpc=ROUTES, request={"vm": LINUX}, setup=with_guest(reports=False), response={}),
)

NETWORK_ERRORS = tuple(
    ErrorCase(
        rpc=rpc,
        error="SERVICE_UNAVAILABLE",
        id=case,
        request={"vm": vm},
        messages=(TOOLS_NOT_RUNNING,),
        setup=setup,
    )
    for rpc in (INTERFACES, ROUTES)
    for case, vm, setup in (
        ("off", OFF, None),
        ("just-started", OFF, after(1, powered("POWERED_ON", OFF))),
        ("suspended", LINUX, powered("SUSPENDED")),
    )
)

SUCCESSES = (*DIRECTORY_SUCCESSES, *FILE_SUCCESSES, *TRANSFER_SUCCESSES, *NETWORK_SUCCESSES)
ERRORS = (*DIRECTORY_ERRORS, *FILE_ERRORS, *TRANSFER_ERRORS, *NETWORK_ERRORS)
