"""Reads vCenter's error responses: vAPI errors, and the pages of proxies between the gateway and vCenter."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, cast

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2

from gateway.contract import Contract
from gateway.contract.contract import wire_name
from gateway.errors import BY_ERROR_TYPE, BY_HTTP_STATUS, VCENTER_DOMAIN, Failure
from gateway.events import Events
from gateway.printable import is_name
from gateway.transcoding.answer_json import NotJsonError, TooManyElementsError, first_values, parse
from gateway.transcoding.decoder import MAX_DEPTH, Decode, Decoders, MismatchError
from gateway.transcoding.lasting import is_lasting

__all__ = ["ErrorReader", "error_reader", "leaves_open", "media_type"]

_ERROR = "vapi.std.errors.v1.Error"
_MAX_RETRY_AFTER = 3600.0
# Maximum number of values read of each part of an error. More would not fit into a status anyway.
_MOST_VALUES = 5_000
_OLDER_TYPE = re.compile(r"com\.vmware\.vapi\.std\.errors\.([a-z_]+)")
# Message ids of vCenter's REST layer for a missing operation. The error's type is that of a missing object.
_NO_OPERATION = {"com.vmware.vapi.rest.httpNotFound", "com.vmware.vapi.rest.operationsForUrlNotFound"}
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
# The text of Envoy, vCenter's proxy, with a 503 if it lost a call to the service behind it. It uses the same text with
# other reasons if it did not forward the call: it got no connection, or too many calls waited for one.
_LOST_BEHIND_PROXY = re.compile(rb"reset reason: (?!(?:local |remote )?connection (?:failure|timeout)|overflow)")
_PAGES: Mapping[int, str] = {
    404: "vCenter has no such operation; it may be older than the API, or the URL may point to another server",
    405: "vCenter has no such operation; it may be older than the API, or the URL may point to another server",
    502: "the proxy in front of vCenter could not reach the service",
    503: "the service behind vCenter's proxy is down or still starting",
    504: "the proxy in front of vCenter gave up waiting for the service",
}


class ErrorReader:
    """Converts an error response into a failure with all its details."""

    def __init__(self, contract: Contract) -> None:
        decoders = Decoders(contract.json_texts)
        self._error_class = contract.message_class(_ERROR)
        descriptor = contract.messages[_ERROR]
        self._fields = {wire_name(field): (field.name, decoders.field(field)) for field in descriptor.fields}
        self._data = [_DataShape(contract, decoders, message.full_name) for message in contract.error_data()]

    def read(self, operation: str, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """The failure of a response with an HTTP status of 300 or more."""
        metadata = {"operation": operation, "http_status": str(status)}
        retry_delay = _retry_after(headers)
        payload = _vapi_error(body)
        if payload is None:
            return _page(status, headers, body, metadata, retry_delay)
        if len(body) > _MOST_VALUES:
            payload = {name: first_values(value, _MOST_VALUES) for name, value in payload.items()}
        error_type = payload.get("error_type")
        if not is_name(error_type):
            error_type = None  # It becomes a reason, which appears in logs, audit log and traces.
        code = BY_ERROR_TYPE.get(error_type or "")
        if code is None:
            code = BY_HTTP_STATUS.get(status, code_pb2.UNKNOWN)
        error = self._decode(payload)
        text = _text(error)
        if not _NO_OPERATION.isdisjoint(message.id for message in error.messages):
            error_type, code = "OPERATION_NOT_FOUND", code_pb2.UNIMPLEMENTED
            shown = f"{text} This vCenter does not have the operation; it may be older than the API.".lstrip()
        else:
            shown = text or f"vCenter reported {error_type or 'an error of no type'} (HTTP {status})"
        details: list[Message] = [error]
        details += [shape for shape in (shape.read(payload.get("data")) for shape in self._data) if shape is not None]
        if text:
            details.append(error_details_pb2.LocalizedMessage(locale="en-US", message=text))
        reason = error_type or f"HTTP_{status}"
        return Failure(
            code,
            reason,
            shown,
            domain=VCENTER_DOMAIN,
            metadata=metadata,
            details=tuple(details),
            retry_delay=retry_delay,
            is_lasting=is_lasting(reason, details),
        )

    def _decode(self, payload: dict[str, Any]) -> Any:
        """The typed error. Unreadable parts are omitted: a partial error is better than none."""
        fields = {}
        for wire, value in payload.items():
            if wire not in self._fields or value is None:
                continue
            name, decode = self._fields[wire]
            with contextlib.suppress(MismatchError):
                fields[name] = decode(_readable(decode, value), Events(), MAX_DEPTH)
        if not fields.get("error_type"):
            fields.pop("error_type", None)
        return self._error_class(**fields)


@cache
def error_reader(contract: Contract) -> ErrorReader:
    """The reader of a contract's errors, compiled once per process."""
    return ErrorReader(contract)


