"""Replicas of the gateway, each a process with its own address, and a steady load on all of them from one client.

The client resolves them by a name, like the pods of a headless Kubernetes service, and uses the shipped service config.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.simulator import RecordedCall, Simulator, SimulatorOptions
from gateway.transcoding import compile_bindings
from tests.faults.names import Names, names
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, READ, READ_REQUEST, eventually
from tests.integration.processes import Running, running

__all__ = ["Fleet", "Sent", "fleet", "service_config", "session"]

BINDINGS = compile_bindings(load_contract())
IDENTITY = ("authorization", Basic(ADMINISTRATOR, PASSWORD).header)
WRITE, WRITE_REQUEST = "vcenter.vm.hardware.v1.BootService/UpdateBoot", {"vm": "vm-1002", "spec": {"delay": 1}}
WORKERS = 4
"""Callers that send a call when the previous one is answered: reads and writes in turn."""
INTERVAL = 0.01
"""Seconds between the calls of a caller that does not wait for responses."""
LATENCY = 0.02
"""Duration of vCenter's responses, so that there are always calls in flight."""
RECENT = 60
"""The number of last calls that show which replicas currently serve: each of three serves twenty of them."""


def service_config(*, health: bool = True) -> str:
    """The shipped service config; without `health`, the form for a client that does not watch health."""
    config = json.loads((Path(__file__).parents[2] / "clients/service_config.json").read_text(encoding="utf-8"))
    if not health:
        del config["healthCheckConfig"]
    return json.dumps(config)


@dataclass(slots=True)
class Sent:
    """A call that the test sent once; gRPC may retry it if the service config allows that."""

    request_id: str
    changes: bool
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    code: str = ""
    """The name of the status; empty until the end."""


