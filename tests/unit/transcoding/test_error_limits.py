"""The size of a status: whatever vCenter sends, it fits into the headers of a response and says what is missing."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.errors import MAX_DETAILS_BYTES, MAX_MESSAGE_BYTES, Failure, GatewayError, Reason, status_of
from gateway.transcoding.encoder import Violation
from tests.unit.transcoding.answers import ERROR, answered, content, details

INFO = "google.rpc.ErrorInfo"
LOCALIZED = "google.rpc.LocalizedMessage"
CUT = re.compile(r" \[cut: (\d+) more characters\]$")


def escaped(message: str) -> bytes:
    """A status message as gRPC sends it: percent-encoded but for printable ASCII other than the percent sign."""
    return b"".join(
        bytes([byte]) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in message.encode()
    )


def header_bytes(status: status_pb2.Status) -> int:
    return len(escaped(status.message)) + len(base64.b64encode(status.SerializeToString()))


def checked(error: Failure) -> dict[str, Any]:
    """The details of an error's status, which must fit and have the ErrorInfo first."""
    status = status_of(error)
    assert status.ByteSize() <= MAX_DETAILS_BYTES
    assert len(escaped(status.message)) <= MAX_MESSAGE_BYTES
    assert header_bytes(status) <= 8 * 1024 - 512, "other headers need room as well"
    found = details(status)
    assert list(found)[0] == INFO  # noqa: RUF015 - the order is meant
    assert found[INFO].reason == error.reason
    assert found[INFO].metadata["http_status"] == "400"
    return found


def vapi(**parts: object) -> dict[str, object]:
    return {"error_type": "INVALID_ARGUMENT", "messages": [], **parts}


def message(text: str, *args: str) -> dict[str, object]:
    return {"id": "com.vmware.a", "default_message": text, "args": list(args)}


PAYLOADS: list[Any] = [
    pytest.param(lambda n: vapi(messages=[message("x" * n)]), id="long-message"),
    pytest.param(lambda n: vapi(messages=[message("é" * n)]), id="long-message-of-two-bytes"),
    pytest.param(lambda n: vapi(messages=[message("\U0001f600" * n)]), id="long-message-of-four-bytes"),
    pytest.param(lambda n: vapi(messages=[message("\x00" * n)]), id="long-message-of-controls"),
    pytest.param(lambda n: vapi(messages=[message("short")] * n), id="many-messages"),
    pytest.param(lambda n: vapi(messages=[message("x" * 500)] * n), id="many-long-messages"),
    pytest.param(lambda n: vapi(messages=[message("text", "x" * n)]), id="long-argument"),
    pytest.param(lambda n: vapi(messages=[message("text", *["arg"] * n)]), id="many-arguments"),
    pytest.param(
        lambda n: vapi(messages=[{"params": {str(i): {"s": "x", "i": i} for i in range(n)}}]), id="many-parameters"
    ),
    pytest.param(lambda n: vapi(data={"text": "x" * n}), id="long-data"),
    pytest.param(lambda n: vapi(data={"list": list(range(n))}), id="many-numbers-in-data"),
    pytest.param(lambda n: vapi(data={str(i): {"a": [i]} for i in range(n)}), id="many-keys-in-data"),
    pytest.param(lambda n: vapi(data={"k" * n: "x", "l" * n: {}}), id="long-keys-in-data"),
    pytest.param(lambda n: vapi(data={"a": [["x" * 100] * n] * 20}), id="lists-of-lists-in-data"),
    pytest.param(lambda n: vapi(challenge="x" * n), id="long-challenge"),
    pytest.param(lambda n: {"error_type": "INVALID_ARGUMENT" if n < 5_000 else "X", "challenge": "é" * n}, id="others"),
    pytest.param(
        lambda n: vapi(messages=[message("é" * n, *["y" * n] * 9)] * 3, data={"a": "z" * n}, challenge="x" * n),
        id="everything-long",
    ),
]


