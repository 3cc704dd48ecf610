"""Makes the call of the command `call`, or the calls, and prints the responses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from google.protobuf.message import Message

from gateway.cli.calling import Calling, Flags
from gateway.cli.failure import CallError
from gateway.cli.lookup import Lookup
from gateway.cli.many_calls import make_calls
from gateway.cli.output import Exit, echo
from gateway.cli.place import Place
from gateway.cli.progress import Progress
from gateway.cli.rendering import renderer
from gateway.cli.request_json import RequestError, request_message
from gateway.cli.request_sources import is_lines, read_request, request_lines
from gateway.cli.target import Connection
from gateway.cli.waiting import Interrupted, task_field

__all__ = ["make_call"]


def make_call(
    place: Place,
    calling: Calling,
    source: str,
    flags: Flags,
    lines: bool,
    parallel: int | None,
    metadata: tuple[tuple[str, str], ...],
) -> None:
    """Makes the call, or one for each line, and prints the responses. Ends the process if one fails."""
    method, contract = calling.method, calling.contract
    if calling.wait and task_field(method, contract) is None:
        as_task = f"; {method.task_form} starts it as a task" if method.task_form else ""
        raise click.UsageError(f"{method.full_name} starts no task that could be waited for{as_task}")
    many = lines or is_lines(source)
    if parallel is not None and not many:
        raise click.UsageError(
            "--parallel is for many requests: give --lines, or a file that ends in .jsonl or .ndjson"
        )
    if parallel is not None and not calling.is_unary:
        raise click.UsageError(
            f"{method.full_name} streams, so its calls are made one after the other; leave out --parallel"
        )
    if lines and source == "{}":  # No request was given.
        source = "-"
    try:
        content = {} if many else read_request(source, method.input_type)
        if not many and not flags:
            request_message(content, method.input_type, contract)  # Before the user is asked for anything.
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(place.opened(metadata))
            lookup = Lookup(connection, contract)
            if not many:
                _one(connection, calling, [calling.complete(content, flags, lookup)])
            elif method.streams_requests:
                _one(connection, calling, [calling.complete(item, flags, lookup) for item in _all(source, calling)])
            else:
                make_calls(
                    calling,
                    source,
                    lambda content, on_task: calling.answers(
                        connection, [calling.complete(content, flags, lookup)], on_task
                    ),
                    parallel,
                    stack.close,
                )
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    except CallError as error:
        error.end(as_json=calling.as_json)


def _one(connection: Connection, calling: Calling, requests: Sequence[Message]) -> None:
    show = renderer(calling.output, calling.contract, is_stream=not calling.is_unary)
    # The messages of a stream are themselves progress, and a task shows its own.
    shows_time = calling.is_unary and not calling.wait
    try:
        with Progress(calling.method.name) if shows_time else contextlib.nullcontext() as progress:
            for answer in calling.answers(connection, requests):
                if progress is not None:
                    progress.clear()
                calling.show(answer, show)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        if not calling.is_unary:
            sys.exit(Exit.INTERRUPTED)  # Ctrl-C is how users end a stream, so it needs no message.
        if not calling.method.is_read_only:
            echo("\nthe call may have been executed: look at the state before you repeat it", err=True)
        raise


def _all(source: str, calling: Calling) -> Iterator[dict[str, Any]]:
    """The requests on all lines. Raises RequestError for the first invalid one."""
    for number, content in request_lines(source, calling.method.input_type):
        if isinstance(content, RequestError):
            raise RequestError(f"line {number}: {content}")
        yield content
