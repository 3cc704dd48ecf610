"""Values of counters as vCenter returns them: texts, which may be anything."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import GatewayError, Reason
from gateway.live.metrics.catalogue import Counter
from gateway.live.metrics.queries import Question, Series, ask
from gateway.vim import Data, Ref

COUNTER = Counter(key=2, name="cpu.usage.average", description="", unit="percent", level=1)
TIMES = "20,2026-03-01T00:00:00Z,20,2026-03-01T00:00:20Z"


class VCenter:
    """Answers with these samples."""

    def __init__(self, times: str, values: str) -> None:
        series = Data("PerfMetricSeriesCSV", id=Data("PerfMetricId", counterId=2, instance=""), value=values)
        entity = Ref("VirtualMachine", "vm-1")
        self._entity = Data("PerfEntityMetricCSV", entity=entity, sampleInfoCSV=times, value=[series])

    async def call(self, *_: Any) -> Any:
        """The result of a query."""
        return [self._entity]


async def read(times: str, values: str) -> list[Series]:
    """The samples of a machine."""
    client: Any = VCenter(times, values)
    return await ask(client, Ref("PerformanceManager", "PerfMgr"), ["vm-1"], Question([COUNTER], 20, most=2))


async def test_samples() -> None:
    """Numbers by their times; a gap is left out."""
    [series] = await read(TIMES, "1250,-1")
    assert [value for _, value in series.samples] == [12.5]


@pytest.mark.parametrize(
    ("times", "values"),
    [
        pytest.param(TIMES, "1,NaN", id="no-number"),
        pytest.param(TIMES, "1.5,2", id="fraction"),
        pytest.param(TIMES, "9" * 5000, id="endless"),
        pytest.param("20,yesterday", "1", id="no-time"),
        pytest.param("20,2026-13-01T00:00:00Z", "1", id="no-month"),
    ],
)
async def test_what_is_no_sample(times: str, values: str) -> None:
    """The response is unusable, which is vCenter's fault, not the gateway's."""
    with pytest.raises(GatewayError) as raised:
        await read(times, values)
    assert raised.value.failure.reason == Reason.VCENTER_RESPONSE_INVALID
