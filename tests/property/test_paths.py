"""Whatever stands in a path: the URL has the segments of the rule, and vCenter reads the value that was meant."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.rpc import code_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.contract import Variable
from gateway.errors import GatewayError
from tests.property.strategies import BINDINGS, path_text, requests

SAFE = re.compile(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+")
WITH_PATH = [name for name, binding in BINDINGS.items() if binding.method.rule.variables]


def texts(rpc: str) -> list[str]:
    """The variables of an rpc that are texts."""
    fields = BINDINGS[rpc].method.input_type.fields_by_name
    return [name for name in BINDINGS[rpc].method.rule.variables if fields[name].type == FieldDescriptor.TYPE_STRING]


@pytest.mark.parametrize("rpc", WITH_PATH)
@given(data=st.data())
def test_segments(rpc: str, data: st.DataObject) -> None:
    """The raw path has exactly the rule's segments in a URL's own characters; each variable decodes to its value."""
    binding, request = BINDINGS[rpc], data.draw(requests(rpc))
    for name in texts(rpc):
        setattr(request, name, data.draw(path_text))
    path = binding.encode(request).target.partition("?")[0]
    assert SAFE.fullmatch(path)
    segments = path.split("/")[1:]
    assert len(segments) == len(binding.method.rule.segments)
    for segment, expected in zip(segments, binding.method.rule.segments, strict=True):
        assert segment not in ("", ".", "..")
        meant = getattr(request, expected.name) if isinstance(expected, Variable) else expected
        assert unquote(segment, errors="strict") == str(meant)


def with_value(rpc: str, name: str, value: str) -> Any:
    """A request whose path is right but for this value."""
    request = BINDINGS[rpc].request_class()
    for field in BINDINGS[rpc].method.input_type.fields:
        if field.name in BINDINGS[rpc].method.rule.variables:
            setattr(request, field.name, "x" if field.type == FieldDescriptor.TYPE_STRING else 1)
    setattr(request, name, value)
    return request


@pytest.mark.parametrize("value", ["", ".", ".."])
@pytest.mark.parametrize(("rpc", "name"), [(rpc, name) for rpc in WITH_PATH for name in texts(rpc)])
def test_refused_values(rpc: str, name: str, value: str) -> None:
    """No rpc takes an empty value, '.' or '..' in its path."""
    with pytest.raises(GatewayError) as caught:
        BINDINGS[rpc].encode(with_value(rpc, name, value))
    assert caught.value.failure.code == code_pb2.INVALID_ARGUMENT
    [bad_request] = caught.value.failure.details
    assert name in {violation.field for violation in bad_request.field_violations}  # type: ignore[attr-defined]


@given(value=st.text())
@example(value="%2e%2e")
@example(value="..;/")
def test_any_text_is_sent_or_refused(value: str) -> None:
    """A text is either sent so that it means the same, or refused; nothing else happens."""
    rpc = "vcenter.v1.VmService/GetVm"
    try:
        target = BINDINGS[rpc].encode(with_value(rpc, "vm", value)).target
    except GatewayError:
        assert value in ("", ".", "..")
    else:
        assert unquote(target.removeprefix("/api/vcenter/vm/"), errors="strict") == value
        assert target.count("/") == 4
