"""Whatever an error holds, its status fits into the headers of a response and keeps the most important of it."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import MAX_DETAILS_BYTES, MAX_MESSAGE_BYTES, Failure, status_of
from gateway.transcoding.encoder import Violation
from tests.property.strategies import CONTRACT, any_text, json_values, long_text, messages

MANY = settings(max_examples=settings().max_examples * 10)
TEXTS = st.one_of(any_text, long_text)
ERROR: Any = CONTRACT.message_class("vapi.std.errors.v1.Error")


def escaped(message: str) -> int:
    """The size of a status message as gRPC sends it."""
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in message.encode())


@st.composite
def long_errors(draw: st.DrawFn) -> Message:
    """vAPI errors with long texts and many parts."""
    error = ERROR(challenge=draw(long_text))
    for _ in range(draw(st.integers(0, 3))):
        message = error.messages.add(id=draw(long_text), default_message=draw(long_text))
        message.args.extend([draw(long_text)] * draw(st.integers(0, 500)))
        message.params[draw(long_text)].s = draw(long_text)
    keys = st.one_of(st.text(max_size=9), long_text)
    error.data.update(draw(st.dictionaries(keys, st.one_of(json_values, long_text), max_size=5)))
    return error  # type: ignore[no-any-return]


DETAILS = st.lists(
    st.one_of(
        messages("vapi.std.errors.v1.Error", valid=False),
        long_errors(),
        st.builds(error_details_pb2.LocalizedMessage, locale=st.just("en-US"), message=long_text),
        st.builds(error_details_pb2.RequestInfo, request_id=st.text(max_size=50)),
    ),
    max_size=4,
)


def checked(error: Failure) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo of an error's status, which must fit."""
    status = status_of(error)
    assert status.ByteSize() <= MAX_DETAILS_BYTES
    assert escaped(status.message) <= MAX_MESSAGE_BYTES
    assert escaped(status.message) + len(base64.b64encode(status.SerializeToString())) <= 8 * 1024 - 512
    assert status_pb2.Status.FromString(status.SerializeToString()) == status
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


@MANY
@given(
    code=st.integers(1, 16),
    reason=TEXTS,
    message=TEXTS,
    domain=any_text,
    metadata=st.dictionaries(any_text, TEXTS, max_size=4),
    details=DETAILS,
    retry_delay=st.one_of(st.none(), st.floats(0, 3600)),
)
def test_everything_fits(
    code: int,
    reason: str,
    message: str,
    domain: str,
    metadata: dict[str, str],
    details: list[Message],
    retry_delay: float | None,
) -> None:
    """An error with arbitrary content has a status that fits, with its code, and with reason and metadata."""
    error = Failure(code, reason, message, domain=domain, metadata=metadata, details=details, retry_delay=retry_delay)
    info = checked(error)
    assert status_of(error).code == code
    assert info.reason[:30] == reason.encode(errors="replace").decode()[:30] or len(reason) > 30
    assert len(info.metadata) >= len({key.encode(errors="replace") for key in metadata})


@MANY
@given(violations=st.lists(st.builds(Violation, TEXTS.filter(str.isprintable), st.text(max_size=80)), max_size=200))
def test_violations_fit(violations: list[Violation]) -> None:
    """A request with arbitrary mistakes has a status that fits and has the first of them."""
    error = Failure.of_request(violations)
    checked(error)
    if violations:
        bad_request = error_details_pb2.BadRequest()
        assert status_of(error).details[1].Unpack(bad_request)
        first = bad_request.field_violations[0]
        assert violations[0].field.startswith(first.field.partition(" [cut: ")[0])


@MANY
@given(message=st.text(max_size=1_000))
def test_messages_are_cut_at_characters(message: str) -> None:
    """What is left of a message that is too long is its beginning."""
    cut = status_of(Failure(code_pb2.UNKNOWN, "R", message)).message
    assert cut == message or message.startswith(cut.removesuffix(" [cut]"))
    assert (cut == message) is (escaped(message) <= MAX_MESSAGE_BYTES)
