"""Callers in a process of their own: reads and changes, with the clients' service config, until they are told to stop.

python load.py TARGET OPTIONS_JSON [CA_FILE]     # `begun`; and JSON, when its input ends
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys
import time
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf import json_format

from gateway.contract import load_contract
from gateway.transcoding import compile_bindings

CALLERS = 8
_PAUSE = 0.05
_READ = ("vcenter.vm.hardware.v1.CpuService/GetCpu", {"vm": "vm-1001"})
_CHANGE = (
    "vcenter.vm.console.v1.TicketsService/CreateTicket",
    {"vm": "vm-1001", "spec": {"type": "TICKETS_TYPE_VMRC"}},
)


class Load:
    """What the callers saw."""

    def __init__(
        self, target: str, metadata: list[tuple[str, str]], watches: bool, ca: bytes | None, token: Path | None
    ) -> None:
        self._target, self._metadata, self._watches, self._ca, self._token = target, metadata, watches, ca, token
        bindings = compile_bindings(load_contract())
        self._requests = {
            name: json_format.ParseDict(body, bindings[name].request_class()).SerializeToString()
            for name, body in (_READ, _CHANGE)
        }
        self.codes: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self.slowest = 0.0
        self.stopped = False
        self.begun: asyncio.Queue[None] = asyncio.Queue()

    async def call_all(self) -> None:
        """Runs all callers until they are stopped."""
        await asyncio.gather(*(self._caller() for _ in range(CALLERS)))

    async def _caller(self) -> None:
        config = Path(__file__).parents[3] / "clients" / "service_config.json"
        options = [
            ("grpc.service_config", config.read_text(encoding="utf-8")),
            ("grpc.max_reconnect_backoff_ms", 5000),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.inhibit_health_checking", 0 if self._watches else 1),
        ]
        if self._ca:
            channel = grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(self._ca), options=options)
        else:
            channel = grpc.aio.insecure_channel(self._target, options=options)
        async with channel:
            stubs: dict[str, Any] = {
                name: channel.unary_unary(f"/{name}", request_serializer=_as_is, response_deserializer=_as_is)
                for name in self._requests
            }
            number = 0
            while not self.stopped:
                number += 1
                await self._call(stubs, _CHANGE[0] if number % 5 == 0 else _READ[0])
                if number == 1:
                    self.begun.put_nowait(None)
                await asyncio.sleep(_PAUSE)

    async def _call(self, stubs: dict[str, Any], name: str) -> None:
        begin = time.monotonic()
        metadata = self._metadata
        if self._token:  # Read with each call, as the clients do: the kubelet renews it.
            metadata = [*metadata, ("authorization", f"Bearer {self._token.read_text(encoding='ascii')}")]
        try:
            await stubs[name](self._requests[name], metadata=metadata, timeout=10)
            self.codes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            self.failures.append(f"{time.strftime('%H:%M:%S')} {name} {error.code().name}: {error.details()}")
        self.slowest = max(self.slowest, time.monotonic() - begin)


def _as_is(data: bytes) -> bytes:
    return data


async def _main(target: str, options: str, ca: str = "") -> None:
    given = json.loads(options)
    pairs = [(name, value) for name, value in given["metadata"]]
    token = Path(given["token"]) if given["token"] else None
    load = Load(target, pairs, given["watches"], Path(ca).read_bytes() if ca else None, token)  # noqa: ASYNC240 (nothing runs yet)
    calling = asyncio.create_task(load.call_all())
    for _ in range(CALLERS):
        await load.begun.get()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    load.stopped = True
    await calling
    sys.stdout.write(json.dumps({"codes": load.codes, "failures": load.failures[:20], "slowest": load.slowest}))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
