"""Watches machines and reports the lag of changes: `watching.py HOST:PORT WATCHERS MACHINES SECONDS [KIND]`.

KIND is `all`, each watcher without a filter; `some`, each with its own 100 machines; or `unread`, without a filter and
without reading anything after the full state. Prints `ready` once all watchers know the state, and at the end one line
of JSON: the lags in seconds, and the messages. A line on standard input starts the measurement.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from base64 import b64encode
from typing import Any

import grpc.aio

from gateway.contract import load_contract

_RPC = "vcenter.gateway.v1.WatchService/WatchVms"
_STAMP = re.compile(rb"t=(\d{10,20})")
_IDENTITY = ("authorization", "Basic " + b64encode(b"administrator@vsphere.local:VMware1!").decode())
_STREAMS_OF_A_CHANNEL = 50
_MACHINES_OF_A_FILTER = 100
_AT_ONCE = 20


class _Watchers:
    def __init__(self, address: str, machines: int, kind: str) -> None:
        self._address = address
        self._machines = machines
        self._kind = kind
        self._request = load_contract().message_class("vcenter.gateway.v1.WatchVmsRequest")
        self._response = load_contract().message_class("vcenter.gateway.v1.WatchVmsResponse")
        self._channels: list[Any] = []
        self.measuring = False
        self.lags: list[float] = []
        self.worst: dict[int, float] = {}
        self.messages = 0

    def open(self, number: int) -> Any:
        if number % _STREAMS_OF_A_CHANNEL == 0:
            options = [("grpc.use_local_subchannel_pool", 1)]
            self._channels.append(grpc.aio.insecure_channel(self._address, options=options))
        request: Any = self._request(heartbeat_interval={"seconds": 300})
        request.fields.paths.extend(["name", "power_state", "annotation"])
        if self._kind == "some":
            most = min(self._machines, _MACHINES_OF_A_FILTER)
            chosen = random.Random(number).sample(range(self._machines), most)  # noqa: S311 - the same ones in each run
            request.filter.vms.extend(f"vm-{1001 + each}" for each in chosen)
        method = self._channels[-1].unary_stream(f"/{_RPC}")
        return method(request.SerializeToString(), metadata=(_IDENTITY,))

    async def until_synced(self, stream: Any) -> None:
        while True:
            message: Any = self._response.FromString(await stream.read())
            if message.WhichOneof("event") == "synced":
                return

    async def watch(self, number: int, stream: Any) -> None:
        while (message := await stream.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]
            if not self.measuring:
                continue
            now = time.monotonic_ns()
            self.messages += 1
            # Only the newest change of each machine is reported; earlier ones are merged into it.
            found = [(now - int(stamp)) / 1e9 for stamp in _STAMP.findall(message)]
            if found:
                self.lags += found if len(self.lags) < 1_000_000 else ()
                self.worst[number] = max(self.worst.get(number, 0.0), *found)


async def _main(address: str, watchers: int, machines: int, seconds: float, kind: str) -> None:
    every = _Watchers(address, machines, kind)
    streams: list[Any] = []
    for first in range(0, watchers, _AT_ONCE):
        new = [every.open(number) for number in range(first, min(watchers, first + _AT_ONCE))]
        await asyncio.gather(*(every.until_synced(stream) for stream in new))
        streams += new
    is_read = kind != "unread"
    tasks = [asyncio.create_task(every.watch(number, stream)) for number, stream in enumerate(streams) if is_read]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    every.measuring = True
    await asyncio.sleep(seconds)
    every.measuring = False
    for task in tasks:
        task.cancel()
    lags = sorted(every.lags) or [0.0]  # No change is made while only the memory is measured.
    found = {
        "p50": lags[len(lags) // 2],
        "p99": lags[int(len(lags) * 0.99)],
        "worst": lags[-1],
        "messages": every.messages,
        "changes": len(every.lags),
        "watchers": len(every.worst),
    }
    sys.stdout.write(json.dumps(found) + "\n")


asyncio.run(
    _main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        float(sys.argv[4]),
        sys.argv[5] if len(sys.argv) > 5 else "all",
    )
)
