"""The translation between JSON and messages alone, without a server."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any, cast

import orjson
from google.protobuf import json_format

from gateway.contract import load_contract
from gateway.transcoding import RestResponse, compile_bindings
from gateway.transcoding.encoder import Encoders
from tests.bench.lab import Lab, rotated
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_CALLS = 2_000


def measure(lab: Lab) -> Section:
    """Decoding and encoding the response of GetVm, compared with protobuf's own json_format."""
    contract = load_contract()
    binding = compile_bindings(contract)["vcenter.v1.VmService/GetVm"]
    answer = RestResponse(200, {"content-type": "application/json"}, lab.vm_body)
    message = cast(Any, binding.decode(answer))
    encode_vm = Encoders(contract).message(message.vm.DESCRIPTOR)
    # protobuf's JSON of the same message: json_format supports neither vCenter's enum values nor bare results.
    text = json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)
    empty = binding.response_class

    def encode() -> bytes:
        return orjson.dumps(encode_vm(message.vm, []))

    ways: dict[str, Callable[[], object]] = {
        "decode, gateway": lambda: binding.decode(answer),
        "decode, json_format": lambda: json_format.Parse(text, empty()),
        "encode, gateway": encode,
        "encode, json_format": lambda: json_format.MessageToJson(
            message, preserving_proto_field_name=True, indent=None
        ),
    }
    assert json_format.Parse(text, empty()) == message
    assert binding.decode(RestResponse(200, answer.headers, encode())) == message
    calls = lab.calls(_CALLS)
    values: dict[str, list[float]] = {label: [] for label in ways}
    for order in rotated(list(ways), lab.rounds):
        for label in order:
            seconds = timeit.timeit(ways[label], timer=time.process_time, number=calls)
            values[label].append(seconds / calls * 1e6)
    ours, theirs = (
        [sum(both) for both in zip(values[f"decode, {who}"], values[f"encode, {who}"], strict=True)]
        for who in ("gateway", "json_format")
    )
    return Section(
        "codec",
        "Codec alone",
        f"GetVm's result, {len(answer.body)} bytes of JSON: from bytes to the message and back, {calls} times a round. "
        "CPU time of the process. json_format gets the same message in protobuf's own JSON.",
        "µs",
        [Series(label, series) for label, series in values.items()],
        [
            Figure("decode and encode: times as fast as json_format", "x", ratios(theirs, ours), 5, 8, at_least=True),
            *(
                Figure(
                    f"{what} alone",
                    "x",
                    ratios(values[f"{what}, json_format"], values[f"{what}, gateway"]),
                    at_least=True,
                )
                for what in ("decode", "encode")
            ),
        ],
    )