class _DataShape:
    """A structure that vCenter puts into the data of errors, recognized by its fields."""

    def __init__(self, contract: Contract, decoders: Decoders, full_name: str) -> None:
        descriptor = contract.messages[full_name]
        self._class = contract.message_class(descriptor)
        self._decode = decoders.message(descriptor)
        self._names = {wire_name(field) for field in descriptor.fields}

    def read(self, data: Any) -> Message | None:
        if isinstance(data, dict) and len(data) == 1:
            # Some releases wrap the fields in an object that is named after the structure.
            (name, inner), *_ = data.items()
            if "." in name and isinstance(inner, dict):
                data = inner
        if not isinstance(data, dict) or set(data) != self._names:
            return None
        try:
            return self._class(**self._decode(data, _Strict(), MAX_DEPTH + 1))
        except MismatchError:
            return None


class _Strict(Events):
    """Rejects an unreadable value: a structure that is recognized by its fields must have the right ones."""

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        raise MismatchError(why, None)


def _readable(decode: Decode, value: Any) -> Any:
    """The value without unreadable list entries."""
    if type(value) is not list:
        return value
    entries = []
    for entry in value:
        with contextlib.suppress(MismatchError):
            decode([entry], Events(), MAX_DEPTH)
            entries.append(entry)
    return entries


def _vapi_error(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a vAPI error, None if the body is something else."""
    try:
        payload, _ = parse(body)
    except (NotJsonError, TooManyElementsError):
        return None
    if not isinstance(payload, dict):
        return None
    name, value = payload.get("type"), payload.get("value")
    if isinstance(name, str) and isinstance(value, dict) and (older := _OLDER_TYPE.fullmatch(name)):
        # The dialect of /rest: the type is the name of the structure, and the structure is next to it.
        payload = {**value, "error_type": older[1].upper()}
    if isinstance(oldest := payload.get("localizableMessages"), list):
        # The form of older releases below /rest, with the names of a third dialect.
        names = {"defaultMessage": "default_message"}
        messages = [{names.get(key, key): item[key] for key in item} for item in oldest if isinstance(item, dict)]
        payload = {"messages": messages, **payload}
    return payload if "error_type" in payload or "messages" in payload else None


def _text(error: Any) -> str:
    """The message for people: the first one with a text, in the request's language if available."""
    for message in error.messages:
        if text := message.localized or message.default_message:
            return cast(str, text)
    return ""


def leaves_open(status: int, body: bytes) -> bool:
    """Whether the call may have been executed anyway, if the response is not one of vCenter's errors.

    A proxy timed out (504) or lost the service (502), or the service crashed during the call (500 and others). Below
    500, the call was refused, and 501 and 503 mean that no service accepted it.
    """
    if status == 503:
        return _LOST_BEHIND_PROXY.search(body) is not None
    return status >= 500 and status != 501


def media_type(headers: Mapping[str, str]) -> str:
    """The declared media type of a response, in lower case; empty if it has none that can be shown."""
    stated = headers.get("content-type", "").partition(";")[0].strip().lower()
    return stated if _MEDIA_TYPE.fullmatch(stated) else ""


def _page(
    status: int, headers: Mapping[str, str], body: bytes, metadata: dict[str, str], retry_delay: float | None
) -> Failure:
    """A response that is not a vAPI error. Its body is not repeated: at best, it is a page for browsers."""
    code = BY_HTTP_STATUS.get(status, code_pb2.UNKNOWN)
    if status == 404:
        # The operation is missing, not an object: a caller that interprets NOT_FOUND as "the machine is gone" must not
        # be misled.
        code = code_pb2.UNIMPLEMENTED
    kind = (media_type(headers) or "something unknown") if body else "no body"
    text = f"vCenter answered HTTP {status} with {kind} instead of one of its errors"
    if hint := _PAGES.get(status):
        text += f": {hint}"
    elif 300 <= status < 400:
        text += ": redirects are not followed; the configured URL should be vCenter's own"
    return Failure(code, f"HTTP_{status}", text, domain=VCENTER_DOMAIN, metadata=metadata, retry_delay=retry_delay)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds in a Retry-After header, at most an hour; None if there is none."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), _MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), _MAX_RETRY_AFTER)
