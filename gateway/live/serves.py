"""Connects the gateway's own rpcs with the methods that implement them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from gateway.contract import Contract, ContractError, Local

__all__ = ["local_endpoints", "serves"]

_MARK = "__serves__"
F = TypeVar("F", bound=Callable[..., Any])


def serves(rpc: str) -> Callable[[F], F]:
    """Marks the method that implements `rpc`: a coroutine from a call to a response message, or an asynchronous
    generator of them where the rpc streams its responses. Where it streams its requests, `call.message` is the first
    one, and `call.requests` has those that follow."""

    def mark(function: F) -> F:
        setattr(function, _MARK, rpc)
        return function

    return mark


def local_endpoints(contract: Contract, services: Iterable[object]) -> Mapping[str, Callable[..., Any]]:
    """The methods that implement the contract's own rpcs, by the rpc's full name.

    Raises ContractError with the rpc's name for one that nothing implements, for a method that implements no rpc of the
    gateway's own, and for two that implement the same.
    """
    found: dict[str, Callable[..., Any]] = {}
    for service in services:
        for name in dir(type(service)):
            rpc = getattr(getattr(type(service), name), _MARK, None)
            if rpc is None:
                continue
            method = contract.methods.get(rpc)
            if method is None or not isinstance(method.backing, Local):
                raise ContractError(
                    f"{type(service).__name__}.{name} serves {rpc}, which is not an rpc of the gateway's own"
                )
            if rpc in found:
                raise ContractError(f"rpc {rpc} is served twice")
            found[rpc] = getattr(service, name)
    for name, method in contract.methods.items():
        if isinstance(method.backing, Local) and name not in found:
            raise ContractError(f"rpc {name}: it has no google.api.http rule, and nothing in the gateway serves it")
    return found
