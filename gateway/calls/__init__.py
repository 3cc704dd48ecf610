"""A call is one value, and layers process it.

The server creates a `Call` once and passes it as a whole. An endpoint accepts a call and returns a reply; a layer turns
one endpoint into another. `gateway.vcenter.client` combines them.
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
