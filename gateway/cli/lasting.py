"""Streams that outlast the replica that serves them: a lost stream is reopened where it stopped."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from gateway.cli.failure import CallError
from gateway.cli.target import Connection
from gateway.contract import Method

__all__ = ["lasting"]

_AGAIN = frozenset({"UNAVAILABLE"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


def lasting(
    connection: Connection, method: Method, request: Message, after: Callable[[Any], None] = lambda message: None
) -> Iterator[Any]:
    """The messages of a stream until it ends. If the stream is lost, it is reopened with what `after`, which sees each
    message, has put into the request. Raises CallError."""
    pause = _FIRST_PAUSE
    has_begun = False
    while True:
        try:
            with contextlib.closing(connection(method, [request])) as answers:
                for answer in answers:
                    if answer.message is None:  # The end, with the gateway's metadata.
                        break
                    has_begun, pause = True, _FIRST_PAUSE
                    after(answer.message)
                    yield answer.message
        except CallError as error:
            if not has_begun or error.code not in _AGAIN:
                raise
        else:
            return
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
        pause = min(_LONGEST_PAUSE, 2 * pause)
