"""The obvious way to write a gateway: grpc's thread-pool server, with a requests session in each thread.

One handwritten rpc: no validation, no metrics, no log line, one error for all failures.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import grpc
import requests
from google.protobuf import json_format
from messages import CDROM_SERVICE, GetCdromRequest, GetCdromResponse

_THREADS = 64


class CdromService:
    """Calls vCenter and converts its JSON to the message."""

    def __init__(self, vcenter: str) -> None:
        self._vcenter = vcenter
        self._local = threading.local()

    def get_cdrom(self, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        path = f"/api/vcenter/vm/{quote(request.vm, safe='')}/hardware/cdrom/{quote(request.cdrom, safe='')}"
        try:
            answer = self._session().get(
                self._vcenter + path,
                headers={"vmware-api-session-id": metadata["vmware-api-session-id"]},
                timeout=60,
            )
            answer.raise_for_status()
            cdrom = answer.json()
        except requests.RequestException as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        # vCenter's enum values have no prefix.
        cdrom["type"] = f"CDROM_HOST_BUS_ADAPTER_TYPE_{cdrom['type']}"
        cdrom["state"] = f"CONNECTION_STATE_{cdrom['state']}"
        cdrom["backing"]["type"] = f"CDROM_BACKING_TYPE_{cdrom['backing']['type']}"
        return json_format.ParseDict({"cdrom": cdrom}, GetCdromResponse(), ignore_unknown_fields=True)

    def _session(self) -> requests.Session:
        """The thread's own session, because sessions are not thread-safe."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _serve(address: str, vcenter: str) -> None:
    handler = grpc.unary_unary_rpc_method_handler(
        CdromService(vcenter).get_cdrom,
        request_deserializer=GetCdromRequest.FromString,
        response_serializer=GetCdromResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(CDROM_SERVICE, {"GetCdrom": handler}),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2])
