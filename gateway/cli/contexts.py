"""Contexts: named connections to gateways and vCenters, in the user's file.

    current: lab
    contexts:
      lab:
        target: gateway.lab.example.com:443
        ca: /home/me/lab-ca.pem
        user: me@vsphere.local
        password: keyring

The file contains no secrets: `password` and `token` name the store that holds the secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click

from gateway.cli.secret_store import remove_secret
from gateway.cli.user_files import explained, locked, user_folder, write_private

__all__ = ["OF_GATEWAY", "OF_VCENTER", "Context", "Contexts", "changed_contexts", "load_contexts"]

OF_GATEWAY = ("tls", "ca", "cert", "key")
OF_VCENTER = ("vcenter_ca_file", "vcenter_thumbprint", "vcenter_verify", "vcenter_proxy")
"""The fields of a context that are about the connection to a gateway, or to a vCenter."""

_FILE = "contexts.yaml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_SWITCHES = frozenset({"tls", "vcenter_verify"})


@dataclass(frozen=True, slots=True)
class Context:
    """How to reach one gateway, or one vCenter without a gateway, and as which caller. None means not set."""

    target: str | None = None
    vcenter: str | None = None
    tls: bool | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    vcenter_ca_file: str | None = None
    vcenter_thumbprint: str | None = None
    vcenter_verify: bool | None = None
    vcenter_proxy: str | None = None
    user: str | None = None
    token_file: str | None = None
    password: str | None = None
    """The store that holds the password of `user`."""
    token: str | None = None
    """The store that holds the bearer token."""

    @property
    def server(self) -> str:
        """The server that the context connects to."""
        return self.target or self.vcenter or ""

    @property
    def store(self) -> str | None:
        """The store that holds the context's secret."""
        return self.password or self.token

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Contexts:
    """All contexts of the user, and which of them is the current one."""

    def __init__(self, contexts: Mapping[str, Context], current: str | None) -> None:
        self._all = dict(contexts)
        self.current = current

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all))

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def get(self, name: str) -> Context:
        """Raises click.UsageError for a context that does not exist."""
        if name not in self._all:
            known = f"there are {', '.join(self)}" if self._all else "add one with `vcenter-gateway context add`"
            raise click.UsageError(f"there is no context {name!r}; {known}")
        return self._all[name]

    def put(self, name: str, context: Context) -> None:
        """Adds or replaces a context. Raises click.UsageError for a name that cannot be used."""
        if not _NAME.fullmatch(name):
            raise click.UsageError(
                f"{name!r} cannot name a context: use letters, digits and . _ - @, a letter or digit first, 64 at most"
            )
        self._all[name] = context

    def delete(self, name: str) -> None:
        """Deletes a context and its secret. Raises click.UsageError."""
        if store := self.get(name).store:
            remove_secret(store, name)
        del self._all[name]
        if self.current == name:
            self.current = None

    def save(self) -> None:
        """Writes the file. Raises click.UsageError."""
        import yaml

        content: dict[str, Any] = {"contexts": {name: self._all[name].to_dict() for name in self}}
        if self.current is not None:
            content = {"current": self.current, **content}
        write_private(user_folder() / _FILE, yaml.safe_dump(content, sort_keys=False))


@contextmanager
def changed_contexts() -> Iterator[Contexts]:
    """The contexts to change, which are saved at the end. Other processes that change them wait. Raises
    click.UsageError."""
    with locked(user_folder() / f"{_FILE}.lock"):
        contexts = load_contexts()
        yield contexts
        contexts.save()


def load_contexts() -> Contexts:
    """The contexts in the file, none if the file does not exist. Raises click.UsageError for an invalid file."""
    try:
        path = user_folder() / _FILE
    except click.UsageError:  # A user without a home directory, for example in a container, has no contexts.
        return Contexts({}, None)
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists fails in a folder that may not be entered
        return Contexts({}, None)
    from gateway.documents import DocumentError, read_bounded, read_yaml

    try:
        with explained(path, "read"):
            content = read_yaml(read_bounded(path))
        content = {} if content is None else content  # An empty file.
        contexts = {name: _read(path, name, item) for name, item in (content.get("contexts") or {}).items()}
        current = content.get("current")
    except DocumentError as error:
        raise click.UsageError(f"{path}: {error}") from None
    except (AttributeError, TypeError):
        raise click.UsageError(f"{path} does not hold contexts: it needs `contexts` with a mapping below it") from None
    if current is not None and current not in contexts:
        raise click.UsageError(f"{path}: the current context {current!r} does not exist")
    return Contexts(contexts, current)


def _read(path: Path, name: str, item: dict[str, Any]) -> Context:
    known = {entry.name for entry in fields(Context)}
    for key, value in item.items():
        if key not in known:
            raise click.UsageError(f"{path}: the context {name!r} has an unknown key {key!r}")
        if not isinstance(value, bool if key in _SWITCHES else str):
            wanted = "true or false" if key in _SWITCHES else "a text"
            raise click.UsageError(f"{path}: {key} of the context {name!r} must be {wanted}")
    context = Context(**item)
    if bool(context.target) == bool(context.vcenter):
        raise click.UsageError(f"{path}: the context {name!r} needs either target or vcenter")
    return context
