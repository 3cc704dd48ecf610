"""Many calls of one rpc, one request per line: several at a time, their responses in the order of the lines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from google.rpc import code_pb2, status_pb2

from gateway.cli.calling import Calling
from gateway.cli.failure import CallError
from gateway.cli.in_order import InOrder
from gateway.cli.output import Exit, echo, echo_json
from gateway.cli.progress import Progress
from gateway.cli.rendering import renderer
from gateway.cli.request_json import RequestError
from gateway.cli.request_sources import request_lines
from gateway.cli.target import Answer

__all__ = ["make_calls"]

_PARALLEL_READS = 8
_HOPELESS = frozenset({Exit.UNREACHABLE, Exit.IDENTITY})
"""Failures that all calls would share: the remaining calls are not attempted."""

Answers = Callable[[dict[str, Any] | RequestError, Callable[[str], None]], Iterator[Answer]]
"""Makes the call with the request of a line, and reports the task that it starts, if the command waits for it."""


def make_calls(
    calling: Calling, source: str, answers: Answers, parallel: int | None, disconnect: Callable[[], None]
) -> None:
    """Makes a call for each line of a source. After a failure, the other calls are still made, unless all of them would
    fail.

    Ends the process if a call fails. `parallel` calls are made at a time: by default several if the rpc only reads,
    otherwise one after the other, because each call may depend on the one before.
    """
    calls = _Calls(calling, source, answers)
    lines = request_lines(source, calling.method.input_type)
    with calls.progress:
        if calling.is_unary:
            most = parallel or (_PARALLEL_READS if calling.method.is_read_only else 1)
            calls.side_by_side(InOrder(calls.jobs(lines), most, _is_hopeless), disconnect)
        else:
            calls.one_by_one(lines)
    calls.end()


def _is_hopeless(error: BaseException) -> bool:
    return isinstance(error, CallError) and error.exit in _HOPELESS


class _Calls:
    """The calls for the lines of one source, and how many of them succeeded."""

    def __init__(self, calling: Calling, source: str, answers: Answers) -> None:
        self._calling, self._answers = calling, answers
        self._show = renderer(calling.output, calling.contract, is_stream=True)
        self._done = self._failed = self._stopped_at = 0
        self._hopeless: Exit | None = None
        self._tasks: dict[int, str] = {}
        self._size = _size(source)
        # Responses on the same terminal are enough progress.
        self._progress = None if sys.stdout.isatty() else Progress(calling.method.name, patience=10.0)

    @property
    def progress(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._progress is None else self._progress

    def jobs(
        self, lines: Iterator[tuple[int, dict[str, Any] | RequestError]]
    ) -> Iterator[tuple[int, Callable[[], list[Answer]]]]:
        """The function that makes the call, for each line."""

        def job(number: int, content: dict[str, Any] | RequestError) -> list[Answer]:
            return list(self._answers(content, partial(self._tasks.__setitem__, number)))

        return ((number, partial(job, number, content)) for number, content in lines)

    def side_by_side(self, results: InOrder[list[Answer]], disconnect: Callable[[], None]) -> None:
        """Makes calls in several threads."""
        try:
            for number, result in results:
                self._take(number, result)
                if self._hopeless is not None:
                    for other, result in results.stop()[0]:
                        self._take(other, result)
                    return
        except KeyboardInterrupt:
            rest, lost = results.stop(disconnect)
            for number, result in rest:
                self._take(number, result)
            self._interrupted(lost)
            raise

    def one_by_one(self, lines: Iterator[tuple[int, dict[str, Any] | RequestError]]) -> None:
        """Makes calls one after the other, and prints each message of their streams when it arrives."""
        number = 0
        try:
            for number, content in lines:
                self._take(number, partial(self._answers, content, lambda task: None))
                if self._hopeless is not None:
                    return
        except KeyboardInterrupt:
            self._interrupted([number])
            raise

    def end(self) -> None:
        """Ends the process if a call failed."""
        if self._hopeless is not None:
            echo(f"stopped at line {self._stopped_at}; {self._done} requests were answered", err=True)
            sys.exit(self._hopeless)
        if self._failed:
            echo(f"{self._failed} of {self._done + self._failed} requests failed", err=True)
            sys.exit(Exit.SOME_FAILED)

    def _take(self, number: int, result: Callable[[], Iterator[Answer] | list[Answer]]) -> None:
        """Prints the responses to a line's call."""
        try:
            for answer in result():
                self._calling.show(answer, self._show)
            self._done += 1
        except (CallError, RequestError) as error:
            self._failed += 1
            self._tell(error, number)
            if self._hopeless is None and isinstance(error, CallError) and _is_hopeless(error):
                self._hopeless, self._stopped_at = error.exit, number
        if self._progress is not None:
            share = min(1.0, number / self._size) if self._size else None
            self._progress.show(share, f"{self._done + self._failed} requests")

    def _tell(self, error: CallError | RequestError, number: int) -> None:
        """Reports a line's failure: in place of its response for programs, and on standard error for people."""
        if isinstance(error, RequestError):
            error = CallError(
                status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error)), self._calling.contract
            )
        if self._calling.output == "json":
            echo_json(json.dumps({**error.to_json(), "line": number}))
        echo(f"line {number}: {error.code}: {error.status.message}", err=True)

    def _interrupted(self, lost: Sequence[int]) -> None:
        echo(f"\n{self._done} requests were answered, {self._failed} failed", err=True)
        if self._calling.method.is_read_only:
            return
        for number in lost:
            task = self._tasks.get(number)
            what = f": the task {task} still runs" if task else " may have been executed"
            echo(f"line {number}{what}", err=True)


def _size(source: str) -> int | None:
    """Number of lines in a file, None for a source that cannot be read twice."""
    path = source.removeprefix("@")
    if source == "-" or not os.path.isfile(path):  # noqa: PTH113 - Path.is_file fails for what can be no name
        return None
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return sum(1 for _ in file)
