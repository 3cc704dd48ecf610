"""Works in the guest operating system: waits for its address, runs a program, copies files."""

from __future__ import annotations

import ssl
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import grpc
from vcenter.vm.guest.filesystem.v1 import transfers_service_pb2 as transfers_pb2
from vcenter.vm.guest.filesystem.v1.transfers_service_pb2_grpc import TransfersServiceStub
from vcenter.vm.guest.v1 import customization_service_pb2 as custom_pb2
from vcenter.vm.guest.v1 import processes_service_pb2 as processes_pb2
from vcenter.vm.guest.v1.common_pb2 import CREDENTIALS_TYPE_USERNAME_PASSWORD, Credentials
from vcenter.vm.guest.v1.customization_service_pb2_grpc import CustomizationServiceStub
from vcenter.vm.guest.v1.identity_service_pb2 import GetIdentityRequest
from vcenter.vm.guest.v1.identity_service_pb2_grpc import IdentityServiceStub
from vcenter.vm.guest.v1.processes_service_pb2_grpc import ProcessesServiceStub
from vcenter_gateway_client import ErrorType, VCenterError
from waiting import Patience, Problem

__all__ = ["Account", "Web", "download", "run_program", "upload", "wait_for_address"]


@dataclass(frozen=True)
class Account:
    """An account of the guest."""

    user: str
    password: str = field(repr=False)

    @property
    def credentials(self) -> Credentials:
        """The account as requests carry it."""
        return Credentials(
            type=CREDENTIALS_TYPE_USERNAME_PASSWORD,
            user_name=self.user,
            password=self.password,
            interactive_session=False,
        )


@dataclass(frozen=True)
class Web:
    """How to reach the URLs of transfers, which lead past the gateway to the hosts."""

    host: str = ""
    """Takes the place of a host whose name is `*`."""
    ca_file: str | None = None
    """Authorities to trust instead of the system's."""
    seconds: float = 60


def wait_for_address(channel: grpc.Channel, patience: Patience, vm: str) -> str:
    """Waits until the guest is customized and has an address, and returns the address.

    Before the customization ends, the guest may still report the address of its template.
    """
    customizations, identities = CustomizationServiceStub(channel), IdentityServiceStub(channel)

    def customized() -> bool | None:
        request = custom_pb2.GetCustomizationRequest(vm=vm)
        info = customizations.GetCustomization(request).customization
        if info.status == custom_pb2.CUSTOMIZATION_STATUS_FAILED:
            raise Problem(f"the customization failed: {info.error}")
        return info.status == custom_pb2.CUSTOMIZATION_STATUS_SUCCEEDED or None

    def address() -> str | None:
        try:
            return identities.GetIdentity(GetIdentityRequest(vm=vm)).identity.ip_address or None
        except VCenterError as error:
            if error.error_type is not ErrorType.SERVICE_UNAVAILABLE:
                raise
            return None  # VMware Tools have nothing to report yet.

    patience.until("the customization", customized)
    return patience.until("the guest's address", address)


# [docs: program]
def run_program(channel: grpc.Channel, patience: Patience, vm: str, account: Account, path: str) -> None:
    """Runs a program in the guest and waits for its end. Raises Problem unless it exits with 0."""
    processes = ProcessesServiceStub(channel)
    spec = processes_pb2.ProcessesCreateSpec(path=path, working_directory="/tmp")  # noqa: S108 - in the guest
    start = processes_pb2.CreateProcessRequest(vm=vm, credentials=account.credentials, spec=spec)
    pid = patience.while_busy(processes.CreateProcess, start).pid

    def ended() -> processes_pb2.ProcessesInfo | None:
        request = processes_pb2.GetProcessRequest(vm=vm, pid=pid, credentials=account.credentials)
        info = processes.GetProcess(request).process
        return info if info.HasField("finished") else None

    code = patience.until(path, ended).exit_code
    if code != 0:
        raise Problem(f"{path} exited with {code}")


# [docs: end]


def upload(
    channel: grpc.Channel, web: Web, vm: str, account: Account, path: str, content: bytes, permissions: str
) -> None:
    """Copies a file into the guest. Replaces none that is there."""
    attributes = transfers_pb2.TransfersFileCreationAttributes(
        size=len(content), posix=transfers_pb2.TransfersPosixFileAttributesCreateSpec(permissions=permissions)
    )
    url = _transfer(channel, vm, account, transfers_pb2.TransfersCreateSpec(path=path, attributes=attributes))
    _request(web, url, content)


def download(channel: grpc.Channel, web: Web, vm: str, account: Account, path: str) -> bytes:
    """Copies a file out of the guest, and returns its content."""
    return _request(web, _transfer(channel, vm, account, transfers_pb2.TransfersCreateSpec(path=path)), None)


def _transfer(channel: grpc.Channel, vm: str, account: Account, spec: transfers_pb2.TransfersCreateSpec) -> str:
    request = transfers_pb2.CreateTransferRequest(vm=vm, credentials=account.credentials, spec=spec)
    return TransfersServiceStub(channel).CreateTransfer(request).url


def _request(web: Web, url: str, content: bytes | None) -> bytes:
    """Sends the one request that a URL is for. The URL is a secret, and is in no message."""
    parts = urlsplit(url)
    if parts.hostname == "*":
        parts = parts._replace(netloc=parts.netloc.replace("*", web.host))
    request = urllib.request.Request(  # noqa: S310 - vCenter says where the file is
        urlunsplit(parts),
        data=content,
        headers={"Content-Type": "application/octet-stream"},
        method="GET" if content is None else "PUT",
    )
    context = ssl.create_default_context(cafile=web.ca_file)
    try:
        with urllib.request.urlopen(request, timeout=web.seconds, context=context) as response:  # noqa: S310
            body: bytes = response.read()
            return body
    except OSError as error:
        raise Problem(f"the transfer failed: {error}") from None
