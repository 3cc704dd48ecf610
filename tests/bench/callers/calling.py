"""Calls GetPower repeatedly, with a pause in between: `calling.py HOST:PORT SECONDS`. Prints the p99 in seconds."""

from __future__ import annotations

import statistics
import sys
import time
from base64 import b64encode
from typing import Any

import grpc

from gateway.contract import load_contract

_GET = "vcenter.vm.v1.PowerService/GetPower"
_IDENTITY = ("authorization", "Basic " + b64encode(b"administrator@vsphere.local:VMware1!").decode())
_PAUSE = 0.01


def _main(address: str, seconds: float) -> None:
    request: Any = load_contract().message_class("vcenter.vm.v1.GetPowerRequest")(vm="vm-1001")
    data = request.SerializeToString()
    taken: list[float] = []
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(f"/{_GET}", bytes, bytes)
        for _ in range(10):
            call(data, metadata=(_IDENTITY,))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            call(data, metadata=(_IDENTITY,))
            taken.append(time.perf_counter() - began)
            time.sleep(_PAUSE)
    sys.stdout.write(f"{statistics.quantiles(taken, n=100)[98]}\n")


_main(sys.argv[1], float(sys.argv[2]))
