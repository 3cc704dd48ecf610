"""Client of the vCenter gRPC gateway: connections, credentials, and typed errors.

    from vcenter.v1.vm_service_pb2 import ListVmsRequest
    from vcenter.v1.vm_service_pb2_grpc import VmServiceStub

    from vcenter_gateway_client import Credentials, Tls, VCenterError, connect

    credentials = Credentials.basic("administrator@vsphere.local", password)
    with connect("gateway.example.com:50051", tls=Tls(), credentials=credentials) as channel:
        try:
            vms = VmServiceStub(channel).ListVms(ListVmsRequest()).vms
        except VCenterError as error:
            print(error.reason)

`aio.connect` does the same for asyncio. Streams are iterables and fail with the same error. The stubs and messages of
all services are in `vcenter`, and vCenter's standard errors are in `vapi`, with the package and type names of the
protos.
"""

from __future__ import annotations

from vcenter_gateway_client import aio
from vcenter_gateway_client._connect import connect
from vcenter_gateway_client._credentials import Credentials
from vcenter_gateway_client._enums import ErrorType, Reason
from vcenter_gateway_client._error import FieldViolation, VCenterError
from vcenter_gateway_client._redact import redact
from vcenter_gateway_client._transport import Tls

__all__ = [
    "Credentials",
    "ErrorType",
    "FieldViolation",
    "Reason",
    "Tls",
    "VCenterError",
    "__version__",
    "aio",
    "connect",
    "redact",
]

__version__ = "0.2.0"
