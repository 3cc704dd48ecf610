"""Common operations of the gateway's own services on objects of vCenter's VIM API: read them, and wait for their
tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.vim import Data, Fault, Ref

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["Opened", "finished", "machine", "not_found", "read"]

Opened = Callable[[Call], "VimClient"]
"""The VIM API on behalf of a call. Raises GatewayError if it is not available."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def machine(identifier: str) -> Ref:
    """The virtual machine with this identifier: both of vCenter's APIs use the same ones."""
    return Ref("VirtualMachine", identifier)


async def read(client: VimClient, obj: Ref, *paths: str) -> Mapping[str, Any]:
    """Properties of an object by their paths; what is unset is absent.

    Raises GatewayError: NOT_FOUND for an object that does not exist, PERMISSION_DENIED for a property that the
    credential may not read.
    """
    found = await client.properties([obj], paths)
    if not found:
        raise not_found(client, obj, f"vCenter has no {obj.type} {obj.value}")
    for path in paths:
        if path in found[0].missing:
            raise GatewayError(client.failure(_operation(obj), found[0].missing[path]))
    return found[0].values


def not_found(client: VimClient, obj: Ref, text: str) -> GatewayError:
    """vCenter's error for a missing object, if the gateway itself detected that."""
    fault = Fault("ManagedObjectNotFound", text, Data("ManagedObjectNotFound", obj=obj))
    return GatewayError(client.failure(_operation(obj), fault))


async def finished(client: VimClient, call: Call, task: Ref, operation: str) -> Any:
    """The result of a task, once it has ended. Raises GatewayError: that of the task if it failed, as if `operation`
    had done the work itself; and DEADLINE_EXCEEDED with its identifier if the task continues.
    """
    pause = _FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        info = (await read(client, task, "info")).get("info")
        if info is not None and info["state"] == "success":
            return info.get("result")
        if info is not None and info["state"] == "error":
            fault = info.get("error") or Fault("MethodFault", "", Data("MethodFault"))
            raise GatewayError(client.failure(operation, fault))
        if loop.time() + pause >= call.deadline:
            text = f"the task {task.value} did not end in time and continues"
            failure = Failure.of(Reason.VCENTER_TIMEOUT, text, metadata={"operation": operation, "task": task.value})
            raise GatewayError(failure.leaving_open())
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _operation(obj: Ref) -> str:
    return f"vim.{obj.type}"
