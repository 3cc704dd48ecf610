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

import grpc
from google.protobuf import json_format

from vcenter_gateway_client import Credentials, VCenterError, aio, connect

TARGET = os.environ["GATEWAY_TARGET"]
CREDENTIALS = Credentials.basic(os.environ["GATEWAY_USER"], os.environ["GATEWAY_PASSWORD"])


def resolve(case: dict[str, Any], channel: Any) -> tuple[Any, Any]:
    """The stub's method that a case calls, and the request."""
    name, _, method = case["rpc"].partition("/")
    package, _, service = name.rpartition(".")
    module = f"{package}.{re.sub('(?<!^)(?=[A-Z])', '_', service).lower()}_pb2"
    stub = getattr(importlib.import_module(f"{module}_grpc"), f"{service}Stub")(channel)
    request = getattr(importlib.import_module(module), f"{method}Request")()
    return getattr(stub, method), json_format.ParseDict(case["request"], request)


def response_json(response: Any) -> dict[str, Any]:
    """What a runner prints of an answer."""
    return {"response": json_format.MessageToDict(response)}


def error_json(rpc_error: grpc.RpcError) -> dict[str, Any]:
    """What a runner prints of an error."""
    error = VCenterError.from_rpc_error(rpc_error)
    return {
        "error": {
            "code": error.code.name,
            "reason": error.reason,
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
    }


def run() -> None:
    """Makes the calls with blocking stubs."""
    with connect(TARGET, credentials=CREDENTIALS, allow_plaintext_credentials=True) as channel:
        for line in sys.stdin:
            method, request = resolve(json.loads(line), channel)
            try:
                answer = response_json(method(request))
            except grpc.RpcError as error:
                answer = error_json(error)
            print(json.dumps(answer), flush=True)


async def run_aio() -> None:
    """Makes the calls with the stubs of asyncio."""
    async with aio.connect(TARGET, credentials=CREDENTIALS, allow_plaintext_credentials=True) as channel:
        while line := await asyncio.to_thread(sys.stdin.readline):
            method, request = resolve(json.loads(line), channel)
            try:
                answer = response_json(await method(request))
            except grpc.RpcError as error:
                answer = error_json(error)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if "--aio" in sys.argv[1:]:
        asyncio.run(run_aio())
    else:
        run()
