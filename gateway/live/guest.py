"""The guest of one call: vCenter's operations in it, with the account that the call names, and its files."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, Exchanged
from gateway.live.rest_calls import RestCalls
from gateway.live.vim_objects import Opened, machine, read
from gateway.vcenter.client import VCenter
from gateway.vcenter.failures import TransportError

__all__ = ["Guest", "GuestTools"]

_GUEST = "vcenter.vm.guest.v1"
_FILES = "vcenter.vm.guest.filesystem.v1"


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One direction of a transfer, with its name in events and errors."""

    operation: str
    is_read_only: bool = True
    """Whatever happens to the file during the transfer, it is moved to its place only if it is complete."""
    task_form: str = ""


_GET, _PUT = _Transfer("GET /guestFile"), _Transfer("PUT /guestFile")


@dataclass(frozen=True, slots=True)
class GuestTools:
    """What operating guests requires."""

    calls: RestCalls
    vim: Opened
    vcenter: VCenter
    events: Events


class Guest:
    """One virtual machine's guest, with one of its accounts, on behalf of a call."""

    def __init__(self, tools: GuestTools, call: Call, vm: str, credentials: Any) -> None:
        self._tools = tools
        self._call = call
        self._vm = vm
        self._credentials = credentials

    def on(self, call: Call) -> Guest:
        """The same guest for another call."""
        return Guest(self._tools, call, self._vm, self._credentials)

    async def do(self, rpc: str, **fields: Any) -> Any:
        """The response of an rpc of `vcenter.vm.guest.v1`, for example `ProcessesService/GetProcess`. Raises
        GatewayError."""
        name = f"{_GUEST if rpc.startswith('ProcessesService') else _FILES}.{rpc}"
        calls = self._tools.calls
        request = calls.new(name, vm=self._vm, credentials=self._credentials, **fields)
        return await calls.on_behalf_of(self._call, name, request)

    async def write(self, path: str, size: int, chunks: AsyncIterator[bytes], attributes: dict[str, Any]) -> None:
        """Writes a new file. Raises GatewayError, and exceptions of `chunks`; the file may then exist partially."""
        spec = {"path": path, "attributes": {"size": size, "overwrite": False, **attributes}}
        url = await self._url(spec)
        vcenter, started = self._tools.vcenter, time.perf_counter()
        try:
            answered = await vcenter.files.upload(url, size, chunks, self.host_certificate)
        except TransportError as error:
            self._told(_PUT, error.reason, started)
            raise GatewayError(error.failure(_PUT)) from None
        self._told(_PUT, answered.status, started)
        if not answered.is_success:
            raise GatewayError(vcenter.file_failure(_PUT.operation, answered))

    @contextlib.asynccontextmanager
    async def reading(self, path: str, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """The content of a file after `offset`, in chunks. Raises GatewayError, also between the chunks."""
        url = await self._url({"path": path})
        vcenter, started = self._tools.vcenter, time.perf_counter()
        try:
            async with vcenter.files.download(url, offset, self.host_certificate) as download:
                if not download.answered.is_success:
                    self._told(_GET, download.answered.status, started)
                    raise GatewayError(vcenter.file_failure(_GET.operation, download.answered))
                yield download.chunks
        except TransportError as error:
            self._told(_GET, error.reason, started)
            raise GatewayError(error.failure(_GET)) from None
        self._told(_GET, download.answered.status, started)

    async def host_certificate(self) -> bytes | None:
        """The certificate of the machine's host, in DER form, if vCenter reports it."""
        try:
            client = self._tools.vim(self._call)
            host = (await read(client, machine(self._vm), "runtime.host")).get("runtime.host")
            if host is None:
                return None
            found = (await read(client, host, "config.certificate")).get("config.certificate")
        except GatewayError:
            return None
        return _der(bytes(number % 256 for number in found)) if found else None

    async def _url(self, spec: dict[str, Any]) -> str:
        try:
            answer = await self.do("TransfersService/CreateTransfer", spec=spec)
        except GatewayError as error:
            # A URL that nobody uses changes nothing in the guest.
            raise GatewayError(error.failure.without_doubt()) from None
        if not answer.url.startswith(("https://", "http://")):
            text = "vCenter returned no URL for the file"
            raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
        return str(answer.url)

    def _told(self, transfer: _Transfer, outcome: int | str, started: float) -> None:
        # A host's certificate says nothing about vCenter's own, which the health of vCenter depends on.
        if outcome != Reason.VCENTER_CERTIFICATE_INVALID:
            seconds = time.perf_counter() - started
            self._tools.events.exchanged(Exchanged(transfer.operation, outcome, seconds, self._call))


def _der(pem: bytes) -> bytes | None:
    """The first certificate of a file in PEM format."""
    _, _, rest = pem.partition(b"-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition(b"-----END CERTIFICATE-----")
    try:
        return base64.b64decode(body) if end else None
    except ValueError:
        return None
