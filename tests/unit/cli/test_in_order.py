"""Jobs in several threads: how many run, in which order their results come, and how all of it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from gateway.cli.in_order import InOrder

WAIT = 30.0
"""Seconds that nothing here takes, unless it is broken."""


class HopelessError(Exception):
    """Ends all jobs."""


def in_order(jobs: Iterator[Callable[[], int]] | list[Callable[[], int]], most: int) -> InOrder[int]:
    return InOrder(enumerate(jobs, start=1), most, lambda error: isinstance(error, HopelessError))


def passed(event: threading.Event, result: int = 0) -> int:
    """Waits for an event."""
    assert event.wait(WAIT)
    return result


def test_order() -> None:
    """Results have the order of the jobs, also of one that ends after those behind it."""
    others_ended = threading.Barrier(3)

    def slow() -> int:
        others_ended.wait(WAIT)
        return 2

    def quick(result: int) -> int:
        others_ended.wait(WAIT)
        return result

    jobs = [lambda: 1, slow, lambda: quick(3), lambda: quick(4), lambda: 5]
    assert [(number, result()) for number, result in in_order(jobs, 3)] == [(n, n) for n in range(1, 6)]


@pytest.mark.parametrize("most", [1, 2, 8])
def test_how_many_run(most: int) -> None:
    """As many jobs run at a time as may, and never one more."""
    running = reached = 0
    lock, all_run = threading.Lock(), threading.Barrier(most)

    def job() -> int:
        nonlocal running, reached
        with lock:
            running += 1
            reached = max(reached, running)
        all_run.wait(WAIT)
        with lock:
            running -= 1
        return 0

    jobs: list[Callable[[], int]] = [lambda: 0, *[job] * (5 * most)]
    assert len(list(in_order(jobs, most))) == len(jobs)
    assert reached == most


def test_the_first_runs_alone() -> None:
    """No job starts before the first one has ended."""
    ended = threading.Event()
    late: list[bool] = []

    def first() -> int:
        ended.set()
        return 1

    jobs = [first, *[lambda: late.append(ended.is_set()) or 2] * 5]  # type: ignore[func-returns-value]
    assert [result() for _, result in in_order(jobs, 4)] == [1, 2, 2, 2, 2, 2]
    assert late == [True] * 5


def test_results_before_the_next_job_is_known() -> None:
    """A result is given as soon as it is there, while the source of the jobs is silent."""
    seen = threading.Event()

    def source() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        assert seen.wait(WAIT)
        yield lambda: 2

    given = []
    for _, result in in_order(source(), 4):
        given.append(result())
        seen.set()
    assert given == [1, 2]


def test_an_error_ends_one_job() -> None:
    """A job that fails raises where its result is asked for, and leaves the others alone."""

    def fail() -> int:
        raise ValueError("no")

    (_, first), (_, second), (_, third) = in_order([lambda: 1, fail, lambda: 3], 2)
    assert (first(), third()) == (1, 3)
    with pytest.raises(ValueError, match="no"):
        second()


@pytest.mark.parametrize("place", [1, 3])
def test_an_error_that_ends_all(place: int) -> None:
    """After an error that all jobs would end in, none is started."""
    run = []

    def job(number: int) -> int:
        run.append(number)
        if number == place:
            raise HopelessError
        return number

    found = list(in_order([lambda n=n: job(n) for n in range(1, 50)], 1))  # type: ignore[misc]
    assert run == [number for number, _ in found] == list(range(1, place + 1))


def test_an_error_of_the_source() -> None:
    """An error in reading the jobs is raised after the results of those before."""

    def source() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise ValueError("unreadable")

    (_, first), (_, error) = in_order(source(), 2)
    assert first() == 1
    with pytest.raises(ValueError, match="unreadable"):
        error()


def test_stop() -> None:
    """What runs is awaited, and nothing else starts; the source may go on being silent."""
    goes_on, started = threading.Event(), threading.Barrier(3)

    def job(number: int) -> int:
        started.wait(WAIT)
        return passed(goes_on, number)

    def source() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        yield lambda: job(2)
        yield lambda: job(3)
        passed(threading.Event())

    jobs = in_order(source(), 2)
    assert next(iter(jobs))[0] == 1
    started.wait(WAIT)
    threading.Timer(0.05, goes_on.set).start()
    results, lost = jobs.stop()
    assert ([result() for _, result in results], lost) == ([2, 3], [])


def test_stop_of_what_is_canceled() -> None:
    """What is canceled has no result, and its number is told; a result that is there already is kept."""
    canceled: Future[int] = Future()
    started = threading.Semaphore(0)

    def job() -> int:
        started.release()
        return canceled.result(WAIT)

    jobs = in_order([lambda: 1, job, lambda: 3, *[job] * 20], 2)
    assert next(iter(jobs))[0] == 1
    assert all(started.acquire(timeout=WAIT) for _ in range(2))  # Both threads, so that the third job has ended.
    results, lost = jobs.stop(lambda: canceled.set_exception(ConnectionError()))
    assert ([(number, result()) for number, result in results], lost) == ([(3, 3)], [2, 4])
