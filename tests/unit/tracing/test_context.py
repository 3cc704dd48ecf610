"""W3C Trace Context, as callers send it."""

from __future__ import annotations

import pytest

from gateway.tracing.context import parent_in, trace_fields

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
LONG = f"01-{TRACE}-{SPAN}-01-"


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(GOOD, {"traceparent": GOOD}, id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", {"traceparent": f"00-{TRACE}-{SPAN}-00"}, id="not-sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-ff", {"traceparent": f"00-{TRACE}-{SPAN}-ff"}, id="flags-to-come"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01", {"traceparent": GOOD}, id="version-to-come"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-more-to.come", {"traceparent": GOOD}, id="version-with-more"),
        pytest.param(LONG.ljust(512, "x"), {"traceparent": GOOD}, id="512-characters"),
    ],
)
def test_a_parent(value: str, headers: dict[str, str]) -> None:
    """What is well-formed is taken, and passed on in the form of the version that is known here."""
    parent = parent_in([("other", "x"), ("traceparent", value)])
    assert parent is not None
    assert (parent.trace_id, parent.span_id, parent.headers) == (TRACE, SPAN, headers)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([], id="none"),
        pytest.param([("traceparent", "")], id="empty"),
        pytest.param([("traceparent", GOOD.upper())], id="capitals"),
        pytest.param([("traceparent", GOOD[:-1])], id="too-short"),
        pytest.param([("traceparent", GOOD + "0")], id="too-long"),
        pytest.param([("traceparent", GOOD + "-")], id="more-than-version-00-has"),
        pytest.param([("traceparent", GOOD + "\n")], id="line-end"),
        pytest.param([("traceparent", f"cc-{TRACE}-{SPAN}-01.more")], id="more-without-a-dash"),
        pytest.param([("traceparent", f"ff-{TRACE}-{SPAN}-01")], id="version-ff"),
        pytest.param([("traceparent", f"00-{'0' * 32}-{SPAN}-01")], id="no-trace"),
        pytest.param([("traceparent", f"00-{TRACE}-{'0' * 16}-01")], id="no-span"),
        pytest.param([("traceparent", f"00-{TRACE[:-1]}g-{SPAN}-01")], id="no-hexadecimal-digit"),
        pytest.param([("traceparent", LONG.ljust(513, "x"))], id="513-characters"),
        pytest.param([("traceparent", GOOD.encode())], id="bytes"),
        pytest.param([("traceparent", GOOD), ("traceparent", GOOD)], id="twice"),
        pytest.param([("tracestate", "a=1")], id="state-alone"),
    ],
)
def test_no_parent(metadata: list[tuple[str, str | bytes]]) -> None:
    """What is not well-formed, or cannot be told apart, is as good as nothing."""
    assert parent_in(metadata) is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param(["a=1"], "a=1", id="one"),
        pytest.param(["vendor@sys=x,b=2"], "vendor@sys=x,b=2", id="two"),
        pytest.param(["a=1", "b=2"], "a=1,b=2", id="in-parts"),
        pytest.param(["a=1 , ,b=2"], "a=1 , ,b=2", id="spaces-and-an-empty-one"),
        pytest.param(["a=1,b"], "", id="malformed"),
        pytest.param(["a=1,b=ü"], "", id="not-ascii"),
        pytest.param([",".join(f"k{number}=1" for number in range(32))], ..., id="32-entries"),
        pytest.param([",".join(f"k{number}=1" for number in range(33))], "", id="33-entries"),
        pytest.param([f"a={'x' * 250},b={'x' * 257}"], "", id="a-value-of-257"),
        pytest.param([f"a={'x' * 252},b={'x' * 255}"], ..., id="512-characters"),
        pytest.param([f"a={'x' * 252},b={'x' * 256}"], "", id="513-characters"),
        pytest.param([b"a=1"], "", id="bytes"),
    ],
)
def test_the_state(states: list[str | bytes], expected: str) -> None:
    """It is passed on as it came, or not at all; either way the parent stands."""
    parent = parent_in([("traceparent", GOOD), *(("tracestate", state) for state in states)])
    assert parent is not None
    assert parent.state == (states[0] if expected is ... else expected)
    assert parent.headers.get("tracestate", "") == parent.state


def test_fields_of_the_log() -> None:
    """Only ids that there are become fields."""
    assert trace_fields(TRACE, SPAN) == {"trace_id": TRACE, "span_id": SPAN}
    assert trace_fields(TRACE, "") == {"trace_id": TRACE}
    assert trace_fields("", "") == {}
