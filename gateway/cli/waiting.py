"""`--wait`: follows the task that a call has started until it ends."""

from __future__ import annotations

import contextlib
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from gateway.cli.connection import connection_words
from gateway.cli.failure import CallError
from gateway.cli.lasting import lasting
from gateway.cli.output import echo
from gateway.cli.progress import Progress
from gateway.cli.target import Connection
from gateway.contract import Contract, Method
from gateway.contract.contract import enum_value_name

__all__ = ["Interrupted", "follow", "task_field"]

_WATCH = "vcenter.gateway.v1.WatchService/WatchTask"
_TASK = "com.vmware.cis.task"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after everything about it was printed."""


def task_field(method: Method, contract: Contract) -> str | None:
    """The field of the response that identifies the started task, None for an rpc that does not start one."""
    if method.is_read_only:
        return None
    for field in method.output_type.fields:
        told = contract.identifiers.get(field.full_name)
        if told is not None and any(name.lower() == _TASK for name in told.types):
            return field.name
    return None


def follow(connection: Connection, task: str, contract: Contract, *, is_shown: bool = True) -> Message:
    """The final state of a task that succeeded. Raises CallError with the task's own error if it failed.

    Progress is shown unless `is_shown` is false.
    """
    method = contract.methods[_WATCH]
    request = contract.message_class(method.input_type)(task=task)
    state: Any = None
    try:
        with (
            Progress(f"task {task}") if is_shown else contextlib.nullcontext() as progress,
            contextlib.closing(lasting(connection, method, request)) as messages,  # type: ignore[type-var]
        ):
            for message in messages:
                if message.HasField("task"):
                    state = message.task
                    if progress is not None:
                        progress.show(state.progress / 100 if state.HasField("progress") else None, _status(state))
    except KeyboardInterrupt:
        words = connection_words()
        echo(
            f"\nthe task {task} still runs\n"
            f"  follow it: vcenter-gateway watch task {task}{words}\n"
            f"  cancel it: vcenter-gateway call cis.v1.TaskService/CancelTask --task {task}{words}",
            err=True,
        )
        raise Interrupted from None
    if state is None:
        text = "the gateway did not say how the task ended"
        raise CallError(status_pb2.Status(code=code_pb2.UNKNOWN, message=text), contract)
    if state.HasField("error"):
        # A message of the contract's descriptor pool, whose class differs from this module's.
        raise CallError(status_pb2.Status.FromString(state.error.SerializeToString()), contract)
    return state  # type: ignore[no-any-return]


def _status(state: Any) -> str:
    return enum_value_name(state.DESCRIPTOR.fields_by_name["status"].enum_type, state.status).lower()
