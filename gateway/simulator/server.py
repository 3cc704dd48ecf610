"""The simulated vCenter on a socket: HTTP/1.1 or HTTPS around the endpoint, with the faults that only a socket can
have."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Self

from aiohttp import web

from gateway.address import join_address, reachable
from gateway.settings import SimulatorSettings
from gateway.simulator import control, library_sessions, transfers
from gateway.simulator.changes import Changes
from gateway.simulator.clock import system_clock, wait_until
from gateway.simulator.endpoint import Endpoint
from gateway.simulator.exchange import Request, Response
from gateway.simulator.faults import Fault, Faults
from gateway.simulator.inventory import Inventory
from gateway.simulator.record import Record, RecordedCall
from gateway.simulator.releases import RELEASES
from gateway.simulator.sessions import DEFAULT_USERS, SessionLimits, Sessions, User
from gateway.simulator.tls import DOWNLOAD, archive, server_context
from gateway.simulator.vim import files
from gateway.simulator.vim.endpoint import VimEndpoint
from gateway.simulator.vim.world import World

__all__ = ["Simulator", "SimulatorOptions"]

_MAX_HEAD = 64 * 1024
_SHUTDOWN_SECONDS = 1.0
# Since this release, a session of the REST API is also valid for the VIM API, and vice versa.
_SHARED_SESSIONS = "8.0.3.0"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """The configuration of the simulated vCenter."""

    vms: int = SimulatorSettings().vms
    """Number of virtual machines."""
    release: str = SimulatorSettings().release
    """The release of vCenter, one of `RELEASES`. Newer features do not exist."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 selects a free one."""
    tls: bool = False
    """HTTPS with the simulator's own certificate, created at each start."""
    seed: int = 1
    """The same seed and number give the same inventory."""
    latency: float = 0.0
    """Minimum duration of every response, in seconds."""
    transition: float = 2.0
    """How long a guest takes to shut down, to reboot, or to start its tools, in seconds."""
    task_seconds: float = 0.0
    """Duration of a task of the VIM API, in seconds; tasks of the REST API have their own durations."""
    limits: SessionLimits = field(default_factory=SessionLimits)
    users: tuple[User, ...] = DEFAULT_USERS
    """The accounts; `Simulator.user` is the first."""
    clock: Callable[[], datetime] = field(default=system_clock, repr=False)
    """The time, in UTC. Tests use a `ManualClock`."""


