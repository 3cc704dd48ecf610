"""The floor: a grpc.aio server on uvloop that responds to GetCdrom with a stored message, without an upstream call.

This is the minimum cost of a server of this kind; everything beyond is the gateway's own.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop
from messages import CDROM_SERVICE, GetCdromRequest, GetCdromResponse


async def _serve(address: str, answer: bytes) -> None:
    response = GetCdromResponse.FromString(answer)

    async def get_cdrom(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        get_cdrom,
        request_deserializer=GetCdromRequest.FromString,
        response_serializer=GetCdromResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(CDROM_SERVICE, {"GetCdrom": handler}),))
    server.add_insecure_port(address)
    await server.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2]).read_bytes()))
