"""Transfers of files into and out of guests: their URLs, and what happens when these are requested.

A URL is valid for ten minutes, and for one successful request. It is bound to the machine's state: if the machine was
powered off, suspended or moved to another host since, the URL is no longer valid. It needs no session.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from gateway.simulator import errors
from gateway.simulator.exchange import Request, Response, failure_response, text_response
from gateway.simulator.guest_accounts import Account
from gateway.simulator.guest_files import new_node, place, require_readable, set_attributes
from gateway.simulator.machine import VirtualMachine

__all__ = ["PATH", "Transfer", "Transfers", "transfer_file", "without_token"]

PATH = "/guestFile"
_VALID = timedelta(minutes=10)
_MODE = 0o644


@dataclass(slots=True)
class Transfer:
    """A pending transfer; with `attributes`, into the guest."""

    number: int
    token: str = field(repr=False)
    machine: VirtualMachine
    account: Account
    path: str
    attributes: Mapping[str, Any] | None
    expires: datetime
    host: str
    changes: int
    """How often the power state of the guest had changed."""

    def is_valid(self, machine: VirtualMachine | None, now: datetime) -> bool:
        """Whether it has not expired, and the machine still exists and has been running since."""
        return (
            now < self.expires
            and machine is self.machine
            and machine.placement.host == self.host
            and machine.guest.changes == self.changes
            and machine.guest.tools_running(now)
        )


class Transfers:
    """All prepared transfers. `secure` is whether the URLs begin with https."""

    def __init__(self, *, secure: bool = True) -> None:
        self.secure = secure
        self._numbers = count(1)
        self._prepared: dict[str, Transfer] = {}

    def __len__(self) -> int:
        return len(self._prepared)

    def prepare(
        self,
        machine: VirtualMachine,
        account: Account,
        path: str,
        attributes: Mapping[str, Any] | None,
        now: datetime,
        origin: str,
    ) -> str:
        """Prepares a transfer and returns its URL below that origin."""
        self._prepared = {key: item for key, item in self._prepared.items() if now < item.expires}
        transfer = Transfer(
            next(self._numbers),
            secrets.token_hex(20),
            machine,
            account,
            path,
            attributes,
            now + _VALID,
            machine.placement.host,
            machine.guest.changes,
        )
        self._prepared[transfer.token] = transfer
        return f"{origin}{PATH}?id={transfer.number}&token={transfer.token}"

    def find(self, request: Request, machines: Mapping[str, VirtualMachine], now: datetime) -> Transfer | Response:
        """The transfer for a request, or the response that rejects it."""
        query = parse_qs(request.target.partition("?")[2])
        transfer = self._prepared.get(query.get("token", [""])[0])
        if transfer is None or query.get("id") != [str(transfer.number)]:
            return text_response(HTTPStatus.NOT_FOUND)
        if not transfer.is_valid(machines.get(transfer.machine.vm), now):
            self.finish(transfer)
            return text_response(HTTPStatus.NOT_FOUND)
        if request.method != ("GET" if transfer.attributes is None else "PUT"):
            return text_response(HTTPStatus.METHOD_NOT_ALLOWED)
        if transfer.attributes is not None and len(request.body) != transfer.attributes["size"]:
            return text_response(HTTPStatus.BAD_REQUEST)
        return transfer

    def finish(self, transfer: Transfer) -> None:
        """Makes the URL invalid: the transfer has happened, or can no longer happen."""
        self._prepared.pop(transfer.token, None)


def transfer_file(
    transfers: Transfers, machines: Mapping[str, VirtualMachine], request: Request, now: datetime
) -> Response:
    """Handles a request to such a URL: returns the content of a file, or stores it."""
    found = transfers.find(request, machines, now)
    if isinstance(found, Response):
        return found
    try:
        content = _read(found, now) if found.attributes is None else _store(found, request.body, now)
    except errors.VapiError as failure:
        return failure_response(failure)
    transfers.finish(found)
    return Response(HTTPStatus.OK, content, "application/octet-stream", executed=True)


def without_token(target: str) -> str:
    """The target of a request for display: the token alone grants access."""
    return target.partition("&token=")[0] if target.startswith(f"{PATH}?") else target


def _read(transfer: Transfer, now: datetime) -> bytes:
    guest = transfer.machine.guest
    require_readable(guest, transfer.account, transfer.path)
    node = guest.files.find(transfer.account, transfer.path)
    node.accessed = now
    return node.content


def _store(transfer: Transfer, content: bytes, now: datetime) -> bytes:
    """Creates the file, then sets its attributes."""
    guest, attributes = transfer.machine.guest, transfer.attributes or {}
    node = new_node(guest, transfer.account, transfer.path, "FILE", now, _MODE)
    node.content = content
    place(guest, transfer.account, transfer.path, node, overwrite=bool(attributes.get("overwrite")))
    set_attributes(node, attributes)
    return b""