@pytest.mark.parametrize("size", [1, 100, 400, 1_000, 2_000, 4_000, 5_000, 20_000])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_status_fits(payload: Callable[[int], object], size: int) -> None:
    """Errors of any size and shape fit, keep the ErrorInfo and the vAPI error, and say whether they are complete."""
    error = answered(400, payload(size))
    found = checked(error)
    assert ERROR in found
    complete = all(found[detail.DESCRIPTOR.full_name] == detail for detail in error.details)
    assert lost(found) is not complete


def lost(found: dict[str, Any]) -> bool:
    return found[INFO].metadata.get("details_cut") == "true"


def of_text(size: int) -> Failure:
    """An error whose vAPI error has one text of this size, and nothing else that could be cut."""
    return answered(400, vapi(challenge="x" * size))


def test_nothing_is_cut_without_need() -> None:
    """A status at the limit is left as it is; one byte more is cut, by no more than it takes to say so."""
    fixed = status_of(of_text(1_500)).ByteSize() - 1_500
    largest = MAX_DETAILS_BYTES - fixed
    for size in (largest - 1, largest):
        found = checked(of_text(size))
        assert found[ERROR].challenge == "x" * size
        assert not lost(found)
    found = checked(of_text(largest + 1))
    assert lost(found)
    match = CUT.search(found[ERROR].challenge)
    assert match is not None
    assert len(found[ERROR].challenge) - len(match[0]) + int(match[1]) == largest + 1
    assert int(match[1]) < 100


def test_cut_texts_say_how_much_is_missing() -> None:
    """A text that was cut tells how many characters it had, whole characters being kept."""
    found = checked(answered(400, vapi(messages=[message("äöü" * 10_000)])))
    for text in (found[ERROR].messages[0].default_message, found[LOCALIZED].message):
        match = CUT.search(text)
        assert match is not None
        kept = text.removesuffix(match[0])
        assert ("äöü" * 10_000).startswith(kept)
        assert len(kept) + int(match[1]) == 30_000
        assert len(kept) > 250


def test_long_lists_keep_their_beginning() -> None:
    """Of very many messages the first remain, complete, the outermost cause among them."""
    messages = [message(f"cause {number}: {'x' * 100}") for number in range(10_000)]
    found = checked(answered(400, vapi(messages=messages)))
    kept = [item.default_message for item in found[ERROR].messages]
    assert kept == [item["default_message"] for item in messages[: len(kept)]]
    assert len(kept) > 10
    assert lost(found)


def test_short_texts_survive_beside_a_long_one() -> None:
    """Only what is long is cut; short texts beside it stay whole."""
    found = checked(answered(400, vapi(messages=[message("short", "a", "b")], data={"dump": "x" * 50_000, "n": 1})))
    assert content(found[ERROR])["messages"] == [  # type: ignore[index]
        {"id": "com.vmware.a", "default_message": "short", "args": ["a", "b"]}
    ]
    assert found[ERROR].data["n"] == 1
    assert len(found[ERROR].data["dump"]) > 1_500


def test_may_have_executed_is_never_cut() -> None:
    """The metadata of the ErrorInfo stays complete, whatever else has to go."""
    metadata = {"operation": "POST /x", "http_status": "400", "may_have_executed": "true"}
    error = answered(400, vapi(data={"a": [[["x" * 500] * 9] * 9] * 9}))
    error = Failure(error.code, error.reason, "text", metadata=metadata, details=error.details)
    found = checked(error)
    assert found[INFO].metadata == {**metadata, "details_cut": "true"}
    assert len(found[ERROR].data["a"]) < len(metadata), "the error was no hard case"


def test_details_that_cannot_be_shortened() -> None:
    """A detail that is too large even without its texts is left out as a whole, the others stay."""
    deep = orjson.loads(b'{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk":' * 32 + b"1" + b"}" * 32)
    vapi_error = answered(400, vapi(data=deep)).details[0]
    small = error_details_pb2.LocalizedMessage(locale="en-US", message="text")
    error = Failure(
        code_pb2.ABORTED, "A", "text", metadata={"http_status": "400"}, details=(vapi_error, vapi_error, small)
    )
    status = status_of(error)
    assert status.ByteSize() <= MAX_DETAILS_BYTES
    assert [detail.TypeName() for detail in status.details] == [INFO, ERROR, LOCALIZED]


