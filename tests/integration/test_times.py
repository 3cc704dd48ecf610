"""Times in requests to the gateway's own services, which no JSON but any bytes can have: all are valid, or refused."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.calls import Basic
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, Failure, System, failure

EVENTS, METRICS = "vcenter.gateway.v1.WatchService/ListEvents", "vcenter.gateway.v1.MetricsService/QueryMetrics"
FIRST, LAST = -62135596800, 253402300799
"""The seconds of the years 1 and 9999."""


async def call(system: System, rpc: str, **fields: Any) -> None:
    """Raises Failure."""
    binding = system.gateway.bindings[rpc]
    request: Any = binding.request_class()
    for name, value in fields.items():
        target = getattr(request, name)
        if isinstance(value, Timestamp):
            target.seconds, target.nanos = value.seconds, value.nanos
        else:
            target.extend(value)
    metadata = (("authorization", Basic(ADMINISTRATOR, PASSWORD).header),)
    try:
        await system.client.stub(binding)(request, metadata=metadata, timeout=30)
    except grpc.aio.AioRpcError as error:
        raise failure(error, system.gateway.contract) from None


@pytest.mark.parametrize(
    "fields",
    [{"rpc": EVENTS}, {"rpc": METRICS, "vms": ["vm-1001"], "metrics": ["cpu.usage.average"]}],
    ids=["events", "metrics"],
)
@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    ("seconds", "nanos", "is_valid"),
    [
        (FIRST - 1, 0, False),
        (FIRST, 0, True),
        (LAST, 999_999_999, True),
        (LAST, 1_000_000_000, False),
        (LAST + 1, 0, False),
        (0, -1, False),
        (0, 2**31 - 1, False),
    ],
)
async def test_times(
    system: System, fields: dict[str, Any], name: str, seconds: int, nanos: int, is_valid: bool
) -> None:
    """At their limits they are accepted; beyond them the field is named."""
    time = Timestamp(seconds=seconds, nanos=nanos)
    if is_valid:
        await call(system, **fields, **{name: time})
        return
    with pytest.raises(Failure) as caught:
        await call(system, **fields, **{name: time})
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in caught.value.details["google.rpc.BadRequest"]["field_violations"]] == [name]
