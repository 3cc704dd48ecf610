"""What all steps share: how they fail, how they wait, and which calls they repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc
from vcenter_gateway_client import ErrorType, VCenterError

__all__ = ["Patience", "Problem", "accepting", "may_have_executed", "removing"]

T = TypeVar("T")
Request = TypeVar("Request")


class Problem(Exception):  # noqa: N818 - it is shown to people, who read a sentence
    """Why the program cannot continue, as a sentence."""


def may_have_executed(error: BaseException) -> bool:
    """Whether a call that ended in this may have changed something: its answer was lost, or nobody waited for it."""
    return error.may_have_executed if isinstance(error, VCenterError) else True


@contextmanager
def accepting(*types: ErrorType) -> Iterator[None]:
    """Ignores vCenter's errors of these types: those that say that there is nothing left to do."""
    try:
        yield
    except VCenterError as error:
        if error.error_type not in types:
            raise


@contextmanager
def removing(what: str, *types: ErrorType) -> Iterator[None]:
    """Says what is left when it cannot be removed; errors of these types mean that it is gone."""
    try:
        with accepting(*types):
            yield
    except (Problem, VCenterError) as error:
        raise Problem(f"{what} is left behind") from error


@dataclass(frozen=True)
class Patience:
    """How long to wait for something to happen, and how often to ask for it."""

    seconds: float
    poll: float

    def until(self, what: str, ask: Callable[[], T | None]) -> T:
        """Asks until there is an answer, and returns it. Raises Problem when that takes too long."""
        end = time.monotonic() + self.seconds
        while (answer := ask()) is None:
            if time.monotonic() >= end:
                raise Problem(f"{what} took longer than {self.seconds:g} seconds")
            time.sleep(self.poll)
        return answer

    # [docs: busy]
    def while_busy(self, call: Callable[[Request], T], request: Request) -> T:
        """Makes a call that changes something, and repeats it while the machine is busy.

        vCenter has not begun the work when it answers RESOURCE_BUSY, so that nothing happens twice.
        """
        return self._repeat(call, request, lambda error: error.error_type is ErrorType.RESOURCE_BUSY)

    # [docs: end]

    def insist(self, call: Callable[[Request], T], request: Request) -> T:
        """Makes a call that removes something, and repeats it also when its outcome is unknown.

        This is for calls that do no harm when they run twice: the second time, there is nothing left to remove.
        """
        return self._repeat(
            call,
            request,
            lambda error: (
                error.error_type is ErrorType.RESOURCE_BUSY
                or error.may_have_executed
                or error.code is grpc.StatusCode.UNAVAILABLE
            ),
        )

    def _repeat(self, call: Callable[[Request], T], request: Request, helps: Callable[[VCenterError], bool]) -> T:
        end = time.monotonic() + self.seconds
        while True:
            try:
                return call(request)
            except VCenterError as error:
                if not helps(error) or time.monotonic() >= end:
                    raise
                time.sleep(self.poll if error.retry_delay is None else error.retry_delay)