@pytest.mark.parametrize("count", [10, 1_000, 20_000])
def test_many_violations(count: int) -> None:
    """A request with very many mistakes is refused with the first of them."""
    error = Failure.of_request(Violation(f"spec.items[{n}].name", "is required") for n in range(count))
    status = status_of(error)
    assert status.ByteSize() <= MAX_DETAILS_BYTES
    assert len(escaped(status.message)) <= MAX_MESSAGE_BYTES
    kept = details(status)["google.rpc.BadRequest"].field_violations
    assert [item.field for item in kept] == [f"spec.items[{n}].name" for n in range(len(kept))]
    assert len(kept) == count if count == 10 else 25 < len(kept) < count
    assert lost(details(status)) is (len(kept) < count)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(vapi(messages=[message("x" * 200)] * 20_000), id="messages"),
        pytest.param(vapi(messages=[message("x", *["y" * 200] * 2_000)] * 10), id="arguments"),
        pytest.param(vapi(data={"a": [[{"b": "z" * 200}] * 200] * 100}), id="data"),
        pytest.param(vapi(challenge="x" * 5_000_000), id="text"),
    ],
)
def test_cutting_is_quick(payload: object) -> None:
    """However large an error is, bringing it down to size takes no noticeable time of the event loop."""
    error = answered(400, payload)
    started = time.process_time()
    checked(error)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("character", "size"),
    [
        pytest.param("a", 1, id="letter"),
        pytest.param("%", 3, id="percent"),
        pytest.param("\n", 3, id="newline"),
        pytest.param("~", 1, id="tilde"),
        pytest.param("\x7f", 3, id="delete"),
        pytest.param("é", 6, id="two-bytes"),
        pytest.param("虚", 9, id="three-bytes"),
        pytest.param("\U0001f600", 12, id="four-bytes"),
    ],
)
def test_message_counts_as_it_is_sent(character: str, size: int) -> None:
    """A message is measured percent-encoded, as gRPC sends it; what fits is left alone, what does not is cut."""
    fitting = MAX_MESSAGE_BYTES // size
    for length in (fitting - 1, fitting):
        assert status_of(Failure(code_pb2.UNKNOWN, "R", character * length)).message == character * length
    for length in (fitting + 1, 100_000):
        cut = status_of(Failure(code_pb2.UNKNOWN, "R", character * length)).message
        assert cut == character * ((MAX_MESSAGE_BYTES - len(" [cut]")) // size) + " [cut]"
        assert len(escaped(cut)) <= MAX_MESSAGE_BYTES
        assert unquote(escaped(cut).decode()) == cut


def test_empty_message() -> None:
    """An error without text has a status without text."""
    assert status_of(Failure(code_pb2.UNKNOWN, "R", "")) == status_pb2.Status(
        code=code_pb2.UNKNOWN, details=status_of(Failure(code_pb2.UNKNOWN, "R", "")).details
    )


def test_text_that_is_not_unicode() -> None:
    """Bytes that are no UTF-8, as header fields can have them, do not keep an error from being reported."""
    error = Failure(code_pb2.INTERNAL, Reason.GATEWAY_BUG, "a\udcffb", metadata={"k\udcff": "v\ud800"})
    status = status_of(error)
    assert status.message == "a?b"
    assert details(status)[INFO].metadata == {"k?": "v?"}


def test_the_error_itself_is_not_changed() -> None:
    """Making the status cuts copies: the error keeps everything, and makes the same status again."""
    error = answered(400, vapi(messages=[message("x" * 10_000)]))
    first = status_of(error)
    assert status_of(error) == first
    assert len(error.details[0].messages[0].default_message) == 10_000  # type: ignore[attr-defined]
    assert "details_cut" not in error.metadata


def test_repr_has_code_reason_and_text() -> None:
    """Printed, an error shows its code, its reason and its text."""
    assert (
        repr(GatewayError(Failure(code_pb2.ABORTED, "RESOURCE_BUSY", "busy")))
        == "GatewayError(ABORTED, RESOURCE_BUSY, 'busy')"
    )
