"""PerformanceManager: the catalogue of counters, and values of machines."""

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import VimError, invalid_argument, not_found
from gateway.simulator.vim.performance import COUNTERS, INTERVALS, LIVE, Counter, instances, sample_times, value
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.values import Data, Typed

__all__: list[str] = []

_MOST_METRICS = 256
_PERIODS = (LIVE, *(int(item["samplingPeriod"]) for item in INTERVALS))


@method("PerformanceManager", "QueryPerfCounter")
def _counters(call: VimCall) -> list[Data]:
    found = []
    for position, item in enumerate(call.arguments.all("counterId")):
        counter = COUNTERS.get(int(item.content)) if item.content.isdecimal() else None
        if counter is None:
            raise invalid_argument(f"counterId[{position}]")
        found.append(counter.to_data())
    return found


@method("PerformanceManager", "QueryPerfProviderSummary")
def _summary(call: VimCall) -> Data:
    entity = call.arguments.ref("entity")
    if call.world.find(entity) is None:
        raise not_found(entity)
    return Data(
        "PerfProviderSummary",
        entity=entity,
        currentSupported=entity.type == "VirtualMachine",
        summarySupported=True,
        refreshRate=LIVE if entity.type == "VirtualMachine" else None,
    )


@method("PerformanceManager", "QueryAvailablePerfMetric")
def _available(call: VimCall) -> list[Data]:
    machine = call.find("entity")
    interval = call.arguments.number("intervalId")
    if not isinstance(machine, VirtualMachine) or (interval == LIVE and machine.power_state != "POWERED_ON"):
        return []
    return [
        Data("PerfMetricId", counterId=counter.key, instance=instance)
        for counter in COUNTERS.values()
        for instance in instances(machine, counter)
    ]


@method("PerformanceManager", "QueryPerf")
def _query(call: VimCall) -> list[Typed]:
    specs = call.arguments.all("querySpec")
    metrics = sum(max(1, len(spec.all("metricId"))) for spec in specs)
    if metrics > _MOST_METRICS:
        details = "The number of metrics is limited by config.vpxd.stats.maxQueryMetrics."
        raise VimError("RestrictedByAdministrator", details, details=details)
    found = (_entity(call, spec, f"querySpec[{position}]") for position, spec in enumerate(specs))
    return [Typed(item) for item in found if item is not None]


def _entity(call: VimCall, spec: Arguments, name: str) -> Data | None:
    """The series of one machine; None if it has none."""
    entity = spec.ref("entity")
    machine = call.world.find(entity)
    if machine is None:
        raise not_found(entity)
    interval = spec.number("intervalId") or 300
    if interval not in _PERIODS:
        raise invalid_argument(f"{name}.intervalId")
    if not isinstance(machine, VirtualMachine):
        raise invalid_argument(f"{name}.entity")
    times = sample_times(
        machine, interval, spec.time("startTime"), spec.time("endTime"), spec.number("maxSample"), call.now
    )
    if not times:
        return None
    wanted = [
        (counter, instance, [value(machine, counter, instance, moment) for moment in times])
        for counter, instance in _metrics(spec, machine)
    ]
    if spec.optional_text("format") == "csv":
        stamps = ",".join(f"{interval},{moment.isoformat().replace('+00:00', 'Z')}" for moment in times)
        series = [
            Data("PerfMetricSeriesCSV", id=_id(counter, instance), value=",".join(map(str, values)))
            for counter, instance, values in wanted
        ]
        return Data("PerfEntityMetricCSV", entity=entity, sampleInfoCSV=stamps, value=series)
    return Data(
        "PerfEntityMetric",
        entity=entity,
        sampleInfo=[Data("PerfSampleInfo", timestamp=moment, interval=interval) for moment in times],
        value=[
            Typed(Data("PerfMetricIntSeries", id=_id(counter, instance), value=values))
            for counter, instance, values in wanted
        ],
    )


def _metrics(spec: Arguments, machine: VirtualMachine) -> list[tuple[Counter, str]]:
    """The requested metrics that exist; all counters if none is requested. `*` means all instances."""
    asked = [(item.number("counterId"), item.optional_text("instance") or "") for item in spec.all("metricId")]
    if not asked:
        asked = [(key, "*") for key in COUNTERS]
    return [
        (COUNTERS[key], present)
        for key, instance in asked
        if key in COUNTERS
        for present in instances(machine, COUNTERS[key])
        if instance in (present, "*")
    ]


def _id(counter: Counter, instance: str) -> Data:
    return Data("PerfMetricId", counterId=counter.key, instance=instance)
