"""What tests of `GuestService` share: accounts of guests, files in them, and runs of programs."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from typing import Any

from gateway.simulator.file_system import Node
from gateway.simulator.guest import PASSWORD, Guest
from tests.integration.harness import Stream, System

__all__ = [
    "LINUX",
    "ROOT",
    "RUN",
    "UPLOAD",
    "WINDOWS",
    "Ran",
    "administrator",
    "content_of",
    "credentials",
    "guest_of",
    "ran",
    "run",
    "temporary",
    "upload",
    "write_file",
]

SERVICE = "vcenter.gateway.v1.GuestService"
RUN, UPLOAD, DOWNLOAD = (f"{SERVICE}/{rpc}" for rpc in ("RunProgram", "UploadFile", "DownloadFile"))
LINUX, WINDOWS = "vm-1001", "vm-1017"


def credentials(user: str, password: str = PASSWORD) -> dict[str, Any]:
    """Those of an account of a guest."""
    kind = "CREDENTIALS_TYPE_USERNAME_PASSWORD"
    return {"interactive_session": False, "type": kind, "user_name": user, "password": password}


ROOT, administrator = credentials("root"), credentials("Administrator")


class Ran:
    """What came of a run of a program."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.started = messages[0]["started"]
        self.exited = messages[-1]["exited"]
        self.exit_code = int(self.exited["exit_code"])
        self.output = b"".join(base64.b64decode(message["output"]) for message in messages if "output" in message)
        self.error_output = b"".join(
            base64.b64decode(message["error_output"]) for message in messages if "error_output" in message
        )


def run(system: System, command: str = "", *, vm: str = LINUX, content: Iterable[bytes] = (), **start: Any) -> Stream:
    """Starts a command line for the guest's shell, or what `start` says."""
    account = ROOT if vm == LINUX else administrator
    given = {"vm": vm, "credentials": account, **({"shell_command": command} if command else {}), **start}
    rest = [{"input": base64.b64encode(piece).decode()} for piece in content]
    return system.client.talk(RUN, [{"start": given}, *rest])


async def ran(system: System, command: str = "", **more: Any) -> Ran:
    """What comes of it. Raises Failure."""
    return Ran(await run(system, command, **more).all())


def guest_of(system: System, vm: str = LINUX) -> Guest:
    """The guest, past vCenter."""
    guest = system.simulator.inventory.machines[vm].guest
    guest.advance(system.clock())
    return guest


def temporary(system: System, vm: str = LINUX) -> list[str]:
    """What the gateway has left in the directories where it puts anything."""
    guest = guest_of(system, vm)
    account = next(iter(guest.accounts.values()))
    windows = ["C:\\Users\\Administrator\\AppData\\Local\\Temp", "C:\\Windows\\Temp"]
    places = ["/tmp", "/root"] if guest.posix else windows  # noqa: S108
    names = [name for place in places for name in guest.files.find(account, place).children]
    return [name for name in names if "vcenter-gateway" in name]


def content_of(system: System, path: str, vm: str = LINUX) -> bytes:
    """A file of the guest, past vCenter."""
    guest = guest_of(system, vm)
    return guest.files.find(next(iter(guest.accounts.values())), path).content


def write_file(system: System, path: str, content: bytes, vm: str = LINUX) -> None:
    """Writes a file in the guest, past vCenter."""
    guest = guest_of(system, vm)
    account = next(iter(guest.accounts.values()))
    node = Node.new(guest.files.name_of(path), "FILE", system.clock(), 0o644)
    node.content = content
    guest.files.put(account, path, node, replace=True)


async def upload(
    system: System, path: str, chunks: Iterable[bytes], *, vm: str = LINUX, **start: Any
) -> dict[str, Any]:
    """Uploads a file. Raises Failure."""
    pieces = list(chunks)
    account = ROOT if vm == LINUX else administrator
    given = {"vm": vm, "credentials": account, "path": path, "size": sum(map(len, pieces)), **start}

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {"start": given}
        for piece in pieces:
            yield {"chunk": base64.b64encode(piece).decode()}

    [answer] = await system.client.talk(UPLOAD, requests()).all()
    return answer
