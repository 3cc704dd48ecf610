"""How the command `call` calls an rpc and shows its responses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message

from gateway.cli.identifiers import IdentifierField
from gateway.cli.lookup import Lookup
from gateway.cli.output import echo
from gateway.cli.rendering import Show
from gateway.cli.request_json import RequestError, request_message
from gateway.cli.target import Answer, Connection
from gateway.cli.waiting import follow, task_field
from gateway.contract import Contract, Method, Streaming

__all__ = ["Calling", "Flags"]

_DEADLINE = 60.0

Flags = Mapping[IdentifierField, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Calling:
    """How to call an rpc and to show its responses."""

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

    def answers(
        self, connection: Connection, requests: Sequence[Message], on_task: Callable[[str], None] | None = None
    ) -> Iterator[Answer]:
        """The responses of one call; with --wait, the final state of the task. Raises CallError.

        `on_task` is called with the task as soon as it is known. With `on_task`, its progress is not shown.
        """
        task = ""
        with contextlib.closing(connection(self.method, requests, self.seconds)) as answers:
            for answer in answers:
                if answer.message is not None and self.wait:
                    task = getattr(answer.message, task_field(self.method, self.contract) or "")
                    yield Answer(None, answer.metadata)
                else:
                    yield replace(answer, request=requests[0]) if self.is_unary else answer
        if self.wait:
            if on_task is not None:
                on_task(task)
            yield Answer(follow(connection, task, self.contract, is_shown=on_task is None))

    def show(self, answer: Answer, show: Show) -> None:
        """Prints a response, and with --verbose the gateway's metadata."""
        if self.verbose:
            for field, value in answer.metadata:
                echo(f"{field}: {value}", err=True)
        if answer.message is not None:
            show(answer.message, answer.request)

    def complete(self, content: dict[str, Any] | RequestError, flags: Flags, lookup: Lookup) -> Message:
        """The request, completed with the identifiers given as flags. Raises RequestError, CallError and
        click.UsageError."""
        if isinstance(content, RequestError):
            raise content
        for field, texts in flags.items():
            field.put(content, [lookup.identifier(text, field.types, field.flag) for text in texts])
        return request_message(content, self.method.input_type, self.contract)
