"""Translation between gRPC messages and vCenter's REST calls, without any I/O.

Everything is compiled once from the contract: `compile_bindings` returns one binding for each rpc, which encodes a
request message into a REST call and decodes the response into a response message or a failure.
"""

from gateway.transcoding.binding import Binding, NewerRequest, RestRequest, RestResponse, compile_bindings

__all__ = [
    "Binding",
    "NewerRequest",
    "RestRequest",
    "RestResponse",
    "compile_bindings",
]
