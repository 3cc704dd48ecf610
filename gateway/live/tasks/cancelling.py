"""Cancels tasks whose callers disconnected and requested that: a change like any other, for policy and audit log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.calls import Call
from gateway.errors import Failure, GatewayError
from gateway.events import CallEnded, Events
from gateway.live.rest_calls import RestCalls
from gateway.live.tasks.states import is_vim_task
from gateway.transcoding import Binding
from gateway.vcenter.client import VCenter
from gateway.vim.values import Ref

__all__ = ["TaskCancelling"]

_CANCEL = "cis.v1.TaskService/CancelTask"
_SECONDS = 30.0


class TaskCancelling:
    """`authorize` raises GatewayError for a call that the policy does not allow; `recorded` waits for its record."""

    def __init__(
        self,
        vcenter: VCenter,
        calls: RestCalls,
        bindings: Mapping[str, Binding],
        authorize: Callable[[Call], None],
        recorded: Callable[[Call], Awaitable[None]] | None,
        events: Events,
    ) -> None:
        self._vcenter = vcenter
        self._calls = calls
        self._binding = bindings[_CANCEL]
        self._authorize = authorize
        self._recorded = recorded
        self._events = events
        self._under_way: set[asyncio.Task[None]] = set()

    def check(self, call: Call, task: str) -> None:
        """Raises GatewayError (PERMISSION_DENIED) if the caller may not cancel the task."""
        self._authorize(self._inner(call, task))

    def start(self, call: Call, task: str) -> None:
        """Cancels a task on behalf of a caller that disconnected."""
        cancelling = asyncio.ensure_future(self._cancel(self._inner(call, task), task))
        self._under_way.add(cancelling)
        cancelling.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Returns when all cancellations have ended."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _inner(self, call: Call, task: str) -> Call:
        request: Any = self._binding.request_class(task=task)
        deadline = asyncio.get_running_loop().time() + _SECONDS
        return replace(call, binding=self._binding, message=request, deadline=deadline, request_id=os.urandom(16).hex())

    async def _cancel(self, call: Call, task: str) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        failure: Failure | None = None
        is_admitted = False
        try:
            self._authorize(call)
            is_admitted = True
            self._events.call_started(call)
            if self._recorded is not None:
                await self._recorded(call)
            if is_vim_task(task):
                client = self._vcenter.vim.client(call.caller.credential, call)
                await client.call(Ref("Task", task), "CancelTask")
            else:
                await self._calls.on_behalf_of(call, _CANCEL, call.message)
        except GatewayError as error:
            failure = error.failure  # It may have ended in the meantime.
        self._events.call_ended(
            CallEnded(
                call.binding.method,
                call.request_id,
                call.caller.peer,
                loop.time() - started,
                failure,
                str(call.caller.identity),
                call.message,
                call if is_admitted else None,
            )
        )
