"""Files of a guest over several operations: what programs, transfers, time and clones make of them."""

# ruff: noqa: S108 - paths of guests

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gateway.simulator import ManualClock, Simulator, SimulatorOptions
from tests.unit.simulator.harness import PASSWORD, Answer, Api, basic

LINUX, WINDOWS = "vm-1001", "vm-1017"
CREDENTIALS: dict[str, Any] = {
    "type": "USERNAME_PASSWORD",
    "interactive_session": False,
    "user_name": "user",
    "password": PASSWORD,
}
ROOT = {**CREDENTIALS, "user_name": "root"}
ADMINISTRATOR = {**CREDENTIALS, "user_name": "Administrator"}
SCRIPT = b"#!/bin/sh\necho $0 ran; mkdir /tmp/made && exit 3\n"


def guest(api: Api, what: str, credentials: dict[str, Any] | None = None, *, vm: str = LINUX, **fields: Any) -> Answer:
    """One operation on the files of a guest, for example `files?action=list`."""
    body = {"credentials": credentials or CREDENTIALS, **fields}
    return api("POST", f"/api/vcenter/vm/{vm}/guest/{what}", body)


def run(api: Api, path: str, arguments: str, credentials: dict[str, Any] | None = None, *, vm: str = LINUX) -> int:
    """Starts a program and returns its exit code."""
    spec = {"path": path, "arguments": arguments}
    started = guest(api, "processes?action=create", credentials, vm=vm, spec=spec)
    assert started.status == 201, started.json
    answer = guest(api, f"processes/{started.json}?action=get", credentials, vm=vm)
    return int(answer.json["exit_code"])


def url_of(
    api: Api, path: str, credentials: dict[str, Any] | None = None, *, vm: str = LINUX, **attributes: Any
) -> str:
    """The target of a transfer's URL."""
    spec = {"path": path, "attributes": attributes} if attributes else {"path": path}
    answer = guest(api, "filesystem?action=create", credentials, vm=vm, spec=spec)
    assert answer.status == 201, answer.json
    scheme, _, target = answer.json.partition("://*")
    assert scheme == "https"
    return str(target)


def download(api: Api, path: str, credentials: dict[str, Any] | None = None, *, vm: str = LINUX) -> bytes:
    """What is in a file."""
    answer = api.request("GET", url_of(api, path, credentials, vm=vm))
    assert answer.status == 200
    return bytes(answer.response.body)


def upload(api: Api, path: str, content: bytes, credentials: dict[str, Any] | None = None, **attributes: Any) -> Answer:
    """Stores a file."""
    return api.request("PUT", url_of(api, path, credentials, size=len(content), **attributes), content)


