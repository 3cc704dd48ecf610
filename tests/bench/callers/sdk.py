"""The official SDK's client for CD-ROMs, and vCenter's response to it: the SDK uses JSON-RPC, not REST."""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
from com.vmware.vcenter.vm.hardware_client import Cdrom, ConnectionState, SataAddressInfo
from vmware.vapi.core import MethodResult
from vmware.vapi.data.serializers.jsonrpc import VAPIJsonEncoder
from vmware.vapi.lib.connect import get_requests_connector
from vmware.vapi.security.client.security_context_filter import LegacySecurityContextFilter
from vmware.vapi.security.session import create_session_security_context
from vmware.vapi.stdlib.client.factories import StubConfigurationFactory

__all__ = ["cdrom_stub"]


def cdrom_stub(url: str, session: str) -> Cdrom:
    """The SDK's stub, created as by its own VsphereClient, which insists on https."""
    security = LegacySecurityContextFilter(security_context=create_session_security_context(session))
    connector = get_requests_connector(session=requests.Session(), url=f"{url}/api", provider_filter_chain=[security])
    return Cdrom(StubConfigurationFactory.new_std_configuration(connector))


def _answer(body: dict[str, Any]) -> str:
    """The JSON-RPC result for a CD-ROM, from the REST result."""
    backing = Cdrom.BackingInfo(type=body["backing"]["type"], iso_file=body["backing"]["iso_file"])
    info = Cdrom.Info(
        type=body["type"],
        label=body["label"],
        sata=SataAddressInfo(bus=body["sata"]["bus"], unit=body["sata"]["unit"]),
        backing=backing,
        state=ConnectionState(body["state"]),
        start_connected=body["start_connected"],
        allow_guest_control=body["allow_guest_control"],
    )
    return json.dumps(MethodResult(output=info.get_struct_value()), cls=VAPIJsonEncoder)


if __name__ == "__main__":
    sys.stdout.write(_answer(json.load(sys.stdin)))
