"""Files to and from guests: whole or not at all, in small pieces, and without a trace of what did not succeed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from gateway.access import Admission, AuditLog, parse_policy, passthrough
from gateway.simulator import Fault
from tests.integration.guests import (
    DOWNLOAD,
    LINUX,
    ROOT,
    UPLOAD,
    WINDOWS,
    administrator,
    content_of,
    credentials,
    guest_of,
    temporary,
    upload,
    write_file,
)
from tests.integration.harness import Failure, Stream, System, eventually, running_system

FILES = "com.vmware.vcenter.vm.guest.filesystem"
CONTENT = bytes(range(256)) * 5000


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulated vCenter, in whose guests nothing of the gateway's is left at the end."""
    async with running_system() as running:
        yield running
        await eventually(lambda: not running.gateway.machines.endings, "all is put in order")
        assert temporary(running) == temporary(running, WINDOWS) == []


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def download(system: System, path: str, **more: Any) -> Stream:
    request = {"vm": LINUX, "credentials": ROOT, "path": path, **more}
    return system.client.talk(DOWNLOAD, [request])


async def downloaded(system: System, path: str, **more: Any) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    """The first message, the content, and the last message."""
    first, *chunks, last = await download(system, path, **more).all()
    return first["started"], b"".join(base64.b64decode(item["chunk"]) for item in chunks), last["ended"]


async def failed(call: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await call
    return caught.value


def started(system: System, requests: AsyncIterator[Any] | Iterable[Any]) -> Stream:
    return system.client.talk(UPLOAD, requests)


def start(size: int, **more: Any) -> dict[str, Any]:
    return {"start": {"vm": LINUX, "credentials": ROOT, "path": "/tmp/x", "size": str(size), **more}}  # noqa: S108


def chunk(content: bytes) -> dict[str, Any]:
    return {"chunk": base64.b64encode(content).decode()}


# Up


@pytest.mark.parametrize("size", [1024, 100_000, 1024 * 1024])
async def test_a_file_goes_up(system: System, size: int) -> None:
    """A file arrives whole, in whatever pieces it comes; size and checksum are told."""
    answer = await upload(system, "/root/file", pieces(CONTENT, size))
    assert content_of(system, "/root/file") == CONTENT
    assert answer == {"size": str(len(CONTENT)), "sha256": hashlib.sha256(CONTENT).hexdigest()}


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b"x", b""]], ids=["none", "empty", "around"])
async def test_empty_pieces(system: System, chunks: list[bytes]) -> None:
    """An empty file is a file, and empty pieces are none."""
    await upload(system, "/root/file", chunks)
    assert content_of(system, "/root/file") == b"".join(chunks)


async def test_attributes_of_linux(system: System) -> None:
    """A new file has the attributes that it is to have."""
    attributes = {"mode": 0o640, "owner": 1000, "group": 1000, "modified": "2026-01-01T10:00:00Z"}
    await upload(system, "/root/file", [b"x"], attributes=attributes)
    guest = guest_of(system)
    node = guest.files.find(guest.accounts["root"], "/root/file")
    assert (node.mode, node.owner, node.group) == (0o640, 1000, 1000)
    assert node.modified.isoformat() == "2026-01-01T10:00:00+00:00"


async def test_attributes_of_windows(system: System) -> None:
    """A file of Windows can be hidden and read-only; it gets there all the same."""
    path = "C:\\Windows\\Temp\\file"
    await upload(system, path, [b"x"], vm=WINDOWS, attributes={"hidden": True, "read_only": True})
    guest = guest_of(system, WINDOWS)
    node = guest.files.find(guest.accounts["Administrator"], path)
    assert (node.hidden, node.read_only) == (True, True)


async def test_an_old_file_is_replaced_when_the_new_one_is_complete(system: System) -> None:
    """Until all has come, the old file is there; then the new one is."""
    write_file(system, "/tmp/x", b"old")  # noqa: S108
    going_on = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield start(6, overwrite=True)
        yield chunk(b"new")
        await going_on.wait()
        yield chunk(b"er!")

    answering = asyncio.ensure_future(started(system, requests()).all())
    await eventually(lambda: system.simulator.record.of(f"{FILES}.transfers.create"), "the file begins to go up")
    assert content_of(system, "/tmp/x") == b"old"  # noqa: S108
    going_on.set()
    await answering
    assert content_of(system, "/tmp/x") == b"newer!"  # noqa: S108


