"""From requests to REST calls: method, path, query and body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

import pytest
from google.protobuf.message import DecodeError

from gateway.contract import load_contract
from gateway.errors import GatewayError
from gateway.transcoding import Binding, RestRequest, compile_bindings
from gateway.transcoding.binding import MAX_TARGET_BYTES

Encode = Callable[..., RestRequest]
Violations = Callable[..., Mapping[str, str]]


@pytest.mark.parametrize(
    ("rpc", "fields", "expected"),
    [
        pytest.param("Search", {}, RestRequest("GET", "/lab", None), id="nothing"),
        pytest.param(
            "Find", {"vm": "vm-1", "pid": 7}, RestRequest("GET", "/lab/vm-1/pid/7?action=find", None), id="get"
        ),
        pytest.param("Act", {}, RestRequest("POST", "/v?action=act", None), id="post-without-body"),
        pytest.param(
            "Make",
            {"vm": "vm-1", "spec": {"size": 0}},
            RestRequest("POST", "/lab/vm-1?action=make", b'{"size_MiB":0}'),
            id="one-field-is-the-body",
        ),
        pytest.param(
            "Make",
            {"vm": "vm-1", "spec": {}, "note": "a"},
            RestRequest("POST", "/lab/vm-1?action=make&note=a", b"{}"),
            id="body-and-query",
        ),
        pytest.param(
            "Whole",
            {"vm": "vm-1", "note": "", "spec": {"on": False}},
            RestRequest("POST", "/lab/vm-1/whole", b'{"note":"","spec":{"on":false}}'),
            id="everything-else-is-the-body",
        ),
        pytest.param("Whole", {"vm": "vm-1"}, RestRequest("POST", "/lab/vm-1/whole", b"{}"), id="empty-body"),
        pytest.param("Tag", {"tags": ["a", "b"]}, RestRequest("PUT", "/lab/tags", b'["a","b"]'), id="list-is-the-body"),
    ],
)
def test_calls(encode: Encode, rpc: str, fields: dict[str, object], expected: RestRequest) -> None:
    """Each field of a request goes where the rule says: into the path, the body, or else the query."""
    assert encode(rpc, **fields) == expected


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        pytest.param("vm-1001", "vm-1001", id="identifier"),
        pytest.param("AZaz09-._~", "AZaz09-._~", id="unreserved"),
        pytest.param("a/b", "a%2Fb", id="slash"),
        pytest.param("../../session", "..%2F..%2Fsession", id="dots-and-slashes"),
        pytest.param("a b", "a%20b", id="space"),
        pytest.param("a+b", "a%2Bb", id="plus"),
        pytest.param("a?b=c&d", "a%3Fb%3Dc%26d", id="query"),
        pytest.param("a#b", "a%23b", id="fragment"),
        pytest.param("50%", "50%25", id="percent"),
        pytest.param("%2e%2e", "%252e%252e", id="escaped-dots"),
        pytest.param("%2F", "%252F", id="escaped-slash"),
        pytest.param("a\x00b", "a%00b", id="nul"),
        pytest.param("a\r\nb", "a%0D%0Ab", id="newline"),
        pytest.param("\t", "%09", id="tab"),
        pytest.param("äß", "%C3%A4%C3%9F", id="latin"),
        pytest.param("虚拟机", "%E8%99%9A%E6%8B%9F%E6%9C%BA", id="chinese"),
        pytest.param("\U0001f600", "%F0%9F%98%80", id="emoji"),
        pytest.param("{vm}", "%7Bvm%7D", id="braces"),
        pytest.param("{}{0}", "%7B%7D%7B0%7D", id="format-string"),
        pytest.param("a\\b", "a%5Cb", id="backslash"),
        pytest.param("...", "...", id="three-dots"),
        pytest.param(".a", ".a", id="leading-dot"),
        pytest.param("a:b@c;d", "a%3Ab%40c%3Bd", id="delimiters"),
    ],
)
def test_path_values(encode: Encode, value: str, segment: str) -> None:
    """Whatever a value in the path is, it stays one segment and means the same when it is decoded."""
    assert encode("Find", vm=value, pid=1).target == f"/lab/{segment}/pid/1?action=find"
    assert unquote(segment) == value


@pytest.mark.parametrize("pid", [1, -1, 2**63 - 1, -(2**63)])
def test_integers_in_the_path(encode: Encode, pid: int) -> None:
    """An integer in the path is written in full."""
    assert encode("Find", vm="vm-1", pid=pid).target == f"/lab/vm-1/pid/{pid}?action=find"


DOTS = "must not be '.' or '..'"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"vm": "", "pid": 1}, {"vm": "is required"}, id="empty"),
        pytest.param({"vm": "a"}, {"pid": "is required"}, id="zero"),
        pytest.param({}, {"vm": "is required", "pid": "is required"}, id="nothing"),
        pytest.param({"vm": ".", "pid": 1}, {"vm": DOTS}, id="dot"),
        pytest.param({"vm": "..", "pid": 1}, {"vm": DOTS}, id="dots"),
    ],
)
def test_path_values_that_are_refused(
    violations: Violations, fields: dict[str, object], expected: dict[str, str]
) -> None:
    """A value that would make another path of it is refused: none, '.' and '..'."""
    assert violations("Find", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"names": ["a"]}, "names=a", id="list-of-one"),
        pytest.param({"names": ["a", "", "a"]}, "names=a&names=&names=a", id="list-repeats-its-key"),
        pytest.param(
            {"names": ["a&b=c", "d e", "+/", "é"]}, "names=a%26b%3Dc&names=d%20e&names=%2B%2F&names=%C3%A9", id="text"
        ),
        pytest.param({"on": True}, "on=true", id="true"),
        pytest.param({"on": False}, "on=false", id="false"),
        pytest.param({"size": 0}, "size_MiB=0", id="zero-under-its-wire-name"),
        pytest.param({"size": -5}, "size_MiB=-5", id="negative"),
        pytest.param({"kind": 3}, "kind=HUGE", id="enum"),
        pytest.param({"kinds": [1, 2]}, "kinds=BIG&kinds=SMALL", id="enums"),
        pytest.param({"ratio": 1e22}, "ratio=1e%2B22", id="decimal"),
        pytest.param({"size": 1, "names": ["x"], "on": True}, "names=x&on=true&size_MiB=1", id="order-of-the-proto"),
    ],
)
def test_queries(encode: Encode, fields: dict[str, object], query: str) -> None:
    """Fields that neither path nor body takes are query parameters; a list repeats its key."""
    assert encode("Search", **fields) == RestRequest("GET", f"/lab?{query}", None)


def test_literal_query_comes_first(encode: Encode) -> None:
    """The rule's own query stays in front of the parameters."""
    assert encode("Find", vm="v", pid=1, text="").target == "/lab/v/pid/1?action=find&text="


