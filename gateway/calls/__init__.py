"""One call is one value, and what is done with it are layers.

A `Call` is made once, in the server, and passed whole. An endpoint takes a call and gives a reply; a layer makes an
endpoint of another one. `gateway.vcenter.client` puts them together.
"""

from gateway.calls.call import Call, Caller
from gateway.calls.credential import Basic, Credential, SessionId, credential_in
from gateway.calls.endpoint import Layer, Reply, Stream, Unary
from gateway.calls.identity import CallerIdentity, Kind

__all__ = [
    "Basic",
    "Call",
    "Caller",
    "CallerIdentity",
    "Credential",
    "Kind",
    "Layer",
    "Reply",
    "SessionId",
    "Stream",
    "Unary",
    "credential_in",
]
