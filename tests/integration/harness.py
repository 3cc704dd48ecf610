"""A simulated vCenter, a gateway in front of it and a client of it, all real and in one event loop."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from gateway.access import Admission, AuditLog, passthrough
from gateway.calls import Basic
from gateway.contract import Contract, load_contract
from gateway.events import CallEnded, Events, combined
from gateway.live import HubLimits
from gateway.server.gateway import Gateway
from gateway.server.guards import make_guards
from gateway.server.options import ServerOptions
from gateway.server.tls import ServerTls
from gateway.settings import Settings
from gateway.simulator import ManualClock, Simulator, SimulatorOptions
from gateway.tracing import Forwarding, Tracing
from gateway.transcoding import Binding
from gateway.vcenter import VCenterOptions
from tests.calls import Ended
from tests.integration.cases import ADMINISTRATOR, Json

__all__ = [
    "PASSWORD",
    "READ",
    "READ_ID",
    "READ_REQUEST",
    "START",
    "START_ID",
    "START_REQUEST",
    "Client",
    "Failure",
    "Stream",
    "System",
    "eventually",
    "failure",
    "log_lines",
    "running_gateway",
    "running_guarded_gateway",
    "running_system",
]

PASSWORD = "VMware1!"

# A call that only reads and one that changes something, for tests in which the operation itself does not matter.
READ, READ_ID, READ_REQUEST = (
    "vcenter.vm.v1.PowerService/GetPower",
    "com.vmware.vcenter.vm.power.get",
    {"vm": "vm-1001"},
)
START, START_ID, START_REQUEST = (
    "vcenter.vm.v1.PowerService/StartVm",
    "com.vmware.vcenter.vm.power.start",
    {"vm": "vm-1002"},
)

T = TypeVar("T")


async def eventually(condition: Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """Waits until the condition holds and returns its value; fails when that takes too long."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.01)
    return value


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818 - what a call ended in, with the parts that tests look at
    """A call that failed, taken apart."""

    code: str
    message: str
    reason: str
    domain: str
    metadata: Mapping[str, str]
    details: Mapping[str, Json] = field(default_factory=dict)
    """Further details by full name of the message, in JSON form."""
    trailing: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def may_have_executed(self) -> bool:
        """Whether the status says so."""
        return self.metadata.get("may_have_executed") == "true"

    @property
    def request_id(self) -> str:
        """Of the RequestInfo, empty without one."""
        return str(self.details.get("google.rpc.RequestInfo", {}).get("request_id", ""))

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The ids of vCenter's messages."""
        messages = self.details.get("vapi.std.errors.v1.Error", {}).get("messages", ())
        return tuple(item["id"] for item in messages)


