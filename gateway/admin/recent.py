"""The last errors for the status page, grouped, so that a caller that repeats a mistake hides nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.contract import Rest
from gateway.errors import GATEWAY_DOMAIN, SERVER_FAULTS, Failure
from gateway.events import CallEnded, Events
from gateway.printable import is_name

__all__ = ["MAX_ERRORS", "ErrorGroup", "RecentErrors", "merge_errors"]

MAX_ERRORS = 20
"""Number of kept errors of each kind: the server's faults and the callers' mistakes."""
# A reason comes from vCenter and can have any length.
_MAX_REASON = 100
_MAX_TEXT = 200
_VAPI_ERROR = "vapi.std.errors.v1.Error"
# The form of vCenter's identifiers. Anyone who reaches the admin port sees the page, so text that a caller sent instead
# of an identifier, which may be a secret, is not shown.
_IDENTIFIER = re.compile(r"[a-z][a-z-]{0,40}-[a-z]?\d{1,12}")


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Calls of one rpc that failed in the same way. Contains nothing about the callers."""

    rpc: str
    code: str
    reason: str
    count: int
    time: float
    """When the last one failed, in seconds since the epoch."""
    request_id: str
    """Of the last one."""
    machine: str = ""
    """Or whatever the path of the last request names first."""
    text: str = ""
    """The message that the last caller got, if the gateway or the connection to vCenter failed; else the id of
    vCenter's message. vCenter's own texts, and those about callers' mistakes, may contain caller input."""

    @property
    def is_server_fault(self) -> bool:
        """Whether the fault is vCenter's or the gateway's, rather than the caller's."""
        return self.code in SERVER_FAULTS

    @property
    def key(self) -> tuple[str, str, str]:
        return self.rpc, self.code, self.reason


class RecentErrors(Events):
    """Keeps the latest errors of this process."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], ErrorGroup] = {}
        """The newest last."""

    def call_ended(self, ended: CallEnded) -> None:
        """Keeps a call that failed."""
        if ended.failure is None:
            return
        new = ErrorGroup(
            ended.rpc,
            ended.code,
            ended.reason[:_MAX_REASON],
            1,
            time.time(),
            ended.request_id,
            _machine(ended),
            _text(ended.failure),
        )
        known = self._groups.pop(new.key, None)
        self._groups[new.key] = new if known is None else replace(new, count=known.count + 1)
        if known is None:
            self._forget_oldest(new.is_server_fault)

    def newest(self) -> list[ErrorGroup]:
        """The newest first."""
        return list(reversed(self._groups.values()))

    def _forget_oldest(self, is_server_fault: bool) -> None:
        alike = [key for key, group in self._groups.items() if group.is_server_fault is is_server_fault]
        if len(alike) > MAX_ERRORS:
            del self._groups[alike[0]]


def _machine(ended: CallEnded) -> str:
    """What the path of the request names first, if it looks like an identifier."""
    backing = ended.method.backing
    if ended.message is None or not isinstance(backing, Rest) or not backing.rule.variables:
        return ""
    value = str(getattr(ended.message, next(iter(backing.rule.variables))))
    return value if _IDENTIFIER.fullmatch(value) else ""


def _text(failure: Failure) -> str:
    if failure.is_servers_fault and failure.domain == GATEWAY_DOMAIN:
        return failure.message[:_MAX_TEXT]
    for detail in failure.details:
        if detail.DESCRIPTOR.full_name == _VAPI_ERROR:
            error: Any = detail
            return next((message.id for message in error.messages if is_name(message.id)), "")
    return ""


def merge_errors(groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    """Merges the errors of several processes, the latest first."""
    merged: dict[tuple[str, str, str], ErrorGroup] = {}
    for group in groups:
        known = merged.get(group.key, group)
        count = group.count + known.count if group.key in merged else group.count
        merged[group.key] = replace(max(known, group, key=lambda item: item.time), count=count)
    newest = sorted(merged.values(), key=lambda group: group.time, reverse=True)
    kept = {kind: [group for group in newest if group.is_server_fault is kind][:MAX_ERRORS] for kind in (True, False)}
    return sorted(kept[True] + kept[False], key=lambda group: group.time, reverse=True)
