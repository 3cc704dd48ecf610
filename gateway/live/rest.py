"""vCenter's REST operations, as the gateway's own services call them on behalf of a caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.calls import Call, Unary
from gateway.transcoding import Binding

__all__ = ["Rest"]


class Rest:
    """Calls mirrored rpcs with the credential of another call. What is promised about calls holds for these too."""

    def __init__(
        self, bindings: Mapping[str, Binding], unary: Unary, read_seconds: float, change_seconds: float
    ) -> None:
        self._bindings = bindings
        self._unary = unary
        self._seconds = {True: read_seconds, False: change_seconds}

    async def __call__(self, call: Call, rpc: str, **fields: Any) -> Any:
        """The response of `rpc`, for instance `vcenter.vm.guest.v1.ProcessesService/GetProcess`. Raises GatewayError."""
        binding = self._bindings[rpc]
        own = asyncio.get_running_loop().time() + self._seconds[binding.is_read_only]
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
