"""Follows tasks: one poll for all tasks that are watched with one credential, no matter how many calls watch each.

vCenter's REST API tells of no changes, so it is asked: often while a task is young, since most are over soon, and less
often as the youngest one grows old. VIM's tasks are asked for in the same way, all in one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Mapping
from typing import Any

from google.rpc import code_pb2

from gateway.calls.credential import Credential
from gateway.errors import Failure, GatewayError, failure_of
from gateway.live.newest import Newest
from gateway.live.rest_calls import RestCalls
from gateway.live.tasks.states import TaskStates, TaskView, is_vim_task, no_such_task
from gateway.vim.client import VimClient
from gateway.vim.values import Ref

__all__ = ["TaskFeed"]

_LIST = "cis.v1.TaskService/ListTasks"
_TASK = "Task"
_MIN_SECONDS, _MAX_SECONDS = 0.1, 2.0
_SHARE_OF_AGE = 0.1
"""The wait before the next poll, as a share of the task's age."""
_MOST_AT_ONCE = 500
_HOPELESS = frozenset({code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED, code_pb2.UNIMPLEMENTED})


class _Watched:
    """A task, and how many calls watch it."""

    def __init__(self, now: float) -> None:
        self.view: Newest[TaskView | None] = Newest(None)
        self.watchers = 0
        self.since = now


class TaskFeed:
    """The tasks that one credential watches."""

    def __init__(self, credential: Credential, client: VimClient, calls: RestCalls, states: TaskStates) -> None:
        self._credential = credential
        self._client = client
        self._calls = calls
        self._states = states
        self._tasks: dict[str, _Watched] = {}
        self._new = asyncio.Event()
        self._poll: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there are no watchers."""
        return not self._tasks

    @contextlib.contextmanager
    def watched(self, task: str) -> Any:
        """The task's latest view, as long as it is watched; None until vCenter has responded."""
        now = asyncio.get_running_loop().time()
        watched = self._tasks.setdefault(task, _Watched(now))
        watched.watchers += 1
        if watched.view.value is None:
            self._new.set()
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._run())
        try:
            yield watched.view
        finally:
            watched.watchers -= 1
            if not watched.watchers and self._tasks.get(task) is watched:
                del self._tasks[task]

    async def close(self, failure: Failure) -> None:
        """Ends the poll, and with `failure` whoever watches."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)
        self._fail(self._tasks, failure)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while waiting := [task for task, watched in self._tasks.items() if not _is_settled(watched.view.value)]:
            self._new.clear()
            for ids, read in (
                ([task for task in waiting if is_vim_task(task)], self._read_vim),
                ([task for task in waiting if not is_vim_task(task)], self._read_rest),
            ):
                for start in range(0, len(ids), _MOST_AT_ONCE):
                    await self._look(ids[start : start + _MOST_AT_ONCE], read)
            youngest = max((watched.since for watched in self._tasks.values()), default=0.0)
            pause = min(_MAX_SECONDS, max(_MIN_SECONDS, _SHARE_OF_AGE * (loop.time() - youngest)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.8, 1.0)):  # noqa: S311 - no secret
                    await self._new.wait()

    async def _look(self, ids: Collection[str], read: Any) -> None:
        try:
            found: Mapping[str, TaskView] = await read(ids)
        except Exception as error:
            failure = failure_of(error, "the watch of tasks")
            is_hopeless = not isinstance(error, GatewayError) or failure.code in _HOPELESS
            # What a lost connection hides may be seen again at the next look; a first look has nothing to show.
            never_seen = [task for task in ids if task in self._tasks and self._tasks[task].view.value is None]
            self._fail(ids if is_hopeless else never_seen, failure)
            return
        for task in ids:
            if task not in found:
                self._fail([task], no_such_task(task))
            elif task in self._tasks:
                self._tasks[task].view.set(found[task])

    async def _read_vim(self, ids: Collection[str]) -> Mapping[str, TaskView]:
        found = await self._client.properties([Ref(_TASK, task) for task in ids], ["info"])
        return {
            content.obj.value: self._states.of_vim(content.obj.value, content.values["info"], self._client.failure)
            for content in found
            if "info" in content.values
        }

    async def _read_rest(self, ids: Collection[str]) -> Mapping[str, TaskView]:
        by_provider: dict[str, list[str]] = {}
        for task in ids:
            by_provider.setdefault(task.partition(":")[2], []).append(task)
        views: dict[str, TaskView] = {}
        # vCenter refuses a list that names tasks of several of its parts.
        for tasks in by_provider.values():
            request = self._calls.new(_LIST, filter_spec={"tasks": tasks})
            found = (await self._calls.with_credential(self._credential, _LIST, request)).tasks
            views |= {task: self._states.of_rest(task, found[task]) for task in tasks if task in found}
        return views

    def _fail(self, tasks: Collection[str], failure: Failure) -> None:
        """Ends the watch of some tasks. They are forgotten, so that the next call reads them again."""
        for task in list(tasks):
            watched = self._tasks.pop(task, None)
            if watched is not None:
                watched.view.set(TaskView(b"", True, None, None, failure, is_there=False))


def _is_settled(view: TaskView | None) -> bool:
    return view is not None and view.is_over
