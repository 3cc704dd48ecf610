"""A server that a command calls: how it is reached, the caller's identity, and the connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.address import DEFAULT_LISTEN
from gateway.cli.contexts import Context
from gateway.cli.secret_store import fetch_secret

if TYPE_CHECKING:
    from gateway.calls.credential import Credential
    from gateway.cli.credentials import Bearer
    from gateway.cli.target import Connection, Tls

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A server, how to reach it, and the caller's identity."""

    settings: Context
    """The values from the options, the environment and the context. The secret is in `secret`."""
    context: str = ""
    """Name of the context that the values come from, empty if there is none."""
    password_file: Path | None = None
    session_id: str | None = field(default=None, repr=False)
    is_explicit: bool = True
    """Whether the user named the server, instead of relying on the default."""

    @property
    def target(self) -> str:
        return self.settings.target or DEFAULT_LISTEN

    @property
    def vcenter(self) -> str | None:
        return self.settings.vcenter

    def credential(self) -> Credential | None:
        """The credential for vCenter, None if none was given. Prompts for a missing password. Raises
        click.UsageError."""
        from gateway.calls.credential import Basic
        from gateway.cli.credentials import read_credential

        settings = self.settings
        if settings.password is not None and settings.user and self.password_file is None:
            return Basic(settings.user, fetch_secret(settings.password, self.context))
        return read_credential(settings.user, self.password_file, self.session_id)

    def caller(self) -> Credential | Bearer | None:
        """What authenticates the caller to a gateway. Raises click.UsageError."""
        from gateway.cli.credentials import Bearer, read_token

        settings = self.settings
        if settings.token_file:
            if settings.user or self.session_id:
                raise click.UsageError("--token-file, --user and --session-id exclude each other")
            return read_token(Path(settings.token_file))
        if settings.token is not None:
            return Bearer(fetch_secret(settings.token, self.context))
        return self.credential()

    def tls(self) -> Tls | None:
        """TLS for the gateway, None for plain text. Raises click.UsageError."""
        from gateway.cli.target import Tls

        settings = self.settings
        ca, cert, key = (Path(path) if path else None for path in (settings.ca, settings.cert, settings.key))
        return Tls.choose(self.target, settings.tls, ca, cert, key)

    @contextlib.contextmanager
    def opened(self, metadata: tuple[tuple[str, str], ...] = ()) -> Iterator[Connection]:
        """A connection to the server; `metadata` is sent to a gateway in addition to the caller's. Raises
        click.UsageError."""
        from gateway.contract import load_contract

        if self.vcenter is None:
            from gateway.cli.target import connected

            with connected(self.target, self.tls(), self.caller(), load_contract(), metadata) as connection:
                yield connection
            return
        from gateway.cli.direct import connected_to_vcenter, vcenter_options

        options = vcenter_options(self.settings)
        credential = self.credential()
        if credential is None:
            raise click.UsageError("vCenter wants to know who calls: give --user NAME, or --session-id ID")
        with connected_to_vcenter(options, credential, load_contract()) as connection:
            yield connection
