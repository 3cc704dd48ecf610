"""Logs events: a line for each rpc, and one for each event that an operator needs to know about."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from gateway.events import BreakerChanged, CallEnded, CertificateChanged, Events, KeysFetched, LoginEnded, Retried
from gateway.logs import line_writer
from gateway.tracing.context import trace_fields

if TYPE_CHECKING:
    from gateway.calls import Call

__all__ = ["EventLog"]

_MAX_TEXT = 500
_MAX_IDENTITY = 200
_MAX_UNKNOWN = 1000
_MAX_NAME = 100
_MAX_WHY = 200

_log = logging.getLogger("gateway")


class EventLog(Events):
    """Writes the lines. Create it after `configure_logs`."""

    def __init__(self) -> None:
        self._write = line_writer()
        self._unknown: set[tuple[str, str]] = set()
        """What has already been logged once."""
        self._issuers: dict[str, KeysFetched] = {}
        """The last event of each issuer."""

    def call_ended(self, ended: CallEnded) -> None:
        """One line for an rpc: who called, from where, how it ended, and why if it was not the caller's fault."""
        failure = ended.failure
        fields: dict[str, Any] = {"rpc": ended.method.full_name, "code": "OK"}
        level = logging.INFO
        if failure is not None:
            fields["code"] = failure.code_name
            if failure.reason:
                fields["reason"] = failure.reason
            if failure.is_servers_fault:
                level = logging.WARNING
                fields["message"] = failure.message[:_MAX_TEXT]
                if failure.cause:
                    fields["cause"] = failure.cause[:_MAX_TEXT]
            if failure.may_have_executed:
                fields["may_have_executed"] = True
        if ended.age is not None:
            fields["age"] = ended.age
        fields["duration_ms"] = round(ended.seconds * 1000, 3)
        if ended.messages:
            fields["messages"] = ended.messages
        if ended.identity:
            fields["identity"] = ended.identity[:_MAX_IDENTITY]
        fields["peer"] = ended.peer
        fields["request_id"] = ended.request_id
        if ended.trace is not None:
            fields |= trace_fields(ended.trace.trace_id, ended.trace.span_id)
        self._write(level, "call", fields)

    def retried(self, retried: Retried) -> None:
        """Logs why a call is retried."""
        call, failure = retried.call, retried.failure
        self._write(
            logging.INFO,
            "call is sent again",
            {
                "operation": call.binding.method.operation,
                "reason": failure.reason,
                "message": failure.message[:_MAX_TEXT],
                "delay_ms": round(retried.delay * 1000, 3),
                **_whose(call),
            },
        )

    def breaker_changed(self, changed: BreakerChanged) -> None:
        """Logs that calls are refused, and why, or that they reach vCenter again."""
        cause = f": {changed.cause}" if changed.cause else ""
        _log.warning("the circuit breaker of vCenter is %s%s", changed.state, cause)

    def login_ended(self, login: LoginEnded) -> None:
        """Logs who could not log in, and why."""
        failure, call = login.failure, login.call
        if failure is None:
            return
        fields: dict[str, Any] = {"reason": failure.reason, "message": failure.message[:_MAX_TEXT]}
        if call is not None:
            fields |= _whose(call)
        self._write(logging.WARNING, "login to vCenter failed", fields)

    def certificate_changed(self, changed: CertificateChanged) -> None:
        """Logs that vCenter presents a new certificate, so that operators can distinguish a renewal from an
        impostor."""
        if not changed.is_first:
            thumbprint = hashlib.sha256(changed.certificate).hexdigest()
            _log.info("vCenter shows another certificate than before; its SHA-256 thumbprint is %s", thumbprint)

    def keys_fetched(self, fetched: KeysFetched) -> None:
        """Logs once when the keys of an issuer cannot be fetched, can be fetched again, or have changed."""
        before = self._issuers.get(fetched.issuer)
        self._issuers[fetched.issuer] = fetched
        fields = {"issuer": fetched.issuer, "keys": len(fetched.key_ids)}
        if fetched.problem:
            if before is None or before.problem != fetched.problem:
                stay = "those that are known stay in use" if fetched.key_ids else "none of its tokens is accepted yet"
                text = f"the keys of an issuer of JWTs cannot be fetched: {stay}"
                self._write(logging.WARNING, text, {**fields, "problem": fetched.problem[:_MAX_TEXT]})
            return
        if before is None or before.problem or before.key_ids != fetched.key_ids:
            ids = ", ".join(sorted(map(repr, fetched.key_ids)))[:_MAX_TEXT]
            self._write(logging.INFO, "the keys of an issuer of JWTs were fetched", {**fields, "key_ids": ids})

    def unknown_field(self, message: str, field: str) -> None:
        """Logs once that vCenter sends a field that the contract does not know."""
        self._say_once("a field that the contract does not know", message, field)

    def unknown_enum_value(self, enum: str, value: str) -> None:
        """The same for an enum value."""
        self._say_once("a value that the contract does not know", enum, value)

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        """Logs once that a value that vCenter sends in a field cannot be read."""
        self._say_once(f"a value that cannot be read and is left unset ({why[:_MAX_WHY]})", message, field)

    def replaced_text(self, message: str) -> None:
        """Logs once that vCenter sends text that is not valid Unicode."""
        text = "text that is not valid Unicode, in which U+FFFD replaces what cannot be read"
        self._say_once(text, message, "U+FFFD")

    def _say_once(self, what: str, owner: str, name: str) -> None:
        key = (owner, name[:_MAX_NAME])
        # Limited, because the names come from outside.
        if key not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
            self._unknown.add(key)
            _log.warning("vCenter sends %s: %s %s", what, *key)


def _whose(call: Call) -> dict[str, str]:
    """Fields that relate a line to that of its call, and to the caller."""
    return {
        "rpc": call.binding.method.full_name,
        "identity": str(call.caller.identity)[:_MAX_IDENTITY],
        "peer": call.caller.peer,
        "request_id": call.request_id,
    }
