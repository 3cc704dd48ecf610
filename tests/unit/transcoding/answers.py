"""Failed answers of vCenter, and the details of the statuses that become of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError
from gateway.transcoding import RestResponse, compile_bindings

__all__ = ["ERROR", "FILE_DETAILS", "JSON", "PROCESS_DETAILS", "answered", "content", "details"]

CONTRACT = load_contract()
BINDING = compile_bindings(CONTRACT)["vcenter.vm.guest.v1.ProcessesService/GetProcess"]
ERROR = "vapi.std.errors.v1.Error"
PROCESS_DETAILS = "vcenter.vm.guest.v1.ProcessErrorDetails"
FILE_DETAILS = "vcenter.vm.guest.filesystem.v1.FileErrorDetails"
JSON = {"content-type": "application/json"}
OF_GOOGLE = (
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.LocalizedMessage,
    error_details_pb2.RetryInfo,
)
CLASSES = {message.DESCRIPTOR.full_name: message for message in OF_GOOGLE}
CLASSES |= {name: CONTRACT.message_class(name) for name in (ERROR, PROCESS_DETAILS, FILE_DETAILS)}


def answered(status: int, body: object, headers: Mapping[str, str] = JSON) -> Failure:
    """The error of an answer that is given by its JSON or its bytes."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    with pytest.raises(GatewayError) as caught:
        BINDING.decode(RestResponse(status, headers, content))
    return caught.value.failure


def details(status: status_pb2.Status) -> dict[str, Any]:
    """The details of a status by the full name of their type."""
    found: dict[str, Message] = {}
    for detail in status.details:
        message = CLASSES[detail.TypeName()]()
        assert detail.Unpack(message)
        found[detail.TypeName()] = message
    assert len(found) == len(status.details), "a type occurs twice"
    return found


def content(message: Message) -> object:
    """A message in protobuf's own JSON, where 64-bit integers are text."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
