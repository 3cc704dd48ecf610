"""What workers reported becomes one sum, and what happens now is told from what has happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.rpc import code_pb2
from prometheus_client import CollectorRegistry

from gateway.admin.metrics import Metrics
from gateway.admin.rates import RateMeter
from gateway.admin.recent import MAX_ERRORS, ErrorGroup, RecentErrors, merge_errors
from gateway.admin.shared import WorkerReports, make_report
from gateway.admin.summary import Latency, Summary
from gateway.contract import load_contract
from gateway.errors import Failure
from gateway.events import CallEnded

RPC = "vcenter.vm.v1.PowerService/GetPower"
LABELS = {"grpc_service": "vcenter.vm.v1.PowerService", "grpc_method": "GetPower"}


def record(code: str = "OK", reason: str = "", request_id: str = "id", rpc: str = RPC) -> CallEnded:
    service, _, name = rpc.partition("/")
    method = replace(load_contract().methods[RPC], service=service, name=name)
    failure = None if code == "OK" else Failure(code_pb2.Code.Value(code), reason, "")
    return CallEnded(method, request_id, "ipv4:192.0.2.7:40312", 0.01, failure)


class Worker:
    """What one worker counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.errors = RecentErrors()

    def call(self, times: int = 1, **how: str) -> None:
        for _ in range(times):
            self.metrics.call_ended(record(**how))
            self.errors.call_ended(record(**how))

    def gauge(self, name: str, value: float, *labels: str) -> None:
        family: Any = self.metrics._families[name]
        (family.labels(*labels) if labels else family).set(value)

    def report(self) -> str:
        return make_report(self.registry, self.errors).decode()


def test_counters_outlive_workers() -> None:
    """Counters are summed, and those of a worker that ended stay; the one in its place begins at zero."""
    reports, first, second, third = WorkerReports(), Worker(), Worker(), Worker()
    first.call(3)
    second.call(5)
    reports.take(1, first.report())
    reports.take(2, second.report())

    def counted(name: str, **labels: str) -> float | None:
        return reports.registry.get_sample_value(f"vcenter_gateway_{name}", LABELS | labels)

    assert counted("rpcs_total", grpc_code="OK") == 8
    reports.worker_ended(1)
    assert counted("rpcs_total", grpc_code="OK") == 8
    third.call(2)
    third.call(1, code="NOT_FOUND")
    for _ in range(2):
        reports.take(1, third.report())
    assert counted("rpcs_total", grpc_code="OK") == 10
    assert counted("rpcs_total", grpc_code="NOT_FOUND") == 1
    assert counted("rpc_duration_seconds_bucket", le="+Inf") == 11
    assert counted("rpc_duration_seconds_sum") == pytest.approx(0.11)


def test_gauges_end_with_their_worker() -> None:
    """Gauges are those of the workers that live: a sum, of certificates the earliest end."""
    reports = WorkerReports()
    for number, end in ((1, 200.0), (2, 100.0)):
        worker = Worker()
        worker.gauge("sessions_open", number)
        worker.gauge("certificate_expiry_timestamp_seconds", end, "vcenter")
        reports.take(number, worker.report())

    def value(name: str, **labels: str) -> float | None:
        return reports.registry.get_sample_value(f"vcenter_gateway_{name}", labels)

    assert value("sessions_open") == 3
    assert value("certificate_expiry_timestamp_seconds", certificate="vcenter") == 100
    reports.worker_ended(2)
    assert value("sessions_open") == 1
    assert value("certificate_expiry_timestamp_seconds", certificate="vcenter") == 200
    reports.worker_ended(1)
    assert value("sessions_open") is None


