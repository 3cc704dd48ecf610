"""The google.rpc.Status of a failure, truncated to fit into the headers of a response.

If necessary, lists and texts are truncated, but only as far as needed; the ErrorInfo always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, cast
from urllib.parse import quote

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors.failure import Failure

__all__ = ["MAX_DETAILS_BYTES", "MAX_MESSAGE_BYTES", "status_of"]

MAX_DETAILS_BYTES = 2560
"""Upper bound of the serialized google.rpc.Status. With the longest message and request id beside it, it just fits into
the 4 KiB that nginx, and most ingress controllers, allow by default for the head of a response (`grpc_buffer_size`): a
larger one becomes a bare 502. grpc-java accepts 8 KiB of headers by default, and the C core sends no more."""
MAX_MESSAGE_BYTES = 900
"""Upper bound of the status message as it is sent, percent-encoded."""


def status_of(failure: Failure) -> status_pb2.Status:
    """The status that a caller gets. If a detail was truncated, the metadata of the ErrorInfo has `details_cut`."""
    info = error_details_pb2.ErrorInfo(
        reason=_valid(failure.reason),
        domain=_valid(failure.domain),
        metadata={_valid(name): _valid(value) for name, value in failure.metadata.items()},
    )
    details: list[Message] = [*failure.details]
    if failure.retry_delay is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(failure.retry_delay * 1e9))
        details.append(retry)
    return _fit(failure.code, _cut_message(_valid(failure.message)), info, details)


def _valid(text: str) -> str:
    """Headers can contain bytes that are not UTF-8; protobuf rejects the surrogates that Python decodes them to."""
    return text.encode(errors="replace").decode()


_UNESCAPED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_SHORTEST_TEXT = 64
_READABLE_TEXT = 256
_INFO_ITEMS = 8
_NOTE_BYTES = len(" [cut: 1000000000 more characters]")


def _cut_message(message: str) -> str:
    """Limits the message as gRPC sends it: percent-encoded, with up to twelve bytes per character."""
    if len(message) <= MAX_MESSAGE_BYTES and _escaped_size(message) <= MAX_MESSAGE_BYTES:
        return message
    note = " [cut]"
    room = MAX_MESSAGE_BYTES - len(note)
    return message[: _largest(0, room, lambda length: _escaped_size(message[:length]) <= room)] + note


def _escaped_size(message: str) -> int:
    return len(quote(message, safe=_UNESCAPED))


def _fit(code: int, message: str, info: error_details_pb2.ErrorInfo, details: Sequence[Message]) -> status_pb2.Status:
    """Packs the details. If they are too large, lists and maps are truncated, and then texts.

    Both only as far as needed, and lists first: a few complete entries are more useful than many truncated ones. A
    detail that is still too large is omitted; the ErrorInfo never is.
    """
    status = _pack(code, message, [info, *details])
    if status.ByteSize() <= MAX_DETAILS_BYTES:
        return status
    info.metadata["details_cut"] = "true"
    remaining = list(details)

    def shortened(items: int, size: int) -> status_pb2.Status:
        kept = [_shortened(info, max(items, _INFO_ITEMS), size)]
        return _pack(code, message, kept + [_shortened(detail, items, size) for detail in remaining])

    def fits(items: int, size: int) -> bool:
        total: int = shortened(items, size).ByteSize()
        return total <= MAX_DETAILS_BYTES

    while not fits(1, _SHORTEST_TEXT):
        remaining.remove(max(remaining, key=lambda detail: _shortened(detail, 1, _SHORTEST_TEXT).ByteSize()))
    items = _largest(1, MAX_DETAILS_BYTES, lambda items: fits(items, _READABLE_TEXT))
    size = _largest(_SHORTEST_TEXT, MAX_DETAILS_BYTES, lambda size: fits(items, size))
    return shortened(items, size)


def _pack(code: int, message: str, details: Iterable[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `high` that fits, at least `low`. Approaches it from below, so that far too large values
    are never tried.
    """
    step = 1
    while low + step <= high and fits(low + step):
        low += step
        step *= 2
    while step := step // 2:
        if low + step <= high and fits(low + step):
            low += step
    return low


def _shortened(message: Any, items: int, size: int) -> Message:
    """A copy whose lists and maps have at most `items` entries, and whose texts have at most `size` bytes."""

    def short(value: Any) -> Any:
        if isinstance(value, str):
            return _cut(value, size)
        return _shortened(value, items, size) if isinstance(value, Message) else value

    result: Any = type(message)()
    for field, value in message.ListFields():
        target = getattr(result, field.name)
        if field.is_repeated and isinstance(value, Mapping):
            for key in islice(value, items):
                if isinstance(value[key], Message):
                    target[short(key)].CopyFrom(short(value[key]))
                else:
                    target[short(key)] = short(value[key])
        elif field.is_repeated:
            target.extend(short(item) for item in islice(value, items))
        elif field.message_type is not None:
            target.CopyFrom(short(value))
        else:
            setattr(result, field.name, short(value))
    return cast(Message, result)


def _cut(text: str, size: int) -> str:
    if len(text) <= size and len(text.encode()) <= size:
        return text
    kept = text[:size].encode()[: size - _NOTE_BYTES].decode(errors="ignore")
    return f"{kept} [cut: {len(text) - len(kept)} more characters]"