async def test_a_file_that_is_there(system: System) -> None:
    """A file is replaced only where that is asked for, which is known before it is sent."""
    write_file(system, "/tmp/x", b"old")  # noqa: S108
    failure = await failed(upload(system, "/tmp/x", [b"new"]))  # noqa: S108
    assert (failure.code, failure.reason) == ("ALREADY_EXISTS", "ALREADY_EXISTS")
    assert not system.simulator.record.of(f"{FILES}.transfers.create")
    assert content_of(system, "/tmp/x") == b"old"  # noqa: S108


@pytest.mark.parametrize(
    ("announced", "content", "more"),
    [
        pytest.param(5, b"four", {}, id="too-short"),
        pytest.param(3, b"four", {}, id="too-long"),
        pytest.param(0, b"x", {}, id="not-empty"),
        pytest.param(4, b"four", {"sha256": "0" * 64}, id="checksum"),
    ],
)
async def test_a_file_that_is_not_as_announced(system: System, announced: int, content: bytes, more: Any) -> None:
    """Another size or checksum leaves the old file as it was."""
    write_file(system, "/tmp/x", b"old")  # noqa: S108
    requests = [start(announced, overwrite=True, **more), chunk(content)]
    failure = await failed(started(system, requests).all())
    assert (failure.code, failure.reason) == ("DATA_LOSS", "FILE_MISMATCH")
    assert not failure.may_have_executed
    assert content_of(system, "/tmp/x") == b"old"  # noqa: S108


@pytest.mark.parametrize("digest", [hashlib.sha256(b"four").hexdigest(), hashlib.sha256(b"four").hexdigest().upper()])
async def test_the_checksum(system: System, digest: str) -> None:
    """The right checksum is accepted in either spelling."""
    await upload(system, "/root/file", [b"four"], sha256=digest)
    assert content_of(system, "/root/file") == b"four"


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        pytest.param([chunk(b"x")], "start", id="chunk-first"),
        pytest.param([start(1), start(1)], "start", id="start-twice"),
        pytest.param([start(2**21), chunk(bytes(1024 * 1024 + 1))], "chunk", id="large-chunk"),
        pytest.param([start(-1)], "start.size", id="negative-size"),
        pytest.param([start(1, sha256="f" * 63)], "start.sha256", id="checksum"),
        pytest.param([start(1, attributes={"mode": 0o10000})], "start.attributes.mode", id="mode"),
        pytest.param([start(1, attributes={"mode": 1, "hidden": True})], "start.attributes", id="both-families"),
        pytest.param([start(1, attributes={"owner": -1})], "start.attributes.owner", id="owner"),
        pytest.param([start(1, attributes={"read_only": True})], "start.attributes", id="windows-for-linux"),
        pytest.param([start(1, path="C:\\x", attributes={"mode": 1})], "start.attributes", id="linux-for-windows"),
        pytest.param([start(1, path="/tmp")], "start.path", id="directory-without-overwrite"),  # noqa: S108
        pytest.param([start(1, path="")], "start.path", id="no-path"),
        pytest.param([start(1, path="/tmp", overwrite=True)], "start.path", id="directory"),  # noqa: S108
    ],
)
async def test_mistakes(system: System, requests: list[Any], field: str) -> None:
    """What is wrong in a request is said of the field."""
    failure = await failed(started(system, requests).all())
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


async def test_a_full_disk(system: System) -> None:
    """The guest's refusal is the call's, with vCenter's details."""
    failure = await failed(started(system, [start(2**50)]).all())
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "UNABLE_TO_ALLOCATE_RESOURCE")
    assert failure.details["vcenter.vm.guest.filesystem.v1.FileErrorDetails"]["reason"] == (
        "FILE_ERROR_REASON_NO_DISK_SPACE"
    )