@pytest.mark.parametrize(
    ("code", "vm", "machine"),
    [
        ("NOT_FOUND", "vm-1001", "vm-1001"),
        ("INTERNAL", "vm-1001", "vm-1001"),
        ("NOT_FOUND", "hunter2", ""),
        ("NOT_FOUND", "", ""),
        ("NOT_FOUND", "vm-1001<script>", ""),
    ],
)
def test_what_is_told_of_an_error(code: str, vm: str, machine: str) -> None:
    """The machine, where it looks like one; the message where the gateway is at fault, and else vCenter's id of it."""
    contract = load_contract()
    error = contract.message_class(contract.messages["vapi.std.errors.v1.Error"])()
    error.messages.add(id="a secret")
    error.messages.add(id="com.vmware.not_found")
    request = contract.message_class(contract.methods[RPC].input_type)(vm=vm)
    errors = RecentErrors()
    ended = record(code)
    failure = Failure(code_pb2.Code.Value(code), "R", "what the caller was told", details=(error,))
    errors.call_ended(ended._replace(message=request, failure=failure))
    [group] = errors.newest()
    text = "what the caller was told" if code == "INTERNAL" else "com.vmware.not_found"
    assert (group.machine, group.text) == (machine, text)


def test_equal_errors_of_workers() -> None:
    """Equal errors of several workers are one, with the request id of the last one; those of ended ones count too."""
    reports, first, second = WorkerReports(), Worker(), Worker()
    first.call(2, code="NOT_FOUND", request_id="older")
    second.call(3, code="NOT_FOUND", request_id="newer")
    reports.take(1, first.report())
    reports.take(2, second.report())
    reports.worker_ended(1)
    [group] = reports.errors()
    assert (group.count, group.request_id) == (5, "newer")


@pytest.mark.parametrize("count", [MAX_ERRORS - 1, MAX_ERRORS, MAX_ERRORS + 1])
def test_callers_push_out_no_fault(count: int) -> None:
    """The newest errors of each kind are kept: callers' mistakes push out older ones of their kind only."""
    errors = RecentErrors()
    errors.call_ended(record("INTERNAL"))
    for number in range(count):
        errors.call_ended(record("NOT_FOUND", rpc=f"service/{number}"))
    kept = errors.newest()
    assert [group.rpc for group in kept[:-1]] == [f"service/{n}" for n in reversed(range(count))][:MAX_ERRORS]
    assert kept[-1].code == "INTERNAL"
    assert merge_errors(kept) == kept


def test_an_error_again() -> None:
    """An error that comes again is the newest."""
    errors = RecentErrors()
    for code, request_id in (("NOT_FOUND", "1"), ("ABORTED", "2"), ("NOT_FOUND", "3"), ("OK", "4")):
        errors.call_ended(record(code, request_id=request_id))
    assert [(group.code, group.count, group.request_id) for group in errors.newest()] == [
        ("NOT_FOUND", 2, "3"),
        ("ABORTED", 1, "2"),
    ]


def test_merging_keeps_the_newest() -> None:
    """Whichever worker reports first."""
    one, two = (ErrorGroup(RPC, "ABORTED", "", 1, moment, str(moment)) for moment in (1.0, 2.0))
    assert merge_errors([one, two]) == merge_errors([two, one]) == [ErrorGroup(RPC, "ABORTED", "", 2, 2.0, "2.0")]


def totals(calls: int, failed: int = 0, vcenter_calls: float = 0.0) -> Summary:
    summary = Summary(latencies=[Latency(RPC, calls, failed)])
    summary.totals["vcenter_calls_total"] = vcenter_calls
    return summary


def test_rates() -> None:
    """Rates are the average of the last minute, or since the start where that is later; of one second at least."""
    now = 0.0
    meter = RateMeter(lambda: now)
    now = 0.1
    assert meter.rates(totals(5)).calls == 5
    now = 10.0
    rates = meter.rates(totals(50, 10, 100))
    assert (rates.calls, rates.failed, rates.vcenter_calls) == (5, 1, 10)
    assert rates.by_rpc == {RPC: 5}
    meter.sample(totals(50, 10, 100))
    for moment in range(20, 200, 10):
        now = float(moment)
        meter.sample(totals(50, 10, 100))
    assert meter.rates(totals(50, 10, 100)).calls == 0
    now = 200.0
    assert meter.rates(totals(110, 10, 100)).calls == pytest.approx(1, rel=0.2)
    assert len(meter._samples) <= 8