class Client:
    """Makes calls in JSON form, as one user or with any metadata."""

    def __init__(self, channel: grpc.aio.Channel, gateway: Gateway) -> None:
        self.channel = channel
        self.gateway = gateway

    @property
    def address(self) -> str:
        """Where the gateway listens."""
        return f"127.0.0.1:{self.gateway.port}"

    def on(self, channel: grpc.aio.Channel) -> Client:
        """The same client on another connection."""
        return Client(channel, self.gateway)

    async def call(
        self,
        rpc: str,
        request: Json | None = None,
        *,
        user: str | None = ADMINISTRATOR,
        password: str = PASSWORD,
        metadata: tuple[tuple[str, str], ...] = (),
        timeout: float | None = 30.0,
    ) -> dict[str, Any]:
        """Makes one call and returns the response in JSON form. Raises Failure."""
        binding, message, metadata = self._prepared(rpc, request, user, password, metadata)
        try:
            response = await self.stub(binding)(message, metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise failure(error, self.gateway.contract) from None
        result: dict[str, Any] = json_format.MessageToDict(
            response, preserving_proto_field_name=True, descriptor_pool=self.pool
        )
        return result

    def stream(
        self,
        rpc: str,
        request: Json | None = None,
        *,
        user: str | None = ADMINISTRATOR,
        password: str = PASSWORD,
        metadata: tuple[tuple[str, str], ...] = (),
        timeout: float | None = None,
    ) -> Stream:
        """Opens a stream of responses."""
        binding, message, metadata = self._prepared(rpc, request, user, password, metadata)
        method = self.channel.unary_stream(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding.response_class.FromString,
        )
        return Stream(method(message, metadata=metadata, timeout=timeout), self.gateway.contract)

    def talk(
        self,
        rpc: str,
        requests: AsyncIterable[Json] | Iterable[Json],
        *,
        user: str | None = ADMINISTRATOR,
        password: str = PASSWORD,
        metadata: tuple[tuple[str, str], ...] = (),
        timeout: float | None = None,
    ) -> Stream:
        """Streams requests, of which an asynchronous iterable may take its time; and reads any number of responses."""
        binding, _, metadata = self._prepared(rpc, None, user, password, metadata)

        def parsed(request: Json) -> Any:
            return json_format.ParseDict(dict(request), binding.request_class(), descriptor_pool=self.pool)

        async def messages() -> AsyncIterator[Any]:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    yield parsed(request)
            else:
                for request in requests:
                    yield parsed(request)

        method = self.channel.stream_stream(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding.response_class.FromString,
        )
        return Stream(method(messages(), metadata=metadata, timeout=timeout), self.gateway.contract)

    def _prepared(
        self, rpc: str, request: Json | None, user: str | None, password: str, metadata: tuple[tuple[str, str], ...]
    ) -> tuple[Binding, Any, tuple[tuple[str, str], ...]]:
        binding = self.gateway.bindings[rpc]
        message = json_format.ParseDict(dict(request or {}), binding.request_class(), descriptor_pool=self.pool)
        if user is not None:
            metadata = (*metadata, ("authorization", Basic(user, password).header))
        return binding, message, metadata

    @property
    def pool(self) -> Any:
        return self.gateway.contract.pool

    def stub(self, binding: Binding) -> Any:
        """The rpc as generated code would have it."""
        return self.channel.unary_unary(
            f"/{binding.method.full_name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding.response_class.FromString,
        )


def log_lines(log: io.StringIO, event: str = "call") -> list[dict[str, Any]]:
    """The lines of a log in JSON that are about this event."""
    entries = [json.loads(line) for line in log.getvalue().splitlines()]
    return [entry for entry in entries if entry["event"] == event]


class Stream:
    """A stream of responses, as its caller sees it."""

    def __init__(self, call: Any, contract: Contract) -> None:
        self.call = call
        self._contract = contract

    async def next(self) -> dict[str, Any]:
        """The next message in JSON form. Raises Failure where the stream has failed, StopAsyncIteration at its end."""
        try:
            response = await self.call.read()
        except grpc.aio.AioRpcError as error:
            raise failure(error, self._contract) from None
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        result: dict[str, Any] = json_format.MessageToDict(
            response, preserving_proto_field_name=True, descriptor_pool=self._contract.pool
        )
        return result

    async def all(self) -> list[dict[str, Any]]:
        """All messages until its end. Raises Failure."""
        found = []
        try:
            while True:
                found.append(await self.next())
        except StopAsyncIteration:
            return found

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first message that is wanted."""
        while not wanted(message := await self.next()):
            pass
        return message

    async def failed(self) -> Failure:
        """What it ends in, after whatever it has still sent."""
        try:
            while True:
                await self.next()
        except Failure as found:
            return found

    def cancel(self) -> None:
        """The caller leaves."""
        self.call.cancel()


def failure(error: Any, contract: Contract) -> Failure:
    """Takes the error of a failed call apart, whichever kind of client raised it."""
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    assert status.code in (0, error.code().value[0])
    info = error_details_pb2.ErrorInfo()
    details = {}
    for detail in status.details:
        name = detail.type_url.rpartition("/")[2]
        if not detail.Unpack(info):
            message = contract.message_class(name)() if name in contract.messages else _google(name)
            message.ParseFromString(detail.value)
            details[name] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return Failure(
        error.code().name, error.details() or "", info.reason, info.domain, dict(info.metadata), details, trailing
    )


def _google(name: str) -> Any:
    return getattr(error_details_pb2, name.removeprefix("google.rpc."))()


@dataclass(frozen=True, slots=True)
class System:
    """Everything a test may want to look at or to change."""

    simulator: Simulator
    gateway: Gateway
    client: Client
    clock: ManualClock
    calls: list[CallEnded]
    """What the gateway says about the calls that have ended."""

    @property
    def address(self) -> str:
        """Where the gateway listens."""
        return f"127.0.0.1:{self.gateway.port}"


@asynccontextmanager
async def running_gateway(
    options: VCenterOptions,
    *,
    server: ServerOptions | None = None,
    admission: Admission | None = None,
    events: Events | None = None,
    audit: AuditLog | None = None,
    tls: ServerTls | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    calls: list[CallEnded] | None = None,
    tracing: Tracing | None = None,
    hubs: HubLimits | None = None,
) -> AsyncIterator[Client]:
    """A gateway in front of whatever `options` lead to, and a client of it, which uses TLS where it has `credentials`.
    `calls` collects what the gateway observes."""
    gateway = Gateway(
        options,
        admission or Admission(passthrough()),
        events=combined(*([events] if events else []), Ended(calls)),
        audit=audit,
        tracing=tracing,
        tls=tls,
        options=server or ServerOptions("127.0.0.1:0", grace_seconds=5),
        contract=load_contract(),
        hubs=hubs,
    )
    async with gateway:
        address = f"127.0.0.1:{gateway.port}"
        if credentials is None:
            channel = grpc.aio.insecure_channel(address)
        else:
            channel = grpc.aio.secure_channel(address, credentials)
        async with channel:
            yield Client(channel, gateway)


@asynccontextmanager
async def running_guarded_gateway(
    settings: Settings, url: str, account: Basic, credentials: grpc.ChannelCredentials | None
) -> AsyncIterator[Client]:
    """A gateway that is guarded as the settings say, in front of the simulator at `url` with this account."""
    guards = make_guards(settings, account)
    way = VCenterOptions(url)
    async with running_gateway(
        way, admission=guards.admission, audit=guards.audit, tls=guards.tls, credentials=credentials
    ) as client:
        yield client


@asynccontextmanager
async def running_system(
    options: SimulatorOptions | None = None,
    *,
    server: ServerOptions | None = None,
    admission: Admission | None = None,
    events: Events | None = None,
    audit: AuditLog | None = None,
    trace: Callable[[str], Tracing] = lambda url: Forwarding(),
    hubs: HubLimits | None = None,
    **vcenter: Any,
) -> AsyncIterator[System]:
    """A started system. `vcenter` are further VCenterOptions; callers bring their own identity unless `admission` says
    otherwise. `trace` makes what follows the calls from vCenter's URL."""
    clock = ManualClock()
    calls: list[CallEnded] = []
    async with Simulator(replace(options or SimulatorOptions(), clock=clock)) as simulator:
        way = VCenterOptions(simulator.url, **vcenter)
        async with running_gateway(
            way,
            server=server,
            admission=admission,
            events=events,
            audit=audit,
            calls=calls,
            tracing=trace(simulator.url),
            hubs=hubs,
        ) as client:
            yield System(simulator, client.gateway, client, clock, calls)
        assert simulator.sessions.counts()["open"] == 0, "a session with vCenter was left open"
