"""Makes the calls of the conformance cases, see clients/conformance/README.md.

runner.py          with blocking stubs
runner.py --aio    with those of asyncio
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import sys
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vcenter_gateway_client import Credentials, VCenterError, aio, connect

TARGET = os.environ["GATEWAY_TARGET"]
CREDENTIALS = Credentials.basic(os.environ["GATEWAY_USER"], os.environ["GATEWAY_PASSWORD"])


def resolve(case: dict[str, Any], channel: Any) -> tuple[Any, Any]:
    """The stub's method that a case calls, and its request, or the iterator of several."""
    name, _, method = case["rpc"].partition("/")
    package, _, service = name.rpartition(".")
    if package == "grpc.health.v1":
        stub, request_class = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest
    else:
        parent = "" if package.partition(".")[0] in ("vapi", "vcenter") else "vcenter_gateway_client."
        module = f"{parent}{package}.{re.sub('(?<!^)(?=[A-Z])', '_', service).lower()}_pb2"
        stub = getattr(importlib.import_module(f"{module}_grpc"), f"{service}Stub")(channel)
        request_class = getattr(importlib.import_module(module), f"{method}Request")
    requests = [json_format.ParseDict(request, request_class()) for request in case.get("requests", [case["request"]])]
    return getattr(stub, method), iter(requests) if "requests" in case else requests[0]


def show(kind: str, value: Any) -> None:
    """Prints a line of the answer."""
    content = json_format.MessageToDict(value) if isinstance(value, Message) else value
    print(json.dumps({kind: content}), flush=True)


def error_json(error: VCenterError) -> dict[str, Any]:
    """What a runner prints of an error."""
    return {
        "code": error.code.name,
        "reason": error.reason,
        "gateway_reason": f"REASON_{error.gateway_reason.name}",
        "error_type": f"ERROR_TYPE_{error.error_type.name}",
        "message": error.message,
        "messages": [
            {"id": message.id, "default_message": message.default_message, "args": list(message.args)}
            for message in error.messages
        ],
        "violations": [{"field": item.field, "description": item.description} for item in error.violations],
        "retry_delay": error.retry_delay,
        "may_have_executed": error.may_have_executed,
        "request_id": error.request_id,
        "data": error.data,
    }


def make_call(case: dict[str, Any], channel: Any) -> None:
    """Makes a call with blocking stubs."""
    method, request = resolve(case, channel)
    try:
        if not case.get("stream"):
            show("response", method(request))
            return
        stream = method(request)
        for number, message in enumerate(stream, 1):
            show("message", message)
            if number == case.get("cancel_after"):
                stream.cancel()
        show("end", {})
    except VCenterError as error:
        show("error", error_json(error))


async def make_call_aio(case: dict[str, Any], channel: Any) -> None:
    """Makes a call with the stubs of asyncio."""
    method, request = resolve(case, channel)
    call = method(request)
    number = 0
    try:
        if not case.get("stream"):
            show("response", await call)
            return
        async for message in call:
            show("message", message)
            number += 1
            if number == case.get("cancel_after"):
                call.cancel()
        show("end", {})
    except VCenterError as error:
        show("error", error_json(error))
    except asyncio.CancelledError:
        # What asyncio raises for whatever is cancelled.
        show("error", error_json(VCenterError(code=await call.code(), message=await call.details())))


def run() -> None:
    """Makes the calls with blocking stubs."""
    with connect(TARGET, credentials=CREDENTIALS, allow_plaintext_credentials=True) as channel:
        for line in sys.stdin:
            make_call(json.loads(line), channel)


async def run_aio() -> None:
    """Makes the calls with the stubs of asyncio."""
    async with aio.connect(TARGET, credentials=CREDENTIALS, allow_plaintext_credentials=True) as channel:
        while line := await asyncio.to_thread(sys.stdin.readline):
            await make_call_aio(json.loads(line), channel)


if __name__ == "__main__":
    if "--aio" in sys.argv[1:]:
        asyncio.run(run_aio())
    else:
        run()
