"""Calls of vCenter's REST API that the gateway's own services make: the rpcs that callers call, by the same layers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.calls import Call, Caller, CallerIdentity, Kind, Unary
from gateway.calls.credential import Credential
from gateway.transcoding import Binding

__all__ = ["RestCalls"]

_WATCH = CallerIdentity(Kind.GATEWAY, "watch")
_SECONDS = 60.0


class RestCalls:
    """Calls rpcs by their names."""

    def __init__(self, unary: Unary, bindings: Mapping[str, Binding]) -> None:
        self._unary = unary
        self._bindings = bindings

    def new(self, rpc: str, /, **fields: Any) -> Any:
        """A request of an rpc."""
        return self._bindings[rpc].request_class(**fields)

    async def on_behalf_of(self, call: Call, rpc: str, request: Any = None) -> Any:
        """The response of an rpc that `call` needs. Raises GatewayError."""
        binding = self._bindings[rpc]
        deadline = min(call.deadline, asyncio.get_running_loop().time() + _SECONDS)
        message = binding.request_class() if request is None else request
        inner = replace(call, binding=binding, message=message, deadline=deadline, max_age=None)
        return await self._response(inner)

    async def with_credential(self, credential: Credential, rpc: str, request: Any = None) -> Any:
        """The response of an rpc that the gateway needs on its own account. Raises GatewayError."""
        binding = self._bindings[rpc]
        deadline = asyncio.get_running_loop().time() + _SECONDS
        message = binding.request_class() if request is None else request
        return await self._response(Call(binding, message, Caller(_WATCH, credential), deadline, os.urandom(16).hex()))

    async def _response(self, call: Call) -> Any:
        reply = await self._unary(call)
        return call.binding.response_class.FromString(reply.response)
