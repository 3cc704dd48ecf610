"""com.vmware.vcenter.host: adding ESXi hosts, connecting, disconnecting and removing them.

Added hosts are made up: every name is valid, with the account `root` and the password `VMware1!`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.hosts import add_host, remove_host
from gateway.simulator.listing import listed
from gateway.simulator.places import Host
from gateway.simulator.registry import Call, Json, operation

__all__ = ["MOST", "connect", "create", "delete", "disconnect", "list_hosts"]

_SERVICE = "com.vmware.vcenter.host"

MOST = 2500
"""Maximum number of hosts in a list."""

_ACCOUNT = "root"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,253}[A-Za-z0-9])?")
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}")
_PEM = "-----BEGIN CERTIFICATE-----"

# The spellings of clients: JSON's or Python's.
_TRUE, _FALSE = ("true", "True"), ("false", "False")

_FILTERS: Mapping[str, Callable[[Host], Collection[str | None]]] = {
    "hosts": lambda host: [host.host],
    "names": lambda host: [host.name],
    "folders": lambda host: [host.folder],
    "datacenters": lambda host: [host.datacenter],
    "standalone": lambda host: _TRUE if host.cluster is None else _FALSE,
    "clusters": lambda host: [host.cluster],
    "connection_states": lambda host: [host.connection_state],
}


def _host(call: Call) -> Host:
    host = call.inventory.places.hosts.get(call.path["host"])
    if host is None:
        raise errors.not_found("host", call.path["host"])
    return host


@operation(_SERVICE, "list")
def list_hosts(call: Call) -> Json:
    """The hosts that pass every filter."""
    hosts = call.inventory.places.hosts.values()
    enumerations = {"connection_states": "VcenterHostConnectionState"}
    return [_summary(host) for host in listed(call, hosts, _FILTERS, kind="host", most=MOST, enumerations=enumerations)]


def _summary(host: Host) -> dict[str, Any]:
    summary = {"host": host.host, "name": host.name, "connection_state": host.connection_state, "host_uuid": host.uuid}
    if host.connection_state == "CONNECTED":
        summary["power_state"] = host.power_state
    return summary


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds a connected, standalone host; returns its identifier."""
    places, spec = call.inventory.places, call.spec
    name = spec["hostname"]
    if not _NAME.fullmatch(name):
        raise errors.invalid_argument("com.vmware.api.vcenter.host.invalid_name", "Host name '{0}' is invalid.", name)
    _check_trust(spec)
    identifier = spec.get("folder")
    if identifier is None:
        text = "A folder of hosts must be specified."
        raise errors.invalid_argument("com.vmware.api.vcenter.host.folder_required", text)
    folder = places.folders.get(identifier)
    if folder is None:
        raise errors.not_found("folder", identifier)
    if folder.type != "HOST":
        text = "Folder {0} cannot contain hosts."
        raise errors.of_type("INVALID_ELEMENT_TYPE", "com.vmware.api.vcenter.host.folder_type", text, identifier)
    if any(host.name == name for host in places.hosts.values()):
        text = "The host {0} has already been added to vCenter."
        raise errors.of_type("ALREADY_EXISTS", "vmsg.AlreadyConnected.summary", text, name)
    if (spec["user_name"], spec["password"]) != (_ACCOUNT, places.host_password):
        text = "Cannot complete login due to an incorrect user name or password."
        raise errors.unauthenticated("vmsg.InvalidLogin.summary", text)
    if name in places.unsupported_hosts:
        raise errors.unsupported("vmsg.NotSupportedHost.summary", "The version of host {0} is not supported.", name)
    if name in places.hosts_of_others and not spec.get("force_add"):
        text = "The host {0} is managed by another vCenter Server."
        raise errors.resource_in_use("vmsg.AlreadyBeingManaged.summary", text, name)
    if len(places.hosts) >= places.host_licenses:
        text = "There are not enough licenses for another host."
        raise errors.unable_to_allocate("vmsg.NotEnoughLicenses.summary", text)
    return add_host(call.inventory, name, folder).host


def _check_trust(spec: Mapping[str, Any]) -> None:
    """Validates the form of the thumbprint or certificate to compare with."""
    thumbprint, certificate = spec.get("thumbprint"), spec.get("ssl_certificate")
    if thumbprint is not None and not _THUMBPRINT.fullmatch(thumbprint):
        text = "The thumbprint is not the SHA-1 hash of a certificate."
        raise errors.invalid_argument("com.vmware.api.vcenter.host.invalid_thumbprint", text)
    if certificate is not None and not certificate.lstrip().startswith(_PEM):
        text = "The certificate is not in PEM format."
        raise errors.invalid_argument("com.vmware.api.vcenter.host.invalid_certificate", text)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a standalone host, with its machines."""
    host = _host(call)
    if host.cluster is not None:
        text = "Host {0} is in cluster {1}."
        raise errors.resource_in_use("com.vmware.api.vcenter.host.in_cluster", text, host.host, host.cluster)
    remove_host(call.inventory, host)


@operation(_SERVICE, "connect")
def connect(call: Call) -> None:
    """Connects a host that is disconnected or not responding."""
    host = _host(call)
    if host.connection_state == "CONNECTED":
        text = "Host {0} is already connected."
        raise errors.already_in_desired_state("com.vmware.api.vcenter.host.connected", text, host.host)
    host.connection_state = "CONNECTED"


@operation(_SERVICE, "disconnect")
def disconnect(call: Call) -> None:
    """Disconnects a host; its machines keep running."""
    host = _host(call)
    if host.connection_state == "DISCONNECTED":
        text = "Host {0} is already disconnected."
        raise errors.already_in_desired_state("com.vmware.api.vcenter.host.disconnected", text, host.host)
    host.connection_state = "DISCONNECTED"