async def test_no_such_directory(system: System) -> None:
    """A file cannot go where there is no directory."""
    failure = await failed(upload(system, "/none/file", [b"x"]))
    assert failure.code == "NOT_FOUND"


@pytest.mark.parametrize("user", ["root", "nobody"])
async def test_the_guest_refuses_the_account(system: System, user: str) -> None:
    """Wrong credentials of the guest are refused in both directions, and never told."""
    account = credentials(user, "wr0ng")
    for call in (
        upload(system, "/root/x", [b"x"], credentials=account),
        download(system, "/x", credentials=account).all(),
    ):
        failure = await failed(call)
        assert failure.code == "UNAUTHENTICATED"
        assert failure.message_ids == ("vmsg.InvalidGuestLogin.summary",)
        assert "wr0ng" not in repr(failure)


# Down


@pytest.mark.parametrize("size", [1024, 100_000, 1024 * 1024])
async def test_a_file_comes_down(system: System, size: int) -> None:
    """A file comes whole, in pieces of the size that was asked for, between its attributes and its checksum."""
    write_file(system, "/root/file", CONTENT)
    messages = await download(system, "/root/file", chunk_size=size).all()
    chunks = [base64.b64decode(message["chunk"]) for message in messages[1:-1]]
    assert b"".join(chunks) == CONTENT
    assert {len(piece) for piece in chunks[:-1]} <= {size}
    assert messages[0]["started"]["size"] == str(len(CONTENT))
    assert messages[-1]["ended"] == {"size": str(len(CONTENT)), "sha256": hashlib.sha256(CONTENT).hexdigest()}


async def test_attributes_of_files(system: System) -> None:
    """The first message has the attributes of the guest's family."""
    first, _, _ = await downloaded(system, "/etc/hosts")
    assert (first["attributes"]["mode"], first["attributes"]["owner"]) == (0o644, 0)
    assert "hidden" not in first["attributes"]
    path = "C:\\Windows\\win.ini"
    first, content, _ = await downloaded(system, path, vm=WINDOWS, credentials=administrator)
    assert (first["attributes"]["hidden"], first["attributes"]["read_only"]) == (False, False)
    assert content == content_of(system, path, WINDOWS)


@pytest.mark.parametrize("offset", [1, 100_000, len(CONTENT) - 1, len(CONTENT)])
async def test_a_download_goes_on(system: System, offset: int) -> None:
    """A download goes on where another one ended; the checksum is that of what was sent."""
    write_file(system, "/root/file", CONTENT)
    first, content, last = await downloaded(system, "/root/file", offset=str(offset))
    assert content == CONTENT[offset:]
    assert first["size"] == str(len(CONTENT))
    assert last == {"size": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}


async def test_a_file_that_became_shorter(system: System) -> None:
    """There is nothing to go on with behind the end of a file."""
    write_file(system, "/root/file", b"four")
    failure = await failed(download(system, "/root/file", offset="5").all())
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "FILE_CHANGED")


async def test_a_download_whose_url_is_lost(system: System) -> None:
    """A download changes nothing, whatever step of it is lost."""
    system.simulator.faults.add(Fault("reset_after"), operation=f"{FILES}.transfers.create")
    failure = await failed(download(system, "/etc/hosts").all())
    assert (failure.code, failure.may_have_executed) == ("UNAVAILABLE", False)


async def test_an_attribute_that_is_set_too_late(system: System) -> None:
    """An upload that fails after its file is in its place says that it may have been executed."""
    system.simulator.faults.add(Fault.error("RESOURCE_BUSY"), operation=f"{FILES}.files.update")
    path = "C:\\Windows\\Temp\\file"
    failure = await failed(upload(system, path, [b"x"], vm=WINDOWS, attributes={"read_only": True}))
    assert (failure.reason, failure.may_have_executed) == ("RESOURCE_BUSY", True)
    assert content_of(system, path, WINDOWS) == b"x"