class Fleet:
    """The running replicas, by address, and the calls sent to them."""

    def __init__(self, simulator: Simulator, name_server: Names, folder: Path, arguments: tuple[str, ...]) -> None:
        self.simulator = simulator
        self.names = name_server
        self.replicas: dict[str, Running] = {}
        self.port = 0
        """The same for all addresses; the first replica finds a free port."""
        self.sent: list[Sent] = []
        self._folder = folder
        self._arguments = arguments
        self._stack = AsyncExitStack()
        self._numbers = itertools.count(1)

    async def start(self, address: str | None = None) -> str:
        """Starts a replica, at a new address unless one is given, and returns the address when it serves."""
        number = next(self._numbers)
        address = address or f"127.0.0.{number}"
        folder = self._folder / str(number)
        folder.mkdir()
        listen = ("--listen", f"{address}:{self.port}", "--vcenter", self.simulator.url)
        process = await self._stack.enter_async_context(running(folder, "serve", *listen, *self._arguments))
        self.port = int((await process.wait_for(rf"serves .* on {address}:(\d+)\."))[1])
        self.replicas[address] = process
        return address

    async def stop(self, address: str) -> float:
        """Stops a replica gracefully and waits for its end. Returns for how many seconds of its stop the client kept
        calling it."""
        its_session = await self.session_of(address)
        signalled = time.monotonic()
        assert await self.replicas.pop(address).end(signal.SIGTERM) == 0
        taken = {call.request_id for call in self._calls() if session(call) == its_session}
        return max(sent.started for sent in self.sent if sent.request_id in taken) - signalled

    async def replace(self, old: str) -> float:
        """What a rollout does with a pod: its successor starts at another address and replaces it in the name when it
        stops. Returns what `stop` does."""
        new = await self.start()
        self.names.show({*self.names.addresses, new} - {old})
        return await self.stop(old)

    async def restart(self, address: str) -> float:
        """Stops a replica gracefully and restarts it at the same address, which the name keeps. Returns what `stop`
        does."""
        called = await self.stop(address)
        await self.start(address)
        return called

    async def kill(self, address: str) -> None:
        """Kills a replica."""
        assert await self.replicas[address].end(signal.SIGKILL) == -signal.SIGKILL

    async def close(self) -> None:
        """Ends all that run."""
        await self._stack.aclose()

    @asynccontextmanager
    async def client(self, config: str) -> AsyncIterator[grpc.aio.Channel]:
        """A connection to all replicas whose addresses the name has."""
        options = [
            ("grpc.service_config", config),
            # Clients resolve a name again after 30 seconds at the earliest, so a rollout must wait that long.
            ("grpc.dns_min_time_between_resolutions_ms", 200),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        async with grpc.aio.insecure_channel(self.names.target(self.port), options=options) as channel:
            yield channel

    async def call(self, channel: grpc.aio.Channel, rpc: str, request: Any, *, changes: bool) -> Sent:
        """Sends one call and returns how it ended."""
        sent = Sent(f"call-{len(self.sent)}", changes)
        self.sent.append(sent)
        binding = BINDINGS[rpc]
        stub: Any = channel.unary_unary(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding.response_class.FromString,
        )
        metadata = (IDENTITY, ("x-request-id", sent.request_id))
        try:
            await stub(binding.request_class(**request), metadata=metadata, timeout=30)
            sent.code = "OK"
        except grpc.aio.AioRpcError as error:
            sent.code = error.code().name
        sent.ended = time.monotonic()
        return sent

    @asynccontextmanager
    async def load(self, channel: grpc.aio.Channel) -> AsyncIterator[None]:
        """A steady load during the block; all of its calls have ended afterwards."""
        ended = False

        async def one(number: int) -> None:
            if number % 2:
                await self.call(channel, READ, READ_REQUEST, changes=False)
            else:
                await self.call(channel, WRITE, WRITE_REQUEST, changes=True)

        async def worker() -> None:
            for number in itertools.count():
                if ended:
                    break
                await one(number)

        async def sender() -> None:
            async with asyncio.TaskGroup() as calls:
                for number in itertools.count():
                    if ended:
                        break
                    calls.create_task(one(number))
                    await asyncio.sleep(INTERVAL)

        async with asyncio.TaskGroup() as callers:
            for caller in (sender(), *(worker() for _ in range(WORKERS))):
                callers.create_task(caller)
            try:
                yield
            finally:
                ended = True

    async def is_spread(self, replicas: int, seconds: float = 15.0) -> None:
        """Waits until this many replicas share the calls."""
        await eventually(lambda: len(self.shares(RECENT)) == replicas, f"calls at {replicas} replicas", seconds)

    def shares(self, last: int) -> Counter[str]:
        """How many of the last calls reached vCenter in each session: each replica has its own."""
        return Counter(map(session, self._calls()[-last:]))

    async def session_of(self, address: str) -> str:
        """The session of a replica, identified by its first call, whose end the replica logs."""

        def found() -> str:
            logged = {line.get("request_id") for line in self.replicas[address].logs()}
            return next((session(call) for call in self._calls() if call.request_id in logged), "")

        return await eventually(found, f"a call through {address}")

    def recorded(self, sent: Sent) -> list[RecordedCall]:
        """The requests of a call that reached vCenter."""
        return [call for call in self._calls() if call.request_id == sent.request_id]

    def failures(self) -> list[Sent]:
        """The calls that failed."""
        return [sent for sent in self.sent if sent.code != "OK"]

    def executions(self, calls: Iterable[Sent]) -> set[int]:
        """How often the changes among these calls were executed: {1} when each of them was once."""
        ran = Counter(call.request_id for call in self._calls() if call.executed)
        return {ran[sent.request_id] for sent in calls if sent.changes}

    def _calls(self) -> list[RecordedCall]:
        return [call for call in self.simulator.record if call.request_id.startswith("call-") and session(call)]


def session(call: RecordedCall) -> str:
    """The vCenter session of the call; empty for logins."""
    return call.headers.get("vmware-api-session-id", "")


@asynccontextmanager
async def fleet(folder: Path, replicas: int, *arguments: str) -> AsyncIterator[Fleet]:
    """This many replicas, with additional arguments for `serve`, under one name in front of one simulated vCenter."""
    async with Simulator(SimulatorOptions(latency=LATENCY)) as simulator, names() as name_server:
        running_fleet = Fleet(simulator, name_server, folder, arguments)
        try:
            # The first one finds the port, on which the others can then start in parallel.
            first = await running_fleet.start()
            others = await asyncio.gather(*(running_fleet.start() for _ in range(replicas - 1)))
            name_server.show([first, *others])
            yield running_fleet
        finally:
            await running_fleet.close()
