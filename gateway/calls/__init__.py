"""One call is one value, and what is done with it are layers.

A `Call` is made once, in the server, and passed whole. An endpoint takes a call and gives a reply; a layer makes an
endpoint of another one. `gateway.vcenter.client` composes those on the way to vCenter, `gateway.server` those around
them: shared reads, and admission.
"""

from gateway.calls.call import Call, Caller
from gateway.calls.endpoint import Layer, Reply, Stream, Unary
from gateway.calls.identity import CallerIdentity, Kind

__all__ = ["Call", "Caller", "CallerIdentity", "Kind", "Layer", "Reply", "Stream", "Unary"]