async def test_an_empty_file(system: System) -> None:
    """An empty file has no pieces."""
    write_file(system, "/root/file", b"")
    first, content, last = await downloaded(system, "/root/file")
    assert (first["size"], content, last["size"]) == ("0", b"", "0")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"offset": "-1"}, "offset", id="offset"),
        pytest.param({"chunk_size": 1023}, "chunk_size", id="small"),
        pytest.param({"chunk_size": 1024 * 1024 + 1}, "chunk_size", id="large"),
        pytest.param({"path": ""}, "path", id="no-path"),
    ],
)
async def test_mistakes_of_downloads(system: System, more: Any, field: str) -> None:
    """What is wrong in a request is said of the field."""
    failure = await failed(
        download(system, "/etc/hosts", **more).all() if "path" not in more else download(system, "").all()
    )
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


@pytest.mark.parametrize("path", ["/none", "/etc"])
async def test_what_is_no_file(system: System, path: str) -> None:
    """What does not exist and what is a directory cannot be read; vCenter says why."""
    failure = await failed(download(system, path).all())
    assert failure.code == ("NOT_FOUND" if path == "/none" else "INVALID_ARGUMENT")
    assert failure.details["vcenter.vm.guest.filesystem.v1.FileErrorDetails"]["file_path"] == path


# Trouble


async def test_a_caller_who_leaves_an_upload(system: System) -> None:
    """The begin of a file is removed, and the old file is as it was."""
    write_file(system, "/tmp/x", b"old")  # noqa: S108

    async def requests() -> AsyncIterator[Any]:
        yield start(2 * len(CONTENT), overwrite=True)
        yield chunk(CONTENT[: 1024 * 1024])
        await asyncio.Event().wait()

    stream = started(system, requests())
    reading = asyncio.ensure_future(stream.all())
    await eventually(lambda: system.simulator.record.of(f"{FILES}.transfers.create"), "the file begins to go up")
    stream.cancel()
    await asyncio.wait([reading])
    await eventually(lambda: not system.gateway.streams, "the call has ended")
    await eventually(lambda: not system.gateway.machines.endings, "all is put in order")
    assert content_of(system, "/tmp/x") == b"old"  # noqa: S108


@pytest.mark.parametrize(
    ("operation", "kind", "may_have_executed"),
    [
        (f"{FILES}.transfers.create", "reset_after", False),
        (f"{FILES}.files.move", "reset_before", True),
        (f"{FILES}.files.move", "reset_after", True),
    ],
)
async def test_an_upload_whose_step_fails(system: System, operation: str, kind: str, may_have_executed: bool) -> None:
    """The file may be in its place only where the last step was under way; nothing else is left."""
    system.simulator.faults.add(Fault(kind), operation=operation)
    failure = await failed(upload(system, "/root/file", [b"x"]))
    assert (failure.code, failure.may_have_executed) == ("UNAVAILABLE", may_have_executed)
    exists = guest_of(system).files.exists(guest_of(system).accounts["root"], "/root/file")
    assert exists is (kind == "reset_after" and may_have_executed)


async def test_a_temporary_file_that_cannot_be_removed(system: System, log: io.StringIO) -> None:
    """What stays in the guest is said."""
    system.simulator.faults.add(Fault.error("RESOURCE_BUSY"), operation=f"{FILES}.files.move", times=None)
    system.simulator.faults.add(Fault.unavailable(), operation=f"{FILES}.files.delete", times=None)
    failure = await failed(upload(system, "/root/file", [b"x"]))
    left = failure.metadata["left_over"]
    assert (failure.reason, left.rpartition("/")[2]) == ("RESOURCE_BUSY", temporary(system)[0])
    assert left in log.getvalue()
    guest_of(system).files.remove(guest_of(system).accounts["root"], left)


async def at_the_url(system: System, fault: Fault) -> None:
    """Has the next request to a file's URL go wrong, once vCenter gives one."""
    operation = f"{FILES}.transfers.create"
    before = len(system.simulator.record.of(operation))
    system.simulator.faults.add(Fault.latency(0.2), operation=operation)
    await eventually(lambda: len(system.simulator.record.of(operation)) > before, "a URL is asked for")
    system.simulator.faults.add(fault)


