"""Combines the parts: contract, vCenter client, gRPC server, health and reflection; starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from gateway.access import Admission, AuditLog
from gateway.calls.admission import admitted
from gateway.contract import Contract, load_contract
from gateway.errors import Reason
from gateway.events import BreakerChanged, Events, Exchanged, FileChanged, combined
from gateway.files import listening
from gateway.live import GatewayService, HubLimits, MachineServices, WatchingServices, local_endpoints
from gateway.live.gateway_service import Limits
from gateway.live.required import checked
from gateway.server.arrival import Door
from gateway.server.drain import Drain
from gateway.server.health import Health
from gateway.server.listener import channel_arguments, quiet_library
from gateway.server.options import ServerOptions
from gateway.server.peers import Peers
from gateway.server.reflection import add_reflection
from gateway.server.registrar import rpc_handler
from gateway.server.streams import OpenStreams
from gateway.tracing import TraceEvents, Tracing
from gateway.transcoding import Binding, compile_bindings
from gateway.vcenter.breaker import BreakerState
from gateway.vcenter.client import VCenter
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.version import VersionReader

if TYPE_CHECKING:
    from gateway.server.tls import ServerTls

__all__ = ["CLIENTS_HEALTH", "VCENTER_HEALTH", "Gateway", "ServerOptions"]

VCENTER_HEALTH = "vcenter"
"""The name under which the health service reports whether calls reach vCenter."""

CLIENTS_HEALTH = "clients"
"""The name that clients with client-side load balancing watch, according to their service config. They leave
immediately for replicas that they know, so it is the last to report NOT_SERVING, after DNS had time to show the other
replicas."""

# Long enough to reach any client; short, because a client with a single address makes no calls during this time.
_LEAVE_SECONDS = 0.5


class Gateway(Events):
    """One gateway in one process. Start and stop it within the same event loop."""

    def __init__(
        self,
        vcenter: VCenterOptions,
        admission: Admission,
        *,
        options: ServerOptions | None = None,
        retries: RetryPolicy | None = None,
        events: Events | None = None,
        audit: AuditLog | None = None,
        tracing: Tracing | None = None,
        tls: ServerTls | None = None,
        contract: Contract | None = None,
        hubs: HubLimits | None = None,
    ) -> None:
        self.contract = contract or load_contract()
        self.bindings: Mapping[str, Binding] = compile_bindings(self.contract)
        self.options = options or ServerOptions()
        self.port = 0
        self.vcenter: VCenter | None = None
        self.streams = OpenStreams(self.options.streams)
        self.tls = tls
        self._vcenter_options = vcenter
        self._admission = admission
        self._retries = retries
        self._events: Events = events or Events()
        self._told = self._events
        self.audit = audit
        self._tracing = tracing
        self._version = VersionReader(vcenter)
        self._service: GatewayService | None = None
        self.machines: MachineServices | None = None
        self.watching: WatchingServices | None = None
        self._hub_limits = hubs
        self._server: grpc.aio.Server | None = None
        self._health = Health()
        self._is_closed = self._is_trusted = True
        self._listening = contextlib.ExitStack()
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

    @property
    def is_vcenter_usable(self) -> bool:
        """The health of vCenter: calls are sent to it, and its certificate is trusted."""
        return self._is_closed and self._is_trusted

    async def start(self) -> int:
        """Starts serving and returns the port. Raises OSError if the address cannot be used."""
        quiet_library()
        server = grpc.aio.server(options=channel_arguments(self.options))
        server.add_generic_rpc_handlers((self._handler(),))
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
            await self._close_vcenter()
            raise OSError(
                f"cannot listen on {self.options.listen}: the address is in use or does not belong to this machine"
            )
        if (issuers := self._admission.issuers) is not None:
            # Before the first call, because each call would wait for it.
            await issuers.start(self._told)
        await server.start()
        self._server = server
        services = ("", VCENTER_HEALTH, CLIENTS_HEALTH, *self.contract.services)
        self._health.set(health_pb2.HealthCheckResponse.SERVING, services)
        return self.port

    async def stop(self, grace: float | None = None) -> None:
        """Stops gracefully: health reports NOT_SERVING, load balancers get time to notice, watching clients leave,
        calls in flight finish within the grace period, and the sessions with vCenter are closed. `grace` in seconds
        overrides the option."""
        server, self._server = self._server, None
        if server is not None:
            leave = min(self.options.settle_seconds, _LEAVE_SECONDS)
            if self._service is not None:
                self._service.stopping()
            self._health.set(health_pb2.HealthCheckResponse.NOT_SERVING, ("", *self.contract.services))
            await asyncio.sleep(self.options.settle_seconds - leave)
            self._health.shut_down()
            await asyncio.sleep(leave)
            # While other replicas serve, and before the listener closes.
            if self.watching is not None:
                self.watching.stopping()
            self.streams.end_all()
            if self.watching is not None:
                await self.watching.close()
            # The listener closes now; new calls on open connections are redirected (GOAWAY).
            grace = self.options.grace_seconds if grace is None else grace
            await self._drain.close(server, grace, self._close_vcenter, self._peers.taken())
        await self._close_vcenter()

    async def _close_vcenter(self) -> None:
        self._listening.close()
        vcenter, self.vcenter, self._service = self.vcenter, None, None
        watching, self.watching = self.watching, None
        if watching is not None:
            await watching.close()
        if self.machines is not None:
            await self.machines.close()
        if (issuers := self._admission.issuers) is not None:
            await issuers.close()
        if vcenter is not None:
            await vcenter.close()
        await self._version.close()

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    def breaker_changed(self, changed: BreakerChanged) -> None:
        """Updates the health service, for load balancers and operators."""
        self._is_closed = changed.state is BreakerState.CLOSED
        self._tell_of_vcenter()

    def exchanged(self, exchanged: Exchanged) -> None:
        """A vCenter whose certificate is not trusted cannot be called either."""
        is_refused = exchanged.outcome == Reason.VCENTER_CERTIFICATE_INVALID
        if is_refused is self._is_trusted and (is_refused or isinstance(exchanged.outcome, int)):
            self._is_trusted = not is_refused
            self._tell_of_vcenter()

    def _tell_of_vcenter(self) -> None:
        status = health_pb2.HealthCheckResponse
        self._health.set(status.SERVING if self.is_vcenter_usable else status.NOT_SERVING, (VCENTER_HEALTH,))

    def _handler(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """The handler of all rpcs."""
        admission, timeouts = self._admission, self._vcenter_options
        service = self._service = GatewayService(
            self.contract,
            lambda: self.vcenter,
            self._version,
            self._limits(),
            has_policy=admission.policy is not None,
            issuers=admission.issuers,
        )
        audit = self.audit
        events = combined(TraceEvents(), self._events, self, service, *([audit] if audit else []))
        self._told = events
        loop = asyncio.get_running_loop()

        def file_changed(path: Path, problem: str) -> None:
            with contextlib.suppress(RuntimeError):  # The loop may be closed by then.
                loop.call_soon_threadsafe(events.file_changed, FileChanged(str(path), problem))

        self._listening.enter_context(listening(file_changed))
        recorded = audit.recorded if audit else None
        enter = admitted(admission.authorize, events, recorded)
        vcenter = self.vcenter = VCenter(
            timeouts,
            self.contract,
            admission=enter,
            policy=self._retries,
            events=events,
            tracing=self._tracing,
            versions=self._version,
        )
        watching = self.watching = WatchingServices(
            self.contract, self.bindings, vcenter, vcenter.reads.call, admission, recorded, events, self._hub_limits
        )
        machines = self.machines = MachineServices(
            self.contract, self.bindings, vcenter, vcenter.reads.call, events, watching, timeouts.max_transfers
        )
        own = local_endpoints(self.contract, [service, *watching.services, *machines.services])
        return rpc_handler(
            self.bindings,
            Door(admission, timeouts.seconds_for, self._tracing, self.options.streams.check_seconds),
            vcenter.call,
            enter,
            checked(self.contract, own),
            vcenter.reads.around,
            events,
            self.streams,
            self._drain,
            self._peers,
            self.options.max_response_bytes,
        )

    def _limits(self) -> Limits:
        options, vcenter, streams = self.options, self._vcenter_options, self.options.streams
        return Limits(
            max_request_bytes=options.max_request_bytes,
            max_response_bytes=options.max_response_bytes,
            max_concurrent_calls=vcenter.max_concurrent_calls,
            max_waiting_calls=vcenter.max_waiting_calls,
            max_streams_per_caller=streams.max_streams_per_caller,
            max_streams=streams.max_streams,
            read_timeout=vcenter.read_timeout,
            change_timeout=vcenter.change_timeout,
            max_timeout=vcenter.max_timeout,
        )
