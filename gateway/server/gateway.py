"""Puts the parts together: contract, vCenter client, gRPC server, health and reflection; starts and stops them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.access import Admission, Audit
from gateway.contract import Contract, load_contract
from gateway.server.calls import Observe, call_handler
from gateway.server.drain import Drain
from gateway.server.drift import CountingDrift
from gateway.server.reflection import add_reflection
from gateway.settings import ServerSettings
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
_MAX_PENDING = 100_000

# Each default is stated once, where it is documented.
_DEFAULTS = ServerSettings()

_log = logging.getLogger(__name__)

# The asyncio half of the library is not in its type information.
_HealthServicer: Any = health.aio.HealthServicer  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the gRPC side listens and stops."""

    listen: str = _DEFAULTS.listen
    """Host and port; port 0 takes a free one."""
    reuse_port: bool = False
    """Whether several processes may listen on the same port. Off, a second gateway on the port fails to start."""
    max_request_bytes: int = _DEFAULTS.max_request_bytes
    max_response_bytes: int = _DEFAULTS.max_response_bytes
    keepalive_seconds: float = _DEFAULTS.keepalive_seconds
    """An idle connection is probed this often, and closed when the client does not answer within 20 seconds."""
    max_connection_age_seconds: float | None = _DEFAULTS.max_connection_age_seconds
    """Connections are closed in an orderly way after about this long, so that clients find new replicas."""
    settle_seconds: float = _DEFAULTS.settle_seconds
    """How long new calls are still taken after a stop began, until load balancers have noticed."""
    grace_seconds: float = _DEFAULTS.grace_seconds
    """How long calls under way may take to finish after a stop began."""
    reflection: bool = _DEFAULTS.reflection
    health: bool = _DEFAULTS.health


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
        self._health = _HealthServicer()
        self._drain = Drain()
        self._tasks: set[asyncio.Future[None]] = set()

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
        server = grpc.aio.server(options=_channel_arguments(self.options))
        server.add_generic_rpc_handlers(tuple(self._handlers(self.reads)))
        if self.options.health:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
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
        await self._tell(health_pb2.HealthCheckResponse.SERVING, *services)
        return self.port

    async def stop(self, grace: float | None = None) -> None:
        """Stops in order: health says NOT_SERVING, load balancers get time to notice, clients that watch leave, calls
        under way finish within the grace period, the sessions with vCenter are closed. `grace` in seconds overrides the
        option."""
        server, self._server = self._server, None
        if server is not None:
            leave = min(self.options.settle_seconds, _LEAVE_SECONDS)
            await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING, "", *self.contract.services)
            await asyncio.sleep(self.options.settle_seconds - leave)
            await self._health.enter_graceful_shutdown()
            await asyncio.sleep(leave)
            # The listener closes now; new calls on open connections are told to go elsewhere.
            await self._drain.close(server, self.options.grace_seconds if grace is None else grace)
        if self.vcenter is not None:
            await self.vcenter.close()
            self.vcenter = self.reads = None

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def _tell(self, status: int, *services: str) -> None:
        """Sets what health says about services."""
        for service in services:
            await self._health.set(service, status)

    def _on_breaker_change(self, state: BreakerState) -> None:
        """Tells the health service, from where load balancers and people see it."""
        _log.warning("the circuit breaker of vCenter is %s", state)
        status = health_pb2.HealthCheckResponse
        health = status.SERVING if state is BreakerState.CLOSED else status.NOT_SERVING
        task = asyncio.ensure_future(self._health.set(VCENTER_HEALTH, health))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            methods[binding.method.name] = grpc.unary_unary_rpc_method_handler(self._drain.watched(handle))
        return [grpc.method_handlers_generic_handler(service, methods) for service, methods in services.items()]


def _channel_arguments(options: ServerOptions) -> list[tuple[str, Any]]:
    arguments: list[tuple[str, Any]] = [
        ("grpc.so_reuseport", int(options.reuse_port)),
        ("grpc.max_receive_message_length", options.max_request_bytes),
        ("grpc.max_send_message_length", options.max_response_bytes),
        # Beyond about 1,000 calls that wait for the event loop, grpcio would cancel further ones without a word.
        ("grpc.server.max_pending_requests", _MAX_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING),
        ("grpc.keepalive_time_ms", int(options.keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may probe as often as every 10 seconds without being sent away for it.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]
    if options.max_connection_age_seconds is not None:
        arguments += [
            ("grpc.max_connection_age_ms", int(options.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(options.grace_seconds * 1000)),
        ]
    return arguments
