"""The measured rpcs: as bytes for the load generator, and as a real client's call for checking the response."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.contract import load_contract
from gateway.transcoding import RestResponse, compile_bindings
from tests.bench.processes import BenchError

__all__ = ["SESSION", "Call", "make_call"]

SESSION = "5f0c3b9a7d1e4c2f8a6b0d9e3f1c7a52"
"""The session id that callers send; nginx ignores it."""

_MAX_MESSAGE = 64 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One rpc with its request and the expected response."""

    rpc: str
    """Service and rpc, for example `vcenter.v1.VmService/ListVms`."""
    request: bytes = field(repr=False)
    expected: Message = field(repr=False)

    @property
    def frame(self) -> bytes:
        """The request as sent: gRPC's five bytes (not compressed; the length) and the message."""
        return struct.pack(">BI", 0, len(self.request)) + self.request

    @property
    def answer_bytes(self) -> int:
        """The length of the response with its five bytes. An error has no message or an empty one: fewer bytes."""
        return 5 + self.expected.ByteSize()

    def check(self, address: str) -> None:
        """Makes the call with a real client. Raises BenchError unless it succeeds with exactly the expected
        response."""
        options = [("grpc.max_receive_message_length", _MAX_MESSAGE)]
        with grpc.insecure_channel(address, options) as channel:
            call = channel.unary_unary(f"/{self.rpc}", None, type(self.expected).FromString)
            try:
                answer = call(self.request, timeout=30, metadata=(("vmware-api-session-id", SESSION),))
            except grpc.RpcError as error:
                raise BenchError(f"{self.rpc} at {address} fails: {error}") from None
        if answer != self.expected:
            raise BenchError(f"{self.rpc} at {address} answers\n{answer}instead of\n{self.expected}")


def make_call(rpc: str, request: Mapping[str, Any], body: Path) -> Call:
    """The call whose REST response is in the file `body`."""
    contract = load_contract()
    binding = compile_bindings(contract)[rpc]
    message = json_format.ParseDict(dict(request), binding.request_class())
    expected = binding.decode(RestResponse(200, {"content-type": "application/json"}, body.read_bytes()))
    return Call(rpc, message.SerializeToString(), expected)
