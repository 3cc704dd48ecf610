"""What the commands for guests share: their options, and how they call the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gateway.cli.credentials import credential_options, read_credential, read_guest_password, read_token
from gateway.cli.target import Talk, Tls, talking_to_gateway
from gateway.contract import load_contract
from gateway.settings import ServerSettings
from gateway.transcoding import Binding, compile_bindings

__all__ = ["Session", "guest_options", "opened"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SERVICE = "vcenter.gateway.v1.GuestService"


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to a gateway, and an account of a guest."""

    talk: Talk
    credentials: dict[str, Any]

    def messages(self, rpc: str, requests: Iterable[Any]) -> Iterator[Any]:
        """The responses of an rpc of `GuestService`. Raises CallError."""
        return self.talk(self.binding(rpc), requests, None)

    def request(self, rpc: str, **fields: Any) -> Any:
        """A request of the rpc."""
        return self.binding(rpc).request_class(**fields)

    @staticmethod
    def binding(rpc: str) -> Binding:
        return compile_bindings(load_contract())[f"{_SERVICE}/{rpc}"]


def guest_options(function: Any) -> Any:
    """Adds the options that tell the gateway, who calls it, and the account of the guest."""
    for option in (
        click.option("--key", type=_FILE, metavar="FILE", help="Key of the own certificate."),
        click.option("--cert", type=_FILE, metavar="FILE", help="Own certificate, for a gateway that asks for one."),
        click.option("--ca", type=_FILE, metavar="FILE", help="Authorities to trust that a gateway is genuine."),
        click.option(
            "--tls/--plaintext",
            default=None,
            help="How to talk to the gateway. Plain text on a loopback address, else TLS.",
        ),
        click.option(
            "--token-file",
            type=_FILE,
            metavar="FILE",
            help="Proves to a gateway with a service account who calls, by the bearer token in this file.",
        ),
        credential_options,
        click.option(
            "--target",
            metavar="HOST:PORT",
            default=ServerSettings().listen,
            show_default=True,
            envvar="VCENTER_GATEWAY",
            help="The gateway. Also the variable VCENTER_GATEWAY.",
        ),
        click.option(
            "--guest-password-file",
            type=_FILE,
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
def opened(
    *,
    guest_user: str,
    guest_password_file: Path | None,
    target: str,
    user: str | None,
    password_file: Path | None,
    session_id: str | None,
    token_file: Path | None,
    tls: bool | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
) -> Iterator[Session]:
    """The connection that the options describe. Raises click.UsageError."""
    credential = read_credential(user, password_file, session_id)
    if token_file and credential is not None:
        raise click.UsageError("--token-file, --user and --session-id exclude each other")
    caller = read_token(token_file) if token_file else credential
    chosen = Tls.choose(target, tls, ca, cert, key)
    credentials = {
        "interactive_session": False,
        "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
        "user_name": guest_user,
        "password": read_guest_password(guest_user, guest_password_file),
    }
    with talking_to_gateway(target, chosen, caller, load_contract()) as talk:
        yield Session(talk, credentials)
