"""Calls GetCdrom one after the other and writes the seconds of each call: `sequential.py KIND HOST:PORT CALLS`.

Kinds: `grpc` calls the gateway, `sdk` and `requests` call vCenter. Each call ends when the caller has an object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

_VM, _CDROM, _SESSION = "vm-1001", "16000", "5f0c3b9a7d1e4c2f8a6b0d9e3f1c7a52"
_WARM = 100


def _grpc(address: str) -> Callable[[], object]:
    import grpc

    sys.path.append(str(Path(__file__).parents[1] / "servers"))
    from messages import CDROM_SERVICE, GetCdromRequest, GetCdromResponse

    stub = grpc.insecure_channel(address).unary_unary(
        f"/{CDROM_SERVICE}/GetCdrom",
        request_serializer=GetCdromRequest.SerializeToString,
        response_deserializer=GetCdromResponse.FromString,
    )
    metadata = (("vmware-api-session-id", _SESSION),)
    return lambda: stub(GetCdromRequest(vm=_VM, cdrom=_CDROM), timeout=30, metadata=metadata)


def _sdk(address: str) -> Callable[[], object]:
    from sdk import cdrom_stub

    stub = cdrom_stub(f"http://{address}", _SESSION)
    return lambda: stub.get(_VM, _CDROM)


def _requests(address: str) -> Callable[[], object]:
    import requests

    session = requests.Session()
    session.headers["vmware-api-session-id"] = _SESSION

    def call() -> object:
        answer = session.get(f"http://{address}/api/vcenter/vm/{_VM}/hardware/cdrom/{_CDROM}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    return call


_KINDS = {"grpc": _grpc, "sdk": _sdk, "requests": _requests}


def _main(kind: str, address: str, calls: int) -> None:
    call = _KINDS[kind](address)
    for _ in range(_WARM):
        call()
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    # The result is printed, so that the benchmark can check it.
    json.dump({"seconds": seconds, "answer": str(call())}, sys.stdout)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
