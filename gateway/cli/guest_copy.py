"""`cp`: copies a file to or from a guest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from gateway.cli.connection import ConnectionCommand
from gateway.cli.guest import Session, guest_options, opened
from gateway.cli.output import Exit, echo
from gateway.cli.parameter_types import complete_file
from gateway.cli.progress import Progress

__all__ = ["cp"]

_PIECE = 256 * 1024
_GUEST_PATH = re.compile(r"(?P<vm>[^:/\\]{2,}):(?P<path>.+)", re.DOTALL)
_TRIES = 5
_MAX_PAUSE = 8.0
_PATIENCE = 5.0
"""Seconds before a copy reports its progress."""


class _Place(NamedTuple):
    """A file: in a guest, or local if there is no machine."""

    vm: str
    path: str


@click.command(
    cls=ConnectionCommand,
    epilog="""
A file in a guest is VM:PATH, for example vm-1001:/tmp/report.txt or vm-1017:C:\\\\Temp\\\\report.txt; a path that ends
in a slash, or here is a directory, takes the file under its own name. The file appears when it is complete, and its
checksum has been compared. A download that loses its connection goes on where it was.

\b
Examples:
  vcenter-gateway cp ./report.txt vm-1001:/tmp/ --guest-user root
  vcenter-gateway cp vm-1001:/var/log/messages . --guest-user root

Exit codes: 0 copied, 1 error, 2 wrong options, 3 not reachable, 4 credentials missing or refused, 5 timeout,
130 interrupted
""",
)
@click.argument("source", shell_complete=complete_file)
@click.argument("target_file", metavar="TARGET", shell_complete=complete_file)
@click.option("-f", "--force", is_flag=True, help="Replaces a file that is there.")
@click.option("--mode", metavar="OCTAL", help="Permissions of the file in a Linux guest, for example 0600.")
@guest_options
def cp(source: str, target_file: str, force: bool, mode: str | None, **connection: Any) -> None:
    """Copies a file to a guest, or from one."""
    from gateway.cli.failure import CallError

    origin, goal = _place(source), _place(target_file)
    if bool(origin.vm) == bool(goal.vm):
        raise click.UsageError("one of SOURCE and TARGET is in a guest, as VM:PATH, and the other one is here")
    if "-" in (source, target_file):
        raise click.UsageError(
            "`cp` copies files, not standard input or output: use `exec VM -- cat PATH`, or ./- for a file of that name"
        )
    if mode is not None and (origin.vm or not re.fullmatch("[0-7]{3,4}", mode)):
        raise click.UsageError("--mode takes octal digits, for a file that goes to a guest")
    try:
        with opened(origin.vm or goal.vm, **connection) as session:
            if goal.vm:
                _upload(session, Path(origin.path), goal, force, mode)
            else:
                _download(session, origin, Path(goal.path), force)
    except KeyboardInterrupt:
        echo(f"\n{target_file} was not written: a file appears when it is complete", err=True)
        raise
    except CallError as error:
        error.end()
    except OSError as error:
        echo(f"error: {error.filename or 'the file'}: {error.strerror or error}", err=True)
        sys.exit(Exit.FAILED)


def _place(text: str) -> _Place:
    found = _GUEST_PATH.fullmatch(text)
    return _Place(found["vm"], found["path"]) if found else _Place("", text)


def _upload(session: Session, file: Path, goal: _Place, force: bool, mode: str | None) -> None:
    if file.exists() and not file.is_file():
        raise click.UsageError(f"{file} is not a regular file")
    with file.open("rb") as content:
        size = os.fstat(content.fileno()).st_size
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        path = f"{goal.path}{file.name}" if goal.path.endswith(("/", "\\")) else goal.path
        start = {"vm": session.vm, "credentials": session.credentials, "path": path, "size": size, "sha256": digest}
        start["overwrite"] = force
        if mode is not None:
            start["attributes"] = {"mode": int(mode, 8)}

        def requests() -> Iterator[Any]:
            yield session.request("UploadFile", start=start)
            sent = 0
            while piece := content.read(_PIECE):
                yield session.request("UploadFile", chunk=piece)
                sent += len(piece)
                progress.show(sent / size if size else None)

        with Progress(file.name, patience=_PATIENCE) as progress:
            responses = list(session.messages("UploadFile", requests()))
        for response in responses:
            if response.left_over:
                echo(f"{response.left_over} could not be removed from the guest", err=True)


def _download(session: Session, origin: _Place, goal: Path, force: bool) -> None:
    name = re.split(r"[/\\]", origin.path)[-1]
    file = goal / name if goal.is_dir() else goal
    if file.exists() and not file.is_file():  # A device, which even --force must not replace.
        raise click.UsageError(f"{file} is not a regular file")
    if not file.parent.is_dir():
        raise click.UsageError(f"{file.parent} is not a directory")
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists; give --force to replace it")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as content, Progress(file.name, patience=_PATIENCE) as progress:
            _fetch(session, origin, content, progress)
        part.replace(file)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _fetch(session: Session, origin: _Place, content: Any, progress: Progress) -> None:
    """Reads the file, and resumes after a lost connection."""
    from gateway.cli.failure import CallError

    size = 0
    for tries_left in reversed(range(_TRIES)):
        offset, digest = content.tell(), hashlib.sha256()
        request = session.request(
            "DownloadFile",
            vm=session.vm,
            credentials=session.credentials,
            path=origin.path,
            offset=offset,
            chunk_size=_PIECE,
        )
        try:
            for response in session.messages("DownloadFile", [request]):
                if response.chunk:
                    content.write(response.chunk)
                    digest.update(response.chunk)
                    progress.show(content.tell() / size if size else None)
                elif response.HasField("started"):
                    size = response.started.size
                elif response.HasField("ended"):
                    if response.ended.sha256 != digest.hexdigest():
                        raise OSError("what came has another checksum than what was sent")
                    return
        except CallError as error:
            if not tries_left or error.code != "UNAVAILABLE" or error.exit is Exit.UNREACHABLE:
                raise
        pause = min(_MAX_PAUSE, 2.0 ** (_TRIES - tries_left - 1))
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
    raise OSError("the file ends before it is complete")
