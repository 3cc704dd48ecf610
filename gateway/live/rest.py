"""vCenter's REST operations, as the gateway's own services call them on behalf of a caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.calls import Call, Unary
from gateway.transcoding import Binding

__all__ = ["Rest"]


class Rest:
    """Calls mirrored rpcs with the credential of another call. What is promised about calls holds for these too.

    `seconds_for` tells how long a call may take, given whether it only reads.
    """

    def __init__(
        self, bindings: Mapping[str, Binding], unary: Unary, seconds_for: Callable[[bool, float | None], float]
    ) -> None:
        self._bindings = bindings
        self._unary = unary
        self._seconds_for = seconds_for

    async def __call__(self, call: Call, rpc: str, **fields: Any) -> Any:
        """The response of an rpc, for instance `vcenter.vm.v1.PowerService/GetPower`. Raises GatewayError."""
        binding = self._bindings[rpc]
        own = asyncio.get_running_loop().time() + self._seconds_for(binding.is_read_only, None)
        inner = replace(
            call,
            binding=binding,
            message=binding.request_class(**fields),
            deadline=min(call.deadline, own),
            max_age=None,
            requests=None,
        )
        reply = await self._unary(inner)
        return binding.response_class.FromString(reply.response)
