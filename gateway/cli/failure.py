"""Shows the status of a failed call: as lines for people, as JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.cli.output import Exit, echo, echo_json, wrapped
from gateway.contract import Contract
from gateway.errors import Reason

__all__ = ["CallError"]

_BY_CODE = {
    code_pb2.UNAUTHENTICATED: Exit.IDENTITY,
    code_pb2.DEADLINE_EXCEEDED: Exit.TIMEOUT,
}
_BY_REASON: dict[str, Exit] = {
    Reason.REQUEST_INVALID: Exit.USAGE,
    Reason.VCENTER_UNREACHABLE: Exit.UNREACHABLE,
    Reason.VCENTER_CERTIFICATE_INVALID: Exit.UNREACHABLE,
    Reason.VCENTER_CIRCUIT_OPEN: Exit.UNREACHABLE,
    Reason.VCENTER_TIMEOUT: Exit.UNREACHABLE,  # With UNAVAILABLE, no connection could be opened in time.
}
_HINTS: dict[str, str] = {
    Reason.CREDENTIALS_MISSING: "give --user NAME or --token-file FILE, or use a context: see `vcenter-gateway context`"
}


class CallError(Exception):
    """A call that failed. `hint` says what to do about it, if that is known."""

    def __init__(self, status: status_pb2.Status, contract: Contract, *, reached: bool = True, hint: str = "") -> None:
        super().__init__(status.message)
        self.status = status
        self._reached = reached
        self._details = [detail for item in status.details if (detail := _unpack(item, contract)) is not None]
        self.hint = hint or _HINTS.get(self._info.reason, "")

    @property
    def exit(self) -> Exit:
        """The exit code of the command."""
        if not self._reached:
            return Exit.UNREACHABLE
        return _BY_CODE.get(self.status.code) or _BY_REASON.get(self._info.reason, Exit.FAILED)

    @property
    def code(self) -> str:
        return code_pb2.Code.Name(self.status.code) if self.status.code in code_pb2.Code.values() else "UNKNOWN"

    @property
    def _info(self) -> error_details_pb2.ErrorInfo:
        return next(self._of(error_details_pb2.ErrorInfo), error_details_pb2.ErrorInfo())

    @property
    def request_id(self) -> str:
        return next((info.request_id for info in self._of(error_details_pb2.RequestInfo)), "")

    def to_json(self) -> dict[str, Any]:
        """Everything in the status."""
        details = []
        for detail in self._details:
            content = json_format.MessageToDict(detail, preserving_proto_field_name=True)
            details.append({"@type": detail.DESCRIPTOR.full_name, **content})
        return {
            "error": {
                "code": self.code,
                "reason": self._info.reason,
                "message": self.status.message,
                "request_id": self.request_id,
                "hint": self.hint,
                "details": details,
            }
        }

    def lines(self) -> Iterator[str]:
        """The failure as lines of text, the most important first."""
        info = self._info
        yield self.code if info.reason in ("", self.code) else f"{self.code} {info.reason}"
        if self.status.message:
            yield _wrapped(self.status.message, "  ")
        for name, text in self._messages():
            yield _wrapped(f"{name}: {text}" if name else text, "  - ")
        for bad_request in self._of(error_details_pb2.BadRequest):
            for violation in bad_request.field_violations:
                yield _wrapped(f"{violation.field}: {violation.description}", "  - field ")
        for retry in self._of(error_details_pb2.RetryInfo):
            yield f"  retry after: {retry.retry_delay.ToTimedelta().total_seconds():g} s"
        if info.metadata.get("may_have_executed"):
            yield "  may have been executed: yes. Look at the state before you repeat the call."
        if operation := info.metadata.get("operation"):
            status = info.metadata.get("http_status")
            yield f"  vCenter operation: {operation}" + (f" (HTTP {status})" if status else "")
        if self.request_id:
            yield f"  request id: {self.request_id}"
        if self.hint:
            yield _wrapped(self.hint, "  hint: ")

    def end(self, code: int | None = None, *, as_json: bool = False) -> NoReturn:
        """Prints the failure and ends the process, with another code than `exit` if one is given."""
        if as_json:
            echo_json(self.to_json())
        else:
            echo("\n".join(self.lines()), err=True)
        sys.exit(self.exit if code is None else code)

    def _messages(self) -> Iterator[tuple[str, str]]:
        """vCenter's own messages with their ids, except for a text that was already shown."""
        for detail in self._details:
            if detail.DESCRIPTOR.full_name == "vapi.std.errors.v1.Error":
                for message in detail.messages:  # type: ignore[attr-defined]
                    text = message.localized or message.default_message
                    yield message.id, "" if text == self.status.message else text

    def _of(self, kind: type[Any]) -> Iterator[Any]:
        return (detail for detail in self._details if isinstance(detail, kind))


def _unpack(packed: any_pb2.Any, contract: Contract) -> Message | None:
    """The message in a detail, None for an unknown type."""
    name = packed.TypeName()
    kind: Any = None
    if name.startswith("google.rpc."):
        kind = getattr(error_details_pb2, name.removeprefix("google.rpc."), None)
    elif name in contract.messages:
        kind = contract.message_class(name)
    if not (isinstance(kind, type) and issubclass(kind, Message)):
        return None
    try:
        message: Message = kind.FromString(packed.value)
    except DecodeError:
        return None
    return message


def _wrapped(text: str, first: str) -> str:
    return wrapped(text.rstrip(": "), first, " " * (4 if first.strip() else len(first)))
