"""Puts the parts together: contract, vCenter client, gRPC server, health and reflection; starts and stops them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from gateway.access import Admission, Audit
from gateway.contract import Contract, load_contract
from gateway.server.calls import Observe, call_handler
from gateway.server.drain import Drain
from gateway.server.drift import CountingDrift
from gateway.server.health import Health
from gateway.server.listener import channel_arguments, quiet_library
from gateway.server.peers import Peers
from gateway.server.reflection import add_reflection
from gateway.tracing import Tracing
from gateway.transcoding import Binding, compile_bindings
from gateway.vcenter.breaker import BreakerState
from gateway.vcenter.client import Observer, VCenter
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.shared_reads import SharedReads

if TYPE_CHECKING:
    from gateway.server.tls import ServerTls

__all__ = ["CLIENTS_HEALTH", "VCENTER_HEALTH", "Gateway", "ServerOptions"]

VCENTER_HEALTH = "vcenter"
"""The name under which the health service tells whether calls reach vCenter."""

CLIENTS_HEALTH = "clients"
"""The name that clients which balance calls themselves watch, as their service config says. They leave at once, for
replicas that they know: so it is the last to say NOT_SERVING, when names had time to show where the others are."""

# Long enough for the way to any client; short, since one that has a single address makes no calls meanwhile.
_LEAVE_SECONDS = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the gRPC side listens and stops."""

    listen: str = "127.0.0.1:50051"
    """Host and port; port 0 takes a free one."""
    reuse_port: bool = False
    """Whether several processes may listen on the same port. Off, a second gateway on the port fails to start."""
    max_request_bytes: int = 4 * 1024 * 1024
    max_response_bytes: int = 32 * 1024 * 1024
    max_metadata_bytes: int = 32 * 1024
    """Of a call's metadata, counted as HTTP/2 does: each field with 32 bytes more than its name and value."""
    max_unsent_bytes: int = 128 * 1024 * 1024
    """Of answers that callers have not taken yet, over all connections. One connection may hold half of it."""
    max_concurrent_streams: int = 1000
    """Calls at once on one connection; clients hold further ones back until one has ended."""
    max_connections: int = 10_000
    """Further connections are closed at once."""
    keepalive_seconds: float = 60.0
    """An idle connection is probed this often, and closed when the client does not answer within 20 seconds."""
    max_connection_age_seconds: float | None = None
    """Connections are closed in an orderly way after about this long, so that clients find new replicas."""
    settle_seconds: float = 0.0
    """How long new calls are still taken after a stop began, until load balancers have noticed."""
    grace_seconds: float = 30.0
    """How long calls under way may take to finish after a stop began."""
    reflection: bool = True
    health: bool = True


class Gateway:
    """One gateway in one process. Start and stop it within the same event loop."""

    def __init__(
        self,
        vcenter: VCenterOptions,
        admission: Admission,
        *,
        options: ServerOptions | None = None,
        observe: Observe = lambda record: None,
        observer: Observer | None = None,
        audit: Audit | None = None,
        tracing: Tracing | None = None,
        tls: ServerTls | None = None,
        contract: Contract | None = None,
    ) -> None:
        self.contract = contract or load_contract()
        self.bindings: Mapping[str, Binding] = compile_bindings(self.contract)
        self.options = options or ServerOptions()
        self.drift = CountingDrift()
        self.port = 0
        self.vcenter: VCenter | None = None
        self.reads: SharedReads | None = None
        self._vcenter_options = vcenter
        self._admission = admission
        self._observe = observe
        self._observer = observer
        self._audit = audit
        self._tracing = tracing
        self.tls = tls
        self._server: grpc.aio.Server | None = None
        self._health = Health()
        self._drain = Drain()
        self._peers = Peers(self.options.max_unsent_bytes, self.options.max_request_bytes)

    async def __aenter__(self) -> Gateway:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def active_calls(self) -> int:
        """Rpcs under way."""
        return self._drain.active

    async def start(self) -> int:
        """Starts serving and returns the port. Raises OSError when the address cannot be used."""
        self.vcenter = VCenter(
            self._vcenter_options,
            self.contract,
            self.drift,
            self._on_breaker_change,
            observer=self._observer,
            tracing=self._tracing,
        )
        self.reads = SharedReads(self.vcenter.call, self._vcenter_options)
        quiet_library()
        server = grpc.aio.server(options=channel_arguments(self.options))
        server.add_generic_rpc_handlers(tuple(self._handlers(self.reads)))
        if self.options.health:
            server.add_generic_rpc_handlers((self._health.handler(),))
        if self.options.reflection:
            add_reflection(server, self.contract)
        try:
            if self.tls is None:
                self.port = server.add_insecure_port(self.options.listen)
            else:
                self.port = server.add_secure_port(self.options.listen, self.tls.credentials())
        except RuntimeError:
            self.port = 0
        if not self.port:
            await self.vcenter.close()
            raise OSError(f"cannot listen on {self.options.listen}: the address is in use or not one of this machine")
        await server.start()
        self._server = server
        services = ("", VCENTER_HEALTH, CLIENTS_HEALTH, *self.contract.services)
        self._health.set(health_pb2.HealthCheckResponse.SERVING, services)
        return self.port

    async def stop(self, grace: float | None = None) -> None:
        """Stops in order: health says NOT_SERVING, load balancers get time to notice, clients that watch leave, calls
        under way finish within the grace period, the sessions with vCenter are closed. `grace` in seconds overrides the
        option."""
        server, self._server = self._server, None
        if server is not None:
            leave = min(self.options.settle_seconds, _LEAVE_SECONDS)
            self._health.set(health_pb2.HealthCheckResponse.NOT_SERVING, ("", *self.contract.services))
            await asyncio.sleep(self.options.settle_seconds - leave)
            self._health.shut_down()
            await asyncio.sleep(leave)
            # The listener closes now; new calls on open connections are told to go elsewhere.
            grace = self.options.grace_seconds if grace is None else grace
            await self._drain.close(server, grace, self._close_vcenter, self._peers.taken())
        await self._close_vcenter()

    async def _close_vcenter(self) -> None:
        vcenter, self.vcenter, self.reads = self.vcenter, None, None
        if vcenter is not None:
            await vcenter.close()

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    def _on_breaker_change(self, state: BreakerState) -> None:
        """Tells the health service, from where load balancers and people see it."""
        _log.warning("the circuit breaker of vCenter is %s", state)
        status = health_pb2.HealthCheckResponse
        health = status.SERVING if state is BreakerState.CLOSED else status.NOT_SERVING
        self._health.set(health, (VCENTER_HEALTH,))

    def _handlers(self, reads: SharedReads) -> list[Any]:
        services: dict[str, dict[str, Any]] = {}
        for binding in self.bindings.values():
            handle = call_handler(
                binding,
                reads,
                self._admission,
                self._observe,
                self._audit,
                self.options.max_response_bytes,
                self._tracing,
            )
            methods = services.setdefault(binding.method.service, {})
            bounded = self._peers.bounded(self._drain.watched(handle), is_read_only=binding.is_read_only)
            methods[binding.method.name] = grpc.stream_unary_rpc_method_handler(bounded)
        return [grpc.method_handlers_generic_handler(service, methods) for service, methods in services.items()]
