"""Runs jobs in several threads and returns their results in the order of the jobs.

A separate thread reads the jobs, because they may come from a pipe that is silent while there are results to show.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

__all__ = ["InOrder"]

_AHEAD = 4
"""How many jobs are read ahead for each thread, so that a slow one does not leave the other threads idle."""
_GRACE_SECONDS = 2.0
"""How many seconds to wait for canceled jobs."""

T = TypeVar("T")


class _NotRunError(Exception):
    """The job was not started before the others ended."""


class InOrder(Generic[T]):
    """The numbered jobs with their results. Up to `most` jobs run at the same time, all in daemon threads.

    The first job runs alone: if it fails with an error for which `ends_all` is true, no other job is started. If a
    later one fails in that way, the running jobs are awaited.
    """

    def __init__(
        self, jobs: Iterable[tuple[int, Callable[[], T]]], most: int, ends_all: Callable[[BaseException], bool]
    ) -> None:
        self._jobs, self._most, self._ends_all = jobs, most, ends_all
        self._waiting: queue.SimpleQueue[tuple[int, Callable[[], T], Future[T]] | None] = queue.SimpleQueue()
        self._results: queue.Queue[tuple[int, Future[T]] | None] = queue.Queue(_AHEAD * most)
        self._head: tuple[int, Future[T]] | None = None
        self._running: set[int] = set()
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[tuple[int, Callable[[], T]]]:
        """Each job's number with a function that returns its result or raises its error, as soon as it is finished."""
        for work in (self._read, *[self._run] * self._most):
            threading.Thread(target=work, daemon=True).start()
        while (item := self._next()) is not None:
            number, future = item
            wait([future])
            self._head = None
            if not isinstance(future.exception(), _NotRunError):
                yield number, future.result

    def stop(self, cancel: Callable[[], None] | None = None) -> tuple[list[tuple[int, Callable[[], T]]], list[int]]:
        """Starts no more jobs and waits for those that run, or cancels them with `cancel` and waits a short time.

        Returns the results that were not returned yet, and the numbers of the jobs that were canceled or still run.
        """
        self._stopped.set()
        running = frozenset(self._running)
        if cancel is not None:
            cancel()
        left: list[tuple[int, Future[T]]] = []
        while (item := self._next(block=False)) is not None:
            left.append(item)
            self._head = None
        wait([future for number, future in left if number in running], None if cancel is None else _GRACE_SECONDS)
        results: list[tuple[int, Callable[[], T]]] = []
        lost: list[int] = []
        for number, future in left:
            error = future.exception() if future.done() else None
            if number in running and (not future.done() or (cancel is not None and error is not None)):
                lost.append(number)
            elif future.done() and not isinstance(error, _NotRunError):
                results.append((number, future.result))
        return results, lost

    def _next(self, *, block: bool = True) -> tuple[int, Future[T]] | None:
        """The next job in the order; None at the end, or if none is finished and `block` is false."""
        if self._head is None:
            try:
                self._head = self._results.get(block)
            except queue.Empty:
                return None
        return self._head

    def _read(self) -> None:
        is_first = True
        try:
            for number, job in self._jobs:
                if self._stopped.is_set():
                    break
                future: Future[T] = Future()
                self._results.put((number, future))
                self._waiting.put((number, job, future))
                if is_first:
                    wait([future])
                    is_first = False
        except Exception as error:  # Raised where the results are read.
            future = Future()
            future.set_exception(error)
            self._results.put((0, future))
        self._results.put(None)
        for _ in range(self._most):
            self._waiting.put(None)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            number, job, future = item
            self._running.add(number)
            try:
                if self._stopped.is_set():
                    raise _NotRunError
                result = job()
            except BaseException as error:
                if self._ends_all(error):
                    self._stopped.set()
                future.set_exception(error)
            else:
                future.set_result(result)
            self._running.discard(number)
