"""What the guest commands share: their options, and how they call the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.connection import FILE, connection_options
from gateway.cli.name_completion import MACHINE
from gateway.cli.place import Place

if TYPE_CHECKING:
    from gateway.cli.target import Connection
    from gateway.contract import Contract, Method

__all__ = ["Session", "guest_options", "opened"]

_SERVICE = "vcenter.gateway.v1.GuestService"


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to a gateway, and an account in a guest."""

    connection: Connection
    contract: Contract
    credentials: dict[str, Any]
    vm: str
    """Identifier of the machine."""

    def messages(self, rpc: str, requests: Iterable[Any]) -> Iterator[Any]:
        """The responses of an rpc of `GuestService`. Raises CallError."""
        with contextlib.closing(self.connection(self._method(rpc), requests)) as answers:
            for answer in answers:
                if answer.message is not None:
                    yield answer.message

    def request(self, rpc: str, **fields: Any) -> Any:
        """A request of the rpc."""
        return self.contract.message_class(self._method(rpc).input_type)(**fields)

    def _method(self, rpc: str) -> Method:
        return self.contract.methods[f"{_SERVICE}/{rpc}"]


def guest_options(function: Any) -> Any:
    """Adds the options for the gateway, the caller, and the account in the guest."""
    for option in (
        connection_options(),
        click.option(
            "--guest-password-file",
            type=FILE,
            metavar="FILE",
            help="Reads the password of --guest-user here, instead of from VCENTER_GUEST_PASSWORD or the terminal.",
        ),
        click.option(
            "--guest-user",
            required=True,
            envvar="VCENTER_GUEST_USER",
            metavar="NAME",
            help="Account of the guest. Also the variable VCENTER_GUEST_USER.",
        ),
    ):
        function = option(function)
    return function


@contextlib.contextmanager
def opened(vm: str, place: Place, guest_user: str, guest_password_file: Path | None) -> Iterator[Session]:
    """The connection that the options describe, to the machine with this name or identifier. Raises click.UsageError
    and CallError."""
    from gateway.cli.credentials import read_guest_password
    from gateway.cli.lookup import Lookup
    from gateway.contract import load_contract

    credentials = {
        "interactive_session": False,
        "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
        "user_name": guest_user,
        "password": read_guest_password(guest_user, guest_password_file),
    }
    contract = load_contract()
    with place.opened() as connection:
        yield Session(connection, contract, credentials, Lookup(connection, contract).identifier(vm, MACHINE, "VM"))