async def test_a_download_that_breaks_and_goes_on(system: System) -> None:
    """A connection that breaks in the middle ends the call; another one goes on with what is missing."""
    write_file(system, "/root/file", CONTENT)
    breaking = asyncio.ensure_future(at_the_url(system, Fault("cut_body")))
    stream = download(system, "/root/file", chunk_size=1024)
    content, failure = b"", None
    while failure is None:
        try:
            message = await stream.next()
        except Failure as found:
            failure = found
        else:
            content += base64.b64decode(message.get("chunk", ""))
    await breaking
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")
    assert 0 < len(content) < len(CONTENT)
    _, rest, _ = await downloaded(system, "/root/file", offset=str(len(content)))
    assert content + rest == CONTENT


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_an_upload_that_breaks(system: System, kind: str) -> None:
    """A connection that breaks while a file goes up leaves nothing in the guest, and no doubt."""
    breaking = asyncio.ensure_future(at_the_url(system, Fault(kind)))
    failure = await failed(upload(system, "/root/file", [CONTENT[:100_000]]))
    await breaking
    assert (failure.code, failure.may_have_executed) == ("UNAVAILABLE", False)
    assert not guest_of(system).files.exists(guest_of(system).accounts["root"], "/root/file")


async def test_the_gateway_stops() -> None:
    """A stop ends a transfer while other replicas serve, and removes the begin of the file before vCenter is left."""
    async with running_system() as system:

        async def requests() -> AsyncIterator[Any]:
            yield start(2)
            yield chunk(b"x")
            await asyncio.Event().wait()

        reading = asyncio.ensure_future(started(system, requests()).all())
        await eventually(lambda: system.simulator.record.of(f"{FILES}.transfers.create"), "the file begins to go up")
        stopping = asyncio.ensure_future(system.gateway.stop())
        failure = await failed(reading)
        await stopping
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")
        assert temporary(system) == []


async def test_the_limit_of_transfers() -> None:
    """One transfer too many is refused with a time to try again, and there is room when another one has ended."""
    async with running_system(max_transfers=1) as system:
        going_on = asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            yield start(1)
            await going_on.wait()
            yield chunk(b"x")

        first = asyncio.ensure_future(started(system, requests()).all())
        await eventually(lambda: system.simulator.record.of(f"{FILES}.transfers.create"), "the first one is under way")
        for call in (upload(system, "/root/y", [b"y"]), download(system, "/etc/hosts").all()):
            failure = await failed(call)
            assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_TRANSFERS")
            assert failure.details["google.rpc.RetryInfo"]["retry_delay"] == "5s"
        going_on.set()
        await first
        await downloaded(system, "/etc/hosts")


async def test_policy_and_audit() -> None:
    """A policy decides by the machine, and the audit log tells it; a download is a stream that only reads."""
    records: list[Any] = []
    policy = parse_policy(b'rules: [{identities: ["*"], rpcs: ["*.GuestService/*"], machines: ["vm-1001"]}]')
    admission = Admission(passthrough(), lambda: policy)
    async with running_system(admission=admission, audit=AuditLog(records.append)) as system:
        await upload(system, "/root/x", [b"s3cret"])
        await downloaded(system, "/root/x")
        denied = [
            await failed(upload(system, "C:\\x", [b"x"], vm=WINDOWS)),
            await failed(download(system, "C:\\x", vm=WINDOWS).all()),
        ]
    assert {failure.reason for failure in denied} == {"POLICY_DENIED"}
    told = [(record["event"], record["target"]) for record in records]
    assert told == [
        ("change_started", {"vm": LINUX}),
        ("change_ended", {"vm": LINUX}),
        ("stream_started", {"vm": LINUX}),
        ("stream_ended", {"vm": LINUX}),
        ("change_refused", {"vm": WINDOWS}),
        ("stream_refused", {"vm": WINDOWS}),
    ]
    assert "s3cret" not in repr(records)


async def test_the_url_is_a_secret(system: System, log: io.StringIO) -> None:
    """Nothing but the URL leads to the file, so that it gets no session, and is in no line of the log."""
    await upload(system, "/root/x", [b"x"])
    [request] = [call for call in system.simulator.record if call.method == "PUT"]
    assert not {"vmware-api-session-id", "cookie", "authorization"} & set(request.headers)
    assert "guestFile?" not in log.getvalue()
