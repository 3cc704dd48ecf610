"""Makes the calls of the command `call`, and prints their answers in the order of the requests."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from gateway.cli.failure import CallError
from gateway.cli.identifiers import IdentifierField
from gateway.cli.lookup import Lookup
from gateway.cli.output import Exit, echo, echo_json
from gateway.cli.place import Place
from gateway.cli.progress import Progress
from gateway.cli.rendering import renderer
from gateway.cli.request_json import RequestError, request_message
from gateway.cli.request_sources import is_lines, read_request, request_lines
from gateway.cli.target import Connection
from gateway.cli.waiting import Interrupted, follow, task_field
from gateway.contract import Contract, Method, Streaming

__all__ = ["Calling", "make_call"]

_DEADLINE = 60.0
_HOPELESS = frozenset({Exit.UNREACHABLE, Exit.IDENTITY})
"""How calls fail that fail all the same way: the rest of many is not tried."""

Flags = Mapping[IdentifierField, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Calling:
    """How to call an rpc and to show its answers."""

    method: Method
    contract: Contract
    deadline: float | None
    output: str
    as_json: bool
    verbose: bool
    wait: bool

    @property
    def is_unary(self) -> bool:
        return self.method.streaming is Streaming.UNARY

    @property
    def seconds(self) -> float | None:
        """How long a call may take."""
        if self.deadline is None and self.is_unary and not self.method.waits:
            return _DEADLINE
        return self.deadline

    def answers(self, connection: Connection, requests: Iterable[Message]) -> Iterator[Message]:
        """The answers of one call; with --wait, the final state of the task. Raises CallError."""
        task = ""
        with contextlib.closing(connection(self.method, requests, self.seconds)) as answers:
            for answer in answers:
                if self.verbose:
                    for field, value in answer.metadata:
                        echo(f"{field}: {value}", err=True)
                if answer.message is not None and self.wait:
                    task = getattr(answer.message, task_field(self.method, self.contract) or "")
                elif answer.message is not None:
                    yield answer.message
        if self.wait:
            yield follow(connection, task, self.contract)


def make_call(
    place: Place,
    calling: Calling,
    source: str,
    flags: Flags,
    lines: bool,
    metadata: tuple[tuple[str, str], ...],
) -> None:
    """Makes the call, or one for each line, and prints what comes. Ends the process where one fails."""
    method, contract = calling.method, calling.contract
    if calling.wait and task_field(method, contract) is None:
        as_task = f"; {method.task_form} starts it as a task" if method.task_form else ""
        raise click.UsageError(f"{method.full_name} starts no task that could be waited for{as_task}")
    many = lines or is_lines(source)
    if lines and source == "{}":  # Nothing was given.
        source = "-"
    try:
        content = {} if many else read_request(source, method.input_type)
        if not many and not flags:
            request_message(content, method.input_type, contract)  # Before anybody is asked for anything.
        with place.opened(metadata) as connection:
            lookup = Lookup(connection, contract)
            if not many:
                _one(connection, calling, [_complete(content, calling, flags, lookup)])
            elif method.streams_requests:
                _one(connection, calling, [_complete(item, calling, flags, lookup) for item in _all(source, calling)])
            else:
                _many(connection, calling, source, flags, lookup)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    except CallError as error:
        if calling.as_json:
            echo_json(error.to_json())
        else:
            echo("\n".join(error.lines()), err=True)
        sys.exit(error.exit)


def _one(connection: Connection, calling: Calling, requests: Iterable[Message]) -> None:
    show = renderer(calling.output, calling.contract, is_stream=not calling.is_unary)
    # Of what streams every message is seen, and a task has a progress of its own.
    shows_time = calling.is_unary and not calling.wait
    try:
        with Progress(calling.method.name) if shows_time else contextlib.nullcontext() as progress:
            for message in calling.answers(connection, requests):
                if progress is not None:
                    progress.clear()
                show(message)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        if not calling.is_unary:
            sys.exit(Exit.INTERRUPTED)  # The way to end a stream, so there is nothing to say.
        if not calling.method.is_read_only:
            echo("\nthe call may have been executed: look at the state before you repeat it", err=True)
        raise


def _many(connection: Connection, calling: Calling, source: str, flags: Flags, lookup: Lookup) -> None:
    """One call for each line. One that fails leaves the rest to be made, unless all of them would fail."""
    show = renderer(calling.output, calling.contract, is_stream=True)
    done = failed = number = 0
    hides_bar = sys.stdout.isatty()
    size = _size(source)
    try:
        with contextlib.nullcontext() if hides_bar else Progress(calling.method.name, patience=10.0) as progress:
            for number, content in request_lines(source, calling.method.input_type):
                try:
                    for message in calling.answers(connection, [_complete(content, calling, flags, lookup)]):
                        show(message)
                    done += 1
                except (CallError, RequestError) as error:
                    failed += 1
                    _tell(error, number, calling)
                    if isinstance(error, CallError) and error.exit in _HOPELESS:
                        echo(f"stopped at line {number}; {done} requests were answered before", err=True)
                        sys.exit(error.exit)
                if progress is not None:
                    progress.show(min(1.0, number / size) if size else None, f"{number} requests")
    except KeyboardInterrupt:
        maybe = "" if calling.method.is_read_only else f"; line {number} may have been executed"
        echo(f"\n{done} requests were answered, {failed} failed{maybe}", err=True)
        raise
    if failed:
        echo(f"{failed} of {done + failed} requests failed", err=True)
        sys.exit(Exit.SOME_FAILED)


def _size(source: str) -> int | None:
    """Number of lines in a file, None for what cannot be read twice."""
    path = source.removeprefix("@")
    if source == "-" or not os.path.isfile(path):  # noqa: PTH113 - Path.is_file fails for what can be no name
        return None
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return sum(1 for _ in file)


def _tell(error: CallError | RequestError, number: int, calling: Calling) -> None:
    """Says what became of a line: in the place of its answer for programs, and on standard error for people."""
    if isinstance(error, RequestError):
        error = CallError(status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error)), calling.contract)
    if calling.output == "json":
        echo_json(json.dumps({**error.to_json(), "line": number}))
    echo(f"line {number}: {error.code}: {error.status.message}", err=True)


def _all(source: str, calling: Calling) -> Iterator[dict[str, Any]]:
    """The requests on all lines. Raises RequestError for the first that is wrong."""
    for number, content in request_lines(source, calling.method.input_type):
        if isinstance(content, RequestError):
            raise RequestError(f"line {number}: {content}")
        yield content


def _complete(content: dict[str, Any] | RequestError, calling: Calling, flags: Flags, lookup: Lookup) -> Message:
    """The request with the identifiers that flags name. Raises RequestError, CallError and click.UsageError."""
    if isinstance(content, RequestError):
        raise content
    for field, texts in flags.items():
        field.put(content, [lookup.identifier(text, field.types, field.flag) for text in texts])
    return request_message(content, calling.method.input_type, calling.contract)