def test_mistakes_in_the_query(violations: Violations) -> None:
    """Query parameters are checked like the rest of a request."""
    assert list(violations("Search", kind=0, kinds=[1, 9], ratio=float("nan"))) == ["kind", "kinds[1]", "ratio"]


FIXED = len("/lab//pid/1?action=find")


@pytest.mark.parametrize(
    ("vm", "size"),
    [
        pytest.param("x" * (MAX_TARGET_BYTES - FIXED - 1), MAX_TARGET_BYTES - 1, id="below"),
        pytest.param("x" * (MAX_TARGET_BYTES - FIXED), MAX_TARGET_BYTES, id="at"),
        pytest.param(
            "é" * ((MAX_TARGET_BYTES - FIXED) // 6), FIXED + (MAX_TARGET_BYTES - FIXED) // 6 * 6, id="escaped"
        ),
    ],
)
def test_longest_target(encode: Encode, vm: str, size: int) -> None:
    """A target as long as vCenter's proxy takes is sent."""
    assert len(encode("Find", vm=vm, pid=1).target) == size


@pytest.mark.parametrize(
    ("rpc", "fields", "field", "size"),
    [
        pytest.param("Find", {"vm": "x" * (MAX_TARGET_BYTES - FIXED + 1)}, "vm", MAX_TARGET_BYTES + 1, id="above"),
        pytest.param("Find", {"vm": "a", "text": "x" * 20_000}, "text", FIXED + 20_007, id="in-the-query"),
        pytest.param("Find", {"vm": "/" * 6_000}, "vm", FIXED + 18_000, id="escaped"),
        pytest.param("Search", {"names": ["x" * 93] * 1_000, "on": True}, "names", 100_012, id="many-values"),
    ],
)
def test_too_long_targets(violations: Violations, rpc: str, fields: dict[str, object], field: str, size: int) -> None:
    """A longer target is refused; the violation names the field that makes it so long."""
    if rpc == "Find":
        fields = {"pid": 1, **fields}
    text = f"makes the URL {size} bytes long; vCenter accepts at most {MAX_TARGET_BYTES}"
    assert violations(rpc, **fields) == {field: text}


def test_a_long_body_is_not_limited(encode: Encode) -> None:
    """The limit is the target's: a body may be longer."""
    body = encode("Make", vm="v", spec={"text": "x" * 100_000}).body
    assert body is not None
    assert len(body) == 100_011


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_text_that_is_not_unicode(lab: Callable[[str], Binding], text: bytes) -> None:
    """Bytes that are no UTF-8 never get as far as a path: protobuf refuses the request."""
    with pytest.raises(DecodeError):
        lab("Find").request_class.FromString(b"\x0a" + bytes([len(text)]) + text)


def test_secrets_are_not_shown(lab: Callable[[str], Binding]) -> None:
    """Printing a call shows no body: it may hold a guest password."""
    secret = "Gulf-0f-Finland"
    request = lab("Make").encode(lab("Make").request_class(vm="v", spec={"text": secret}))
    assert secret not in repr(request)
    with pytest.raises(GatewayError) as caught:
        lab("Make").encode(lab("Make").request_class(spec={"text": secret}))
    assert secret not in repr(caught.value)


BINDINGS = compile_bindings(load_contract())


@pytest.mark.parametrize(
    ("rpc", "fields", "expected"),
    [
        pytest.param(
            "vcenter.v1.VmService/ListVms",
            {"names": ["web 1", "db"], "power_states": ["POWERED_ON"]},
            RestRequest("GET", "/api/vcenter/vm?names=web%201&names=db&power_states=POWERED_ON", None),
            id="list-of-machines",
        ),
        pytest.param(
            "vcenter.vm.hardware.v1.CdromService/UpdateCdrom",
            {"vm": "vm-1", "cdrom": "16000", "spec": {"start_connected": False}},
            RestRequest("PATCH", "/api/vcenter/vm/vm-1/hardware/cdrom/16000", b'{"start_connected":false}'),
            id="update",
        ),
        pytest.param(
            "vcenter.vm.guest.v1.EnvironmentService/GetEnvironment",
            {
                "vm": "vm-1",
                "name": "ProgramFiles(x86)",
                "credentials": {"type": 1, "interactive_session": False, "user_name": "u", "password": "p"},
            },
            RestRequest(
                "POST",
                "/api/vcenter/vm/vm-1/guest/environment/ProgramFiles%28x86%29?action=get",
                b'{"credentials":{"interactive_session":false,"type":"USERNAME_PASSWORD","user_name":"u","password":"p"}}',
            ),
            id="guest-environment",
        ),
    ],
)
def test_of_vcenter(rpc: str, fields: dict[str, object], expected: RestRequest) -> None:
    """vCenter's own operations come out as its documentation has them."""
    binding = BINDINGS[rpc]
    request = binding.encode(binding.request_class(**fields))
    assert request == expected._replace(operation=binding.method.operation)
