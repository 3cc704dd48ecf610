"""The names of rpcs as people type them: found by suffix, suggested if misspelled, completed in the shell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import click
from click.shell_completion import CompletionItem

__all__ = ["RpcName", "completions", "find_name", "resolve_rpc"]


class RpcName(click.ParamType[str]):
    """An argument that names an rpc. `resolve_rpc` looks it up."""

    name = "rpc"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return "Name an rpc, for example ListVms; `vcenter-gateway routes` lists all."

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The rpcs that begin with the typed text: by their full names, otherwise by their unambiguous suffixes."""
        from gateway.contract import load_contract

        return completions(load_contract().methods, incomplete)


def completions(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The names that begin with the typed text, otherwise their unambiguous suffixes that do.

    Shells replace the typed text with the common prefix of all candidates, so every candidate must keep it.
    """
    typed, names = incomplete.lower(), list(names)
    found = [name for name in names if name.lower().startswith(typed)]
    if not found:
        ends = Counter(name[mark.end() :] for name in names for mark in re.finditer("[./]", name))
        found = [end for end, count in ends.items() if count == 1 and end.lower().startswith(typed)]
    return [CompletionItem(incomplete + name[len(incomplete) :]) for name in found]


def resolve_rpc(text: str) -> str:
    """The full name of an rpc. Its beginning may be left out if the rest is unambiguous. Raises click.UsageError."""
    from gateway.contract import load_contract

    names = load_contract().methods
    found = find_name(text, names)
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"{text!r} is the end of several rpcs: {', '.join(found)}")
    raise click.UsageError(f"there is no rpc {text!r}; {_suggestion(text, _by_path(names))}")


def find_name(text: str, names: Collection[str]) -> list[str]:
    """The names that equal the text, otherwise those that end with it."""
    wanted, by_path = _path(text), _by_path(names)
    if wanted in by_path:
        return [by_path[wanted]]
    return [name for path, name in by_path.items() if path.endswith(f"/{wanted}")]


def _path(text: str) -> str:
    return text.strip("/").replace(".", "/").lower()


def _by_path(names: Iterable[str]) -> dict[str, str]:
    return {_path(name): name for name in names}


def _suggestion(text: str, by_path: Mapping[str, str]) -> str:
    import difflib

    wanted = _path(text)
    ends = {path.split("/", path.count("/") - wanted.count("/"))[-1]: name for path, name in by_path.items()}
    close = difflib.get_close_matches(wanted, ends, n=3, cutoff=0.75)
    if close:
        return f"did you mean {' or '.join(ends[end] for end in close)}?"
    word = f" {text}" if text.strip("/") and any(text.lower() in name.lower() for name in by_path.values()) else ""
    return f"see `vcenter-gateway routes{word}`"
