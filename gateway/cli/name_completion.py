"""Completes the names of machines and other resources by asking the gateway."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from gateway.cli.connection import place_of

__all__ = ["FOLDER", "MACHINE", "complete_names"]

_SECONDS = 2.0
MACHINE, FOLDER = frozenset({"VirtualMachine"}), frozenset({"Folder"})

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_names(types: frozenset[str]) -> Complete:
    """Completes the names of resources of these types, if the gateway responds quickly and no password is missing."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from gateway.cli.failure import CallError
        from gateway.cli.lookup import Lookup
        from gateway.contract import load_contract

        sys.stdin = io.StringIO()  # A prompt would appear in the middle of the command line.
        with contextlib.suppress(click.UsageError, CallError), place_of(ctx).opened() as connection:
            names = Lookup(connection, load_contract(), _SECONDS).names(types)
            return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]
        return []

    return complete
