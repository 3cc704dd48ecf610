"""Protos that contradict themselves stop the start, with the name of the rpc or the message that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.contract import ContractError
from gateway.transcoding import compile_bindings
from tests.protos import contract_of

REST = """
  string vm = 1 [(google.api.field_behavior) = REQUIRED];
  Spec spec = 2 [(google.api.field_behavior) = REQUIRED];
"""


def service(
    rule: str,
    *,
    rpc: str = "rpc Do(DoRequest) returns (DoResponse)",
    request: str = REST,
    response: str = "optional string pid = 1;",
    spec: str = "optional Kind kind = 1; optional int64 size = 2;",
    kind: str = "KIND_UNSPECIFIED = 0; KIND_BIG = 1;",
) -> str:
    """A proto that is right but for what a test changes in it."""
    return f"""
service LabService {{ {rpc} {{ {rule} }} }}
message DoRequest {{ {request} }}
message DoResponse {{ {response} }}
message Spec {{ {spec} }}
enum Kind {{ {kind} }}
"""


def http(text: str) -> str:
    return f"option (google.api.http) = {{{text}}};"


RULE = http('post: "/api/vm/{vm}" body: "spec" response_body: "pid"')
NO_BODY = http('post: "/api/vm/{vm}"')
NO_QUERY = "which a query cannot hold"


def union(text: str) -> str:
    return f"option (vapi.v1.unions) = {{{text}}}; optional Kind kind = 1; optional int64 size = 2;"


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ContractError) as caught:
        compile_bindings(contract_of(folder, text))
    return str(caught.value)


def test_the_proto_is_right_otherwise(tmp_path: Path) -> None:
    """The proto from which the others differ in one thing each is accepted."""
    assert list(compile_bindings(contract_of(tmp_path, service(RULE)))) == ["lab.v1.LabService/Do"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            service(RULE, rpc="rpc Do(DoRequest) returns (stream DoResponse)"),
            "a REST call has one request and one answer, so the rpc cannot stream",
            id="server-streaming",
        ),
        pytest.param(
            service(RULE, rpc="rpc Do(stream DoRequest) returns (DoResponse)"),
            "a REST call has one request and one answer, so the rpc cannot stream",
            id="client-streaming",
        ),
        pytest.param(
            service(http('body: "*"')),
            "the rule must be exactly one of get, put, post, delete, patch",
            id="no-verb",
        ),
        pytest.param(
            service(http('custom: {kind: "HEAD" path: "/api/vm"}')),
            "the rule must be exactly one of get, put, post, delete, patch",
            id="custom-verb",
        ),
        pytest.param(
            service(http('get: "/api/vm/{vm}" additional_bindings: {get: "/api/machine/{vm}"}')),
            "the rule must be exactly one of get, put, post, delete, patch",
            id="two-rules",
        ),
        pytest.param(
            service(http('post: "api/vm/{vm}"')), "the path 'api/vm/{vm}' does not start with a slash", id="path"
        ),
        pytest.param(
            service(http('post: "/api/vm/{machine}"')),
            "the path names {machine}, which is not a field of lab.v1.DoRequest",
            id="variable-that-is-no-field",
        ),
        pytest.param(
            service(http('post: "/api/vm/{vm}" body: "specs"')),
            "body names 'specs', which is not a free field of lab.v1.DoRequest",
            id="body-that-is-no-field",
        ),
        pytest.param(
            service(http('post: "/api/vm/{vm}" body: "vm"')),
            "body names 'vm', which is not a free field of lab.v1.DoRequest",
            id="body-that-is-in-the-path",
        ),
        pytest.param(
            service(RULE, request="string vm = 1; Spec spec = 2;"),
            "the body 'spec' must be marked REQUIRED",
            id="body-not-required",
        ),
        pytest.param(
            service(http('post: "/api/vm/{vm}" body: "spec" response_body: "id"')),
            "response_body names 'id', which is not a field of lab.v1.DoResponse",
            id="response-body-that-is-no-field",
        ),
        pytest.param(
            service(RULE, response="optional string pid = 1; optional string more = 2;"),
            "lab.v1.DoResponse has fields beside the response_body 'pid', which nothing can fill",
            id="fields-beside-the-response-body",
        ),
        pytest.param(
            service(NO_BODY, request="optional string vm = 1;"),
            "the path field 'vm' must be a plain string or integer",
            id="path-field-with-presence",
        ),
        pytest.param(
            service(NO_BODY, request="repeated string vm = 1;"),
            "the path field 'vm' must be a plain string or integer",
            id="path-field-is-a-list",
        ),
        pytest.param(
            service(NO_BODY, request="bool vm = 1;"),
            "the path field 'vm' must be a plain string or integer",
            id="path-field-is-a-boolean",
        ),
        pytest.param(
            service(NO_BODY, request="Kind vm = 1;"),
            "the path field 'vm' must be a plain string or integer",
            id="path-field-is-an-enum",
        ),
        pytest.param(service(NO_BODY), f"the field 'spec' is a message, {NO_QUERY}", id="message-in-the-query"),
        pytest.param(
            service(NO_BODY, request="string vm = 1; map<string, string> tags = 2;"),
            f"the field 'tags' is a message, {NO_QUERY}",
            id="map-in-the-query",
        ),
        pytest.param(
            service(http('post: "/api/vm/{vm}?action=run"'), request="string vm = 1; optional string action = 2;"),
            "the query has 'action' already, which 'action' would fill as well",
            id="query-field-beside-the-same-literal",
        ),
        pytest.param(
            service(RULE, spec="optional bytes content = 1;"),
            "field lab.v1.Spec.content: vCenter's JSON has no form for bytes",
            id="bytes-in-a-request",
        ),
        pytest.param(
            service(RULE, response="optional bytes pid = 1;"),
            "field lab.v1.DoResponse.pid: vCenter's JSON has no form for bytes",
            id="bytes-in-a-response",
        ),
        pytest.param(
            service(RULE, spec="map<int64, string> tags = 1;"),
            "field lab.v1.Spec.tags: only strings can be keys of a map in JSON",
            id="numbers-as-keys-in-a-request",
        ),
        pytest.param(
            service(RULE, response="map<bool, string> pid = 1;"),
            "field lab.v1.DoResponse.pid: only strings can be keys of a map in JSON",
            id="booleans-as-keys-in-a-response",
        ),
        pytest.param(
            service(RULE, kind="KIND_NONE = 0; KIND_BIG = 1;"),
            "enum lab.v1.Kind: the zero value must be named ..._UNSPECIFIED",
            id="enum-without-unspecified",
        ),
        pytest.param(
            service(RULE, kind="KIND_UNSPECIFIED = 0; BIG = 1;"),
            "enum lab.v1.Kind: BIG does not start with KIND_",
            id="enum-value-without-prefix",
        ),
    ],
)
def test_rpcs(tmp_path: Path, text: str, sentence: str) -> None:
    """An rpc that cannot be translated is refused with its name and a sentence."""
    assert refusal(tmp_path, text) == f"rpc lab.v1.LabService/Do: {sentence}"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param(union('tag: "type"'), "union: the tag 'type' is not an enum field", id="tag-that-is-no-field"),
        pytest.param(union('tag: "size"'), "union: the tag 'size' is not an enum field", id="tag-that-is-no-enum"),
        pytest.param(
            union('tag: "kind" cases: {value: "SMALL"}'),
            "union kind: 'SMALL' is not a value of lab.v1.Kind",
            id="case-that-is-no-value",
        ),
        pytest.param(
            union('tag: "kind" cases: {value: "KIND_BIG"}'),
            "union kind: 'KIND_BIG' is not a value of lab.v1.Kind",
            id="case-with-prefix",
        ),
        pytest.param(
            union('tag: "kind" cases: {value: "BIG" required: ["weight"]}'),
            "union kind: there is no field 'weight'",
            id="required-field-that-does-not-exist",
        ),
        pytest.param(
            union('tag: "kind" cases: {value: "BIG" optional: ["weight"]}'),
            "union kind: there is no field 'weight'",
            id="optional-field-that-does-not-exist",
        ),
    ],
)
def test_messages(tmp_path: Path, spec: str, sentence: str) -> None:
    """A message whose description is wrong is refused with its name and a sentence."""
    assert refusal(tmp_path, service(RULE, spec=spec)) == f"message lab.v1.Spec: {sentence}"


@pytest.mark.parametrize("kind", ["optional int64", "optional bytes", "google.protobuf.Struct", "map<string, string>"])
def test_json_text_in_other_fields(tmp_path: Path, kind: str) -> None:
    """Only a string can be marked as JSON text."""
    text = service(RULE, spec=f"{kind} cause = 1 [(vapi.v1.json_text) = true];")
    assert refusal(tmp_path, text) == "field lab.v1.Spec.cause: only a string can hold JSON as text"


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        pytest.param(
            'optional int64 state = 1 [(vapi.v1.open_enum) = "vapi.std.errors.v1.ErrorType"];',
            "only a string can hold values of an open enum",
            id="number",
        ),
        pytest.param(
            'repeated string state = 1 [(vapi.v1.open_enum) = "lab.v1.State"];',
            "there is no enum 'lab.v1.State'",
            id="unknown",
        ),
    ],
)
def test_open_enums(tmp_path: Path, field: str, sentence: str) -> None:
    """An open enum is named by a string, and has to be there."""
    assert refusal(tmp_path, service(RULE, spec=field)) == f"field lab.v1.Spec.state: {sentence}"