def info(api: Api, path: str, vm: str = LINUX, credentials: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `get` tells of a file."""
    encoded = path.replace("/", "%2F").replace("\\", "%5C")
    answer = guest(api, f"filesystem/files/{encoded}?action=get", credentials, vm=vm)
    assert answer.status == 200, answer.json
    return dict(answer.json)


def test_a_file_comes_back_as_it_was_stored(api: Api) -> None:
    """Content and attributes are those of the upload; the attributes are set after the content."""
    content = bytes(range(256))
    times = {"last_modified": "2020-01-02T03:04:05Z", "last_accessed": "2021-01-02T03:04:05+02:00"}
    assert upload(api, "/tmp/x", content, ROOT, posix={"permissions": "0604", "owner_id": 7}, **times).status == 200
    attributes = info(api, "/tmp/x")["attributes"]
    assert attributes["posix_attributes"] == {"owner": 7, "group": 0, "permissions": "0604"}
    assert (attributes["last_modified"], attributes["last_accessed"]) == (
        "2020-01-02T03:04:05.000Z",
        "2021-01-02T01:04:05.000Z",
    )
    assert download(api, "/tmp/x") == content
    assert info(api, "/tmp/x")["attributes"]["last_accessed"] == "2026-01-15T12:00:00.000Z"


def test_a_windows_file_may_be_hidden(api: Api) -> None:
    """A guest of another family has attributes of its own; case and kinds of slashes make no difference."""
    path = "C:\\Windows\\Temp\\Report.txt"
    url = url_of(api, path, ADMINISTRATOR, vm=WINDOWS, size=1, windows={"hidden": True, "read_only": True})
    assert api.request("PUT", url, b"1").status == 200
    found = info(api, "c:/windows/TEMP/report.TXT", WINDOWS, ADMINISTRATOR)
    assert found["attributes"]["win_attributes"] == {
        "hidden": True,
        "read_only": True,
        "created": "2026-01-15T12:00:00.000Z",
    }


def test_attributes_of_an_overwritten_file_are_not_kept(api: Api) -> None:
    """A file in place of another one has the defaults where nothing is said."""
    upload(api, "/tmp/x", b"1", posix={"permissions": "0600"})
    upload(api, "/tmp/x", b"2", overwrite=True)
    assert info(api, "/tmp/x")["attributes"]["posix_attributes"]["permissions"] == "0644"
    assert download(api, "/tmp/x") == b"2"


def test_an_upload_of_another_size_is_refused(api: Api) -> None:
    """Nothing is stored, and the URL is still good for the right content."""
    url = url_of(api, "/tmp/x", size=3)
    assert [api.request("PUT", url, content).status for content in (b"12", b"1234", b"")] == [400, 400, 400]
    assert guest(api, "filesystem/files/%2Ftmp%2Fx?action=get").status == 404
    assert api.request("PUT", url, b"123").status == 200


def test_a_url_is_good_for_one_transfer(api: Api) -> None:
    """A second request finds nothing."""
    url = url_of(api, "/etc/hosts")
    assert [api.request("GET", url).status for _ in range(2)] == [200, 404]


def test_a_url_is_good_in_one_direction(api: Api) -> None:
    """An upload has to be a PUT, a download a GET."""
    assert api.request("GET", url_of(api, "/tmp/x", size=1)).status == 405
    assert api.request("PUT", url_of(api, "/etc/hosts"), b"").status == 405


@pytest.mark.parametrize("change", ["&token=", "&token=0", "?id=9"])
def test_a_url_cannot_be_guessed(api: Api, change: str) -> None:
    """Number and token have to be those of one transfer."""
    url = url_of(api, "/etc/hosts")
    wrong = url.replace("?id=1", change) if change.startswith("?") else url.partition("&token=")[0] + change
    assert api.request("GET", wrong).status == 404
    assert api.request("GET", "/guestFile").status == 404
    assert api.request("GET", url).status == 200


def test_a_url_expires(api: Api, clock: ManualClock) -> None:
    """Ten minutes later it is no longer valid, and is forgotten with the next one."""
    urls = [url_of(api, "/etc/hosts") for _ in range(2)]
    clock.advance(599)
    assert api.request("GET", urls[0]).status == 200
    clock.advance(1)
    assert api.request("GET", urls[1]).status == 404
    url_of(api, "/etc/hosts")
    assert len(api.inventory.transfers) == 1


@pytest.mark.parametrize("action", ["stop", "suspend", "reset"])
def test_a_url_ends_with_the_run_of_the_machine(api: Api, clock: ManualClock, action: str) -> None:
    """After the power has changed it is no longer valid, not even when the machine runs again."""
    url = url_of(api, "/etc/hosts")
    assert api("POST", f"/api/vcenter/vm/{LINUX}/power?action={action}").status == 204
    if action != "reset":
        assert api("POST", f"/api/vcenter/vm/{LINUX}/power?action=start").status == 204
    clock.advance(60)
    assert api.request("GET", url).status == 404


def test_a_url_ends_with_the_machine(api: Api) -> None:
    """A machine that is no longer in the inventory transfers nothing."""
    url = url_of(api, "/etc/hosts")
    del api.inventory.machines[LINUX]
    assert api.request("GET", url).status == 404


def test_what_has_changed_meanwhile_counts(api: Api) -> None:
    """A file that is there when the upload comes is not overwritten; one that is gone cannot be downloaded."""
    up, down = url_of(api, "/tmp/x", size=1), url_of(api, "/tmp/y", size=1)
    api.request("PUT", down, b"y")
    down = url_of(api, "/tmp/y")
    assert run(api, "/bin/sh", "-c 'rm /tmp/y; touch /tmp/x'") == 0
    assert api.request("PUT", up, b"x").error_type == "ALREADY_EXISTS"
    assert api.request("GET", down).error_type == "NOT_FOUND"


def test_files_take_up_room(api: Api) -> None:
    """The free space of the file system goes down and up again with the files."""
    before = api("GET", f"/api/vcenter/vm/{LINUX}/guest/local-filesystem").json["/"]["free_space"]
    upload(api, "/tmp/x", b"1" * 1000)
    full = api("GET", f"/api/vcenter/vm/{LINUX}/guest/local-filesystem").json["/"]["free_space"]
    guest(api, "filesystem/files/%2Ftmp%2Fx?action=delete")
    after = api("GET", f"/api/vcenter/vm/{LINUX}/guest/local-filesystem").json["/"]["free_space"]
    assert (before - full, after) == (1000, before)


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ("-c 'echo one two > /tmp/out'", b"one two\n"),
        ("-c 'hostname > /tmp/out && whoami >> /tmp/out'", b"web-0001\nuser\n"),
        ('-c "cat /etc/hostname > /tmp/out 2>&1"', b"web-0001\n"),
        ("-c 'cat /none > /tmp/out 2>&1 || echo failed >> /tmp/out'", b"cat: File /none was not found\nfailed\n"),
        ("-c 'cd /home; ls user > /tmp/out; pwd >> /tmp/out'", b"/home\n"),
        ("-c 'cp /etc/hostname /tmp/a; mv /tmp/a /tmp/out'", b"web-0001\n"),
        ("-c 'date > /tmp/out; false && rm /tmp/out'", b"Thu Jan 15 12:00:00 UTC 2026\n"),
        ("-c 'uname -a > /tmp/out'", b"Linux web-0001 Ubuntu Linux (64-bit)\n"),
        ("-c 'echo -n \"a > b\" > /tmp/out'", b"a > b"),
    ],
)
def test_programs_leave_their_output(api: Api, arguments: str, content: bytes) -> None:
    """What is redirected into a file can be downloaded."""
    run(api, "/bin/bash", arguments)
    assert download(api, "/tmp/out") == content


def test_a_program_without_a_shell_writes_files_too(api: Api) -> None:
    """The tools of Linux guests pass redirections to a shell."""
    assert run(api, "/bin/echo", "hello > /tmp/out 2>&1") == 0
    assert download(api, "/tmp/out") == b"hello\n"


def test_programs_of_windows_leave_their_output(api: Api) -> None:
    """The shell of Windows knows redirections as well."""
    cmd = "C:\\Windows\\System32\\cmd.exe"
    assert run(api, cmd, '/c "hostname > C:\\Windows\\Temp\\out.txt"', ADMINISTRATOR, vm=WINDOWS) == 0
    name = api.inventory.machines[WINDOWS].guest.host_name
    assert download(api, "C:\\Windows\\Temp\\out.txt", ADMINISTRATOR, vm=WINDOWS) == f"{name}\n".encode()


def test_a_command_that_fails_exits_so(api: Api) -> None:
    """A file that cannot be written or read is a failure of the program."""
    assert run(api, "/bin/sh", "-c 'echo x > /etc/x'") == 1
    assert run(api, "/bin/cat", "/none") == 1
    assert run(api, "/bin/cat", "/etc/hosts") == 0


def test_an_uploaded_script_runs(api: Api) -> None:
    """A script that may be executed is a program: what it does to files is done, and it exits as it says."""
    upload(api, "/tmp/job", SCRIPT)
    spec = {"path": "/tmp/job"}
    assert guest(api, "processes?action=create", spec=spec).error_type == "UNAUTHORIZED"
    upload(api, "/tmp/job", SCRIPT, overwrite=True, posix={"permissions": "0755"})
    assert run(api, "/tmp/job", "> /tmp/log") == 3
    assert info(api, "/tmp/made")["type"] == "DIRECTORY"


def test_what_is_moved_away_is_no_program_any_longer(api: Api) -> None:
    """Programs are files like others."""
    moved = guest(api, "filesystem/files?action=move", ROOT, path="/usr/bin/yes", new_path="/usr/bin/no")
    assert moved.status == 204
    spec = {"path": "/bin/yes"}
    assert guest(api, "processes?action=create", spec=spec).json["data"] == {
        "reason": "FILE_NOT_FOUND",
        "file_path": "/bin/yes",
    }


def test_links_lead_on(api: Api) -> None:
    """`/bin` leads to `/usr/bin` for everything in it, and is a link by itself."""
    assert info(api, "/bin/cat") == info(api, "/usr/bin/cat")
    assert info(api, "/bin")["type"] == "SYMLINK"
    listed = guest(api, "filesystem/files?action=list", path="/bin").json
    assert listed["files"] == [{"filename": "bin", "type": "SYMLINK", "size": 7}]


def test_a_clone_has_the_files(api: Api) -> None:
    """What was on the disks is on those of the copy; what happens then happens to one of them."""
    upload(api, "/tmp/x", b"1")
    spec = {"name": "copy", "source": LINUX, "power_on": True}
    clone = str(api("POST", "/api/vcenter/vm?action=clone", spec).json)
    api.clock.advance(60)
    assert guest(api, "filesystem/files/%2Ftmp%2Fx?action=delete").status == 204
    assert info(api, "/tmp/x", clone)["size"] == 1


async def test_the_url_is_served_by_the_simulator(clock: ManualClock) -> None:
    """The URL leads to the address at which the API was asked, needs no session, and stays out of the record."""
    async with Simulator(SimulatorOptions(clock=clock)) as simulator, aiohttp.ClientSession() as client:
        async with client.post(f"{simulator.url}/api/session", headers=basic(simulator.user)) as answer:
            session = {"vmware-api-session-id": await answer.json()}
        target = f"{simulator.url}/api/vcenter/vm/{LINUX}/guest/filesystem?action=create"
        content = b"0" * 100_000
        for spec, send in (
            ({"path": "/tmp/x", "attributes": {"size": len(content)}}, client.put),
            ({"path": "/tmp/x"}, client.get),
        ):
            body = {"credentials": CREDENTIALS, "spec": spec}
            async with client.post(target, json=body, headers=session) as answer:
                url = await answer.json()
            assert url.startswith(f"{simulator.url}/guestFile?id=")
            async with send(url, **({"data": content} if send == client.put else {})) as answer:
                assert answer.status == 200
                received = await answer.read()
        assert received == content
        assert [call.target for call in simulator.record if call.operation is None][-2:] == [
            "/guestFile?id=1",
            "/guestFile?id=2",
        ]
