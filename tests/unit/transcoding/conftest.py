"""A laboratory of rpcs: every kind of field, body and result once, under names that are easy to tell apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
import pytest
from google.protobuf.message import Message

from gateway.contract import Contract
from gateway.errors import GatewayError
from gateway.transcoding import Binding, RestRequest, RestResponse, compile_bindings
from tests.protos import contract_of

PROTO = """
service Lab {
  rpc Search(SearchRequest) returns (TextResponse) { option (google.api.http) = {get: "/lab"}; }
  rpc Find(FindRequest) returns (VoidResponse) { option (google.api.http) = {get: "/lab/{vm}/pid/{pid}?action=find"}; }
  rpc Make(MakeRequest) returns (TextResponse) {
    option (google.api.http) = {post: "/lab/{vm}?action=make" body: "spec" response_body: "text"};
  }
  rpc Whole(WholeRequest) returns (NumberResponse) {
    option (google.api.http) = {post: "/lab/{vm}/whole" body: "*" response_body: "number"};
  }
  rpc Tag(TagRequest) returns (VoidResponse) { option (google.api.http) = {put: "/lab/tags" body: "tags"}; }
  rpc GetNumber(Nothing) returns (NumberResponse) { option (google.api.http) = {get: "/n" response_body: "number"}; }
  rpc GetFlag(Nothing) returns (FlagResponse) { option (google.api.http) = {get: "/f" response_body: "flag"}; }
  rpc GetNames(Nothing) returns (NamesResponse) { option (google.api.http) = {get: "/l" response_body: "names"}; }
  rpc GetItems(Nothing) returns (ItemsResponse) { option (google.api.http) = {get: "/i" response_body: "items"}; }
  rpc GetCounts(Nothing) returns (CountsResponse) { option (google.api.http) = {get: "/c" response_body: "counts"}; }
  rpc GetById(Nothing) returns (ByIdResponse) { option (google.api.http) = {get: "/m" response_body: "by_id"}; }
  rpc GetItem(Nothing) returns (ItemResponse) { option (google.api.http) = {get: "/o" response_body: "item"}; }
  rpc GetWhole(Nothing) returns (Item) { option (google.api.http) = {get: "/w"}; }
  rpc Act(Nothing) returns (VoidResponse) { option (google.api.http) = {post: "/v?action=act"}; }
  rpc Read(Nothing) returns (TextResponse) {
    option (google.api.http) = {post: "/r?action=read" response_body: "text"};
    option idempotency_level = NO_SIDE_EFFECTS;
  }
}
message Nothing {}
message SearchRequest {
  repeated string names = 1;
  optional bool on = 2;
  optional int64 size = 3 [json_name = "size_MiB"];
  optional Kind kind = 4;
  repeated Kind kinds = 5;
  optional double ratio = 6;
}
message FindRequest {
  string vm = 1 [(google.api.field_behavior) = REQUIRED];
  int64 pid = 2;
  optional string text = 3;
}
message MakeRequest {
  string vm = 1 [(google.api.field_behavior) = REQUIRED];
  Spec spec = 2 [(google.api.field_behavior) = REQUIRED];
  optional string note = 3;
}
message WholeRequest {
  string vm = 1 [json_name = "VM"];
  optional string note = 2;
  Spec spec = 3;
}
message TagRequest { repeated string tags = 1 [(google.api.field_behavior) = REQUIRED]; }
message VoidResponse {}
message TextResponse { optional string text = 1; }
message NumberResponse { optional int64 number = 1; }
message FlagResponse { optional bool flag = 1; }
message NamesResponse { repeated string names = 1; }
message ItemsResponse { repeated Item items = 1; }
message CountsResponse { map<string, int64> counts = 1; }
message ByIdResponse { map<string, Item> by_id = 1; }
message ItemResponse { Item item = 1; }
message Spec {
  optional bool on = 1;
  optional int64 size = 2 [json_name = "size_MiB"];
  optional string text = 3;
  optional double ratio = 4;
  optional Kind kind = 5;
  google.protobuf.Timestamp at = 6;
  google.protobuf.Struct free = 7;
  repeated string names = 8;
  map<string, string> labels = 9;
  repeated Kind kinds = 10;
  map<string, Kind> kind_by_name = 11;
  repeated Part parts = 12;
  map<string, Part> part_by_name = 13;
  Part part = 14;
  optional uint64 big = 15;
  optional int32 small = 16;
  repeated double ratios = 17;
  Drive drive = 18;
  optional string shape = 19 [(vapi.v1.open_enum) = "lab.v1.Kind"];
  repeated string shapes = 20 [(vapi.v1.open_enum) = "lab.v1.Kind"];
}
message Part {
  optional string name = 1 [(google.api.field_behavior) = REQUIRED];
  repeated string screws = 2 [(google.api.field_behavior) = REQUIRED];
  map<string, string> marks = 3 [(google.api.field_behavior) = REQUIRED];
  optional Kind kind = 4;
  Part part = 5;
}
message Drive {
  option (vapi.v1.unions) = {
    tag: "kind"
    cases: {value: "BIG" required: ["file", "sizes"] optional: ["speed"]}
    cases: {value: "SMALL" optional: ["speed"]}
  };
  optional Kind kind = 1;
  optional string file = 2;
  repeated int64 sizes = 3 [json_name = "sizes_MiB"];
  optional int64 speed = 4;
  optional string label = 5;
}
message Item {
  optional string name = 1;
  optional int64 size = 2 [json_name = "size_MiB"];
  optional bool on = 3;
  optional double ratio = 4;
  optional Kind kind = 5;
  google.protobuf.Timestamp at = 6;
  google.protobuf.Struct free = 7;
  repeated Item items = 8;
  map<string, Item> item_by_name = 9;
  map<string, int64> counts = 10;
  repeated Kind kinds = 11;
  optional int32 small = 12;
  optional uint32 natural = 13;
  optional uint64 big = 14;
  Item item = 15;
  repeated int64 sizes = 16;
  optional string cause = 17 [(vapi.v1.json_text) = true];
}
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_BIG = 1;
  KIND_SMALL = 2;
  KIND_HUGE = 3;
}
"""


@pytest.fixture(scope="session")
def lab_contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("lab"), PROTO)


@pytest.fixture(scope="session")
def lab(lab_contract: Contract) -> Callable[[str], Binding]:
    """The bindings of the laboratory by the name of the rpc."""
    bindings = compile_bindings(lab_contract)
    return lambda name: bindings[f"lab.v1.Lab/{name}"]


@pytest.fixture(scope="session")
def encode(lab: Callable[[str], Binding]) -> Callable[..., RestRequest]:
    """Encodes a request that is given by its fields."""

    def encode(name: str, **fields: object) -> RestRequest:
        binding = lab(name)
        return binding.encode(binding.request_class(**fields))._replace(operation="")

    return encode


@pytest.fixture(scope="session")
def spec_json(encode: Callable[..., RestRequest]) -> Callable[..., object]:
    """The JSON of a `Spec` that is given by its fields."""

    def spec_json(**fields: object) -> object:
        body = encode("Make", vm="vm-1", spec=fields).body
        assert body is not None
        return orjson.loads(body)

    return spec_json


@pytest.fixture(scope="session")
def violations(encode: Callable[..., RestRequest]) -> Callable[..., Mapping[str, str]]:
    """The mistakes of a request by the path of their field."""

    def violations(name: str, **fields: object) -> Mapping[str, str]:
        with pytest.raises(GatewayError) as caught:
            encode(name, **fields)
        [bad_request] = caught.value.failure.details
        found = [(item.field, item.description) for item in bad_request.field_violations]  # type: ignore[attr-defined]
        assert len(found) == len(dict(found)), "a field is listed twice"
        assert caught.value.failure.message == "; ".join(f"{field} {text}" for field, text in found)
        return dict(found)

    return violations


@pytest.fixture(scope="session")
def decode(lab: Callable[[str], Binding]) -> Callable[..., Message]:
    """Decodes an answer of HTTP status 200 that is given by its JSON or its bytes."""

    def decode(name: str, body: object, *, status: int = 200, kind: str = "application/json") -> Message:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return lab(name).decode(RestResponse(status, {"content-type": kind}, content))

    return decode
