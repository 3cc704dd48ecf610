"""Further metadata of a call, as `--metadata` takes it. No message repeats a value, which may be a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from gateway.vcenter.credential import SESSION_HEADER

__all__ = ["read_metadata"]

# What gRPC takes, less what is gRPC's own (grpc-...) and what is no text (...-bin).
_NAME = re.compile(r"(?!grpc-)[a-z0-9_.-]+(?<!-bin)")
_INSTEAD = {"authorization": "--user or --token-file", SESSION_HEADER: "the variable VCENTER_SESSION_ID"}


def read_metadata(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Names and values of texts such as `cache-control: max-age=5`. Raises click.UsageError."""
    fields = []
    for text in texts:
        name, colon, value = (part.strip() for part in text.partition(":"))
        name = name.lower()
        if not colon or not _NAME.fullmatch(name):
            raise click.UsageError(
                "--metadata takes NAME: VALUE, for instance 'cache-control: max-age=5'; gRPC's own names (grpc-...) "
                "and those of binary values (...-bin) are not taken"
            )
        if name in _INSTEAD:
            raise click.UsageError(
                f"{name} is a secret, and other users of this machine can see the command line: give it by "
                f"{_INSTEAD[name]}"
            )
        if not (value.isascii() and value.isprintable()):
            raise click.UsageError(f"the value of {name} in --metadata must be printable ASCII characters")
        fields.append((name, value))
    return tuple(fields)