class Simulator:
    """A simulated vCenter. Start and stop it within one event loop."""

    def __init__(self, options: SimulatorOptions | None = None) -> None:
        self.options = options or SimulatorOptions()
        clock = self.options.clock
        release = RELEASES[self.options.release]
        self.inventory = Inventory(
            self.options.vms, self.options.seed, clock(), timedelta(seconds=self.options.transition), release
        )
        self.inventory.transfers.secure = self.options.tls
        self.sessions = Sessions(self.options.users, self.options.limits, clock, shared=release.has(_SHARED_SESSIONS))
        self.faults = Faults()
        self.record = Record()
        self.port = 0
        self.certificate_pem: str | None = None
        """The certificate for clients to trust, None without TLS."""
        self.thumbprint: str | None = None
        """Its SHA-256 thumbprint in hexadecimal digits, None without TLS."""
        self._endpoint = Endpoint(self.inventory, self.sessions, clock)
        world = World(self.inventory, self.sessions, clock, timedelta(seconds=self.options.task_seconds))
        self._vim = VimEndpoint(world, secure=self.options.tls)
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The URL for clients. Only valid after the start."""
        scheme = "https" if self.options.tls else "http"
        return f"{scheme}://{join_address(reachable(self.options.host), self.port)}"

    @property
    def user(self) -> str:
        """The name of the first account, which has all privileges unless the options say otherwise."""
        return self.options.users[0].name

    @property
    def password(self) -> str:
        """The password of that account."""
        return self.options.users[0].password

    @property
    def changes(self) -> Changes:
        """All changes of machines since the start, by any API."""
        return self.inventory.changes

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts serving. Raises OSError if the address cannot be used."""
        tls = None
        if self.options.tls:
            hosts = (reachable(self.options.host), "localhost", "127.0.0.1")
            tls, self.certificate_pem, self.thumbprint = server_context(hosts)
        self._vim.world.closed = False
        server = web.Server(
            self._serve, access_log=None, handler_cancellation=True, max_line_size=_MAX_HEAD, max_field_size=_MAX_HEAD
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self.options.host, self.options.port, ssl_context=tls, backlog=4096)
            await site.start()
        except OSError as error:
            await self.stop()
            address = join_address(self.options.host, self.options.port)
            raise OSError(f"the simulator cannot listen on {address}: {error.strerror or error}") from None
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stops serving; requests in progress get a second to finish."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self._vim.world.close()
            await runner.cleanup()

    async def _serve(self, incoming: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            incoming.method,
            incoming.raw_path,
            {name.lower(): value for name, value in incoming.headers.items()},
            await incoming.content.read(),
        )
        if request.target.startswith(control.PREFIX):
            return _to_web(control.handle(request, self.record, self.faults, self.sessions))
        is_file = request.target.startswith((f"{transfers.PATH}?", library_sessions.PATH))
        call = RecordedCall(
            request.method,
            library_sessions.without_token(transfers.without_token(request.target)),
            self._operation_of(request),
            request.headers.get("x-request-id", ""),
            request.headers,
            b"" if is_file else request.body,
        )
        self.record.add(call)
        return await self._answer(incoming, request, call, self.faults.take(call.operation))

    def _operation_of(self, request: Request) -> str | None:
        if self._vim.serves(request):
            return self._vim.operation_of(request)
        return self._endpoint.operation_of(request)

    async def _answer(
        self, incoming: web.BaseRequest, request: Request, call: RecordedCall, faults: list[Fault]
    ) -> web.StreamResponse:
        latency = self.options.latency + sum(fault.seconds for fault in faults)
        fault = next((fault for fault in faults if fault.kind != "latency"), None)
        kind = fault.kind if fault else ""
        if kind == "hang":
            await asyncio.Event().wait()  # Cancelled when the client closes the connection.
        if kind == "reset_before":
            await asyncio.sleep(latency)
            _reset(incoming)
        soap = self._vim.serves(request)
        response = fault.response_to(soap=soap) if fault else None
        if response is not None and not soap:
            response = self._endpoint.in_dialect(request, response)
        if response is None and soap:
            response = await self._vim.handle(request)
        if response is None and self.certificate_pem and (request.method, request.target) == ("GET", DOWNLOAD):
            response = Response(HTTPStatus.OK, archive(self.certificate_pem), "application/zip")
        if response is None and files.serves(request):
            response = files.datastore_file(self._vim.world, request)
        if response is None:
            response = self._endpoint.handle(request)
        if response.later is not None:
            await wait_until(self.options.clock, response.later.due)
            response = response.later.response()
        call.executed = response.executed
        # The response is late, not the operation: it has run even if the client does not wait for the response.
        if latency:
            await asyncio.sleep(latency)
        if kind == "reset_after":
            _reset(incoming)
        if kind == "cut_body":
            return await _cut(incoming, response)
        call.status = response.status
        return _to_web(response)


def _to_web(response: Response) -> web.Response:
    headers = dict(response.headers)
    if response.body:
        headers["Content-Type"] = response.content_type
    return web.Response(status=response.status, body=response.body, headers=headers)


def _reset(incoming: web.BaseRequest) -> None:
    """Closes the connection with a RST, as the kernel of a crashed server does, and ends the handler."""
    transport = incoming.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    raise asyncio.CancelledError


async def _cut(incoming: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Announces the whole body, sends half of it, and closes the connection; without a body, the head is cut."""
    transport = incoming.transport
    if transport is None:
        raise asyncio.CancelledError
    if not response.body:
        transport.write(f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\nDate:".encode())
        transport.close()
        raise asyncio.CancelledError
    stream = web.StreamResponse(
        status=response.status, headers={**response.headers, "Content-Type": response.content_type}
    )
    stream.content_length = len(response.body)
    await stream.prepare(incoming)
    await stream.write(response.body[: len(response.body) // 2])
    transport.close()
    return stream
