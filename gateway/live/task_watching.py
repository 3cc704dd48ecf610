"""`WatchTask` and `WaitForTask` of `vcenter.gateway.v1.WatchService`: follow tasks until they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from google.protobuf.message import Message

from gateway.access.scope import Scope
from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.heartbeat import heartbeat_seconds
from gateway.live.messages import Messages
from gateway.live.serves import serves
from gateway.live.tasks.cancelling import TaskCancelling
from gateway.live.tasks.feed import TaskFeed
from gateway.live.tasks.states import TaskView, no_such_task
from gateway.transcoding.encoder import Violation
from gateway.vcenter.client import VCenter

__all__ = ["TaskWatching"]

_QUIET_SECONDS = 60.0


class TaskWatching:
    """Serves the two rpcs. `new_feed` makes what follows the tasks of a call's credential."""

    def __init__(
        self,
        messages: Messages,
        vcenter: VCenter,
        scope: Callable[[Call], Scope],
        new_feed: Callable[[Call], TaskFeed],
        cancelling: TaskCancelling,
    ) -> None:
        self._messages = messages
        self._vcenter = vcenter
        self._scope = scope
        self._new_feed = new_feed
        self._cancelling = cancelling
        self._feeds: dict[bytes, TaskFeed] = {}
        self.is_stopping = False
        """Whether callers disconnect because this replica stops, and not by choice."""

    @serves("vcenter.gateway.v1.WatchService/WatchTask")
    async def watch_task(self, call: Call) -> AsyncIterator[Message]:
        """The state of a task, first of all and after each change, to its end. Raises GatewayError."""
        quiet = heartbeat_seconds(call.message)
        async with contextlib.aclosing(self._views(call, quiet)) as views:
            async for view in views:
                if view is None:
                    yield self._messages("WatchTaskResponse", heartbeat=self._messages.heartbeat())
                else:
                    yield self._messages("WatchTaskResponse", task=self._state(view))

    @serves("vcenter.gateway.v1.WatchService/WaitForTask")
    async def wait_for_task(self, call: Call) -> Any:
        """The result of a task. Raises GatewayError, with the task's own error if it failed."""
        last: TaskView | None = None
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout_at(call.deadline),
                contextlib.aclosing(self._views(call, _QUIET_SECONDS)) as views,
            ):
                async for view in views:
                    last = view or last
        if last is None or not last.is_over:
            how_far = "" if last is None or last.progress is None else f", {last.progress} percent done"
            text = f"the task {call.message.task} has not ended{how_far}"  # type: ignore[attr-defined]
            raise GatewayError(Failure.of(Reason.CONDITION_NOT_MET, text))
        if last.failure is not None:
            raise GatewayError(last.failure)
        return self._messages("WaitForTaskResponse", task=self._state(last))

    async def close(self, failure: Failure) -> None:
        """Ends what waits with `failure`, and waits for cancellations that are under way."""
        self.is_stopping = True
        for feed in list(self._feeds.values()):
            await feed.close(failure)
        self._feeds.clear()
        await self._cancelling.finish()

    def _state(self, view: TaskView) -> Any:
        return self._messages.type("TaskState").FromString(view.state)

    async def _views(self, call: Call, quiet: float) -> AsyncGenerator[TaskView | None, None]:
        """The views of a call's task to its end, and None now and then without a new one. Cancels the task where the
        caller leaves before that and wants it."""
        request: Any = call.message
        if not request.task:
            raise GatewayError(Failure.of_request([Violation("task", "is required")]))
        if request.cancel_on_disconnect:
            self._cancelling.check(call, request.task)
        await self._vcenter.authenticate(call)
        is_allowed = is_over = False
        try:
            with self._feed(call).watched(request.task) as newest:
                async for view in newest.watch(quiet):
                    known = view or newest.value
                    if known is None:
                        continue  # vCenter has not answered yet.
                    if not known.is_there and known.failure is not None:
                        is_over = True
                        raise GatewayError(known.failure)
                    # The policy may have changed.
                    is_allowed = self._may_see(call, known)
                    if not is_allowed:
                        raise GatewayError(no_such_task(request.task))
                    is_over = known.is_over
                    yield view
                    if is_over:
                        return
        finally:
            if request.cancel_on_disconnect and is_allowed and not is_over and not self.is_stopping:
                self._cancelling.start(call, request.task)

    def _may_see(self, call: Call, view: TaskView) -> bool:
        scope = self._scope(call)
        of_type, identifier = view.target or ("", "")
        return scope.is_unlimited or scope.allows({of_type: (identifier,)})

    def _feed(self, call: Call) -> TaskFeed:
        """The feed of a credential's tasks. Unused feeds are forgotten."""
        for digest in [digest for digest, feed in self._feeds.items() if feed.is_idle]:
            del self._feeds[digest]
        digest = call.caller.credential.digest
        feed = self._feeds.get(digest)
        if feed is None:
            feed = self._feeds[digest] = self._new_feed(call)
        return feed
