"""How the metrics are counted.

There are two kinds of numbers: events of a call are counted immediately, with the label values of an rpc resolved at
its first call; state that is kept elsewhere (sessions, limiter, breaker, drift) is read by `refresh`, before each
scrape or, in a worker, once a second. No label contains caller input, and none grows without limit.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway import __version__
from gateway.admin.families import FAMILIES, Family
from gateway.admin.source import Counted
from gateway.admin.timings import Series, Timings
from gateway.calls import Call
from gateway.errors import Reason
from gateway.events import CallEnded, Events, Exchanged, FileChanged, KeysFetched, Retried
from gateway.log_stream import dropped_lines
from gateway.vcenter.breaker import BreakerState
from gateway.vcenter.client import VCenter

__all__ = ["Metrics"]

_STREAM_BUCKETS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_MAX_UNKNOWN = 1000
_MAX_NAME = 100
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_STATUSES = frozenset(int(status) for status in HTTPStatus)
_TRANSCODING = frozenset({Reason.REQUEST_INVALID, Reason.VCENTER_RESPONSE_INVALID, Reason.VCENTER_RESPONSE_TOO_LARGE})
_OTHER = "other"


class Metrics(Events):
    """The metrics of one process, which subscribes to its events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # They would double the series without useful information.
        prometheus_client.disable_created_metrics()
        families = {family.name: family for family in FAMILIES}
        rpcs = self._rpc_timings = Timings(
            families.pop("rpcs_total"),
            unary=(families.pop("rpc_duration_seconds"), _BUCKETS),
            stream=(families.pop("stream_duration_seconds"), _STREAM_BUCKETS),
        )
        operations = self._operation_timings = Timings(
            families.pop("vcenter_calls_total"), operation=(families.pop("vcenter_call_duration_seconds"), _BUCKETS)
        )
        registry.register(rpcs)
        registry.register(operations)
        self._families: dict[str, Any] = {name: _make(family, registry) for name, family in families.items()}
        self._rpcs: dict[str, Series] = {}
        self._operations: dict[str, Series] = {}
        self._messages: dict[str, Callable[[], None]] = {}
        self._unknown: set[tuple[str, str]] = set()
        self._seen: dict[Counter, float] = {}
        self._expiries: dict[str, bytes] = {}
        self._families["build_info"].labels(__version__, platform.python_version()).set(1)

    def call_ended(self, ended: CallEnded) -> None:
        """Counts a completed rpc."""
        method, failure = ended.method, ended.failure
        rpc = self._rpcs.get(method.full_name)
        if rpc is None:
            kind = "unary" if method.is_unary else "stream"
            rpc = self._rpcs[method.full_name] = self._rpc_timings.add(kind, method.service, method.name)
        rpc.ended("OK" if failure is None else failure.code_name, ended.seconds)
        if failure is not None and failure.reason in _TRANSCODING:
            self._families["transcoding_failures_total"].labels(failure.reason).inc()

    def message_sent(self, call: Call) -> None:
        """Counts a message of a stream."""
        method = call.binding.method
        count = self._messages.get(method.full_name)
        if count is None:
            series = self._families["stream_messages_total"].labels(method.service, method.name)
            count = self._messages[method.full_name] = series.inc
        count()

    def exchanged(self, exchanged: Exchanged) -> None:
        """Counts a completed REST call."""
        operation, outcome = exchanged.operation, exchanged.outcome
        series = self._operations.get(operation)
        if series is None:
            series = self._operations[operation] = self._operation_timings.add("operation", operation)
        series.ended(_OTHER if isinstance(outcome, int) and outcome not in _STATUSES else outcome, exchanged.seconds)

    def retried(self, retried: Retried) -> None:
        """Counts a retried REST call."""
        self._families["vcenter_retries_total"].labels(retried.call.binding.method.operation).inc()

    def file_changed(self, changed: FileChanged) -> None:
        """Counts a changed file."""
        self._families["file_changes_total"].labels("refused" if changed.problem else "used").inc()

    def keys_fetched(self, fetched: KeysFetched) -> None:
        """Counts a request for the keys of an issuer."""
        issuer = fetched.issuer
        self._families["issuer_requests_total"].labels(issuer, "failed" if fetched.problem else "fetched").inc()
        self._families["issuer_up"].labels(issuer).set(not fetched.problem)
        fetched_at = self._families["issuer_keys_timestamp_seconds"].labels(issuer)
        if not fetched.problem:
            fetched_at.set(time.time())

    def unknown_field(self, message: str, field: str) -> None:
        """Counts a field that the contract does not know."""
        self._drifted(message, field)

    def unknown_enum_value(self, enum: str, value: str) -> None:
        """Counts a value of an enum that the contract does not know."""
        self._drifted(enum, value)

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        """Counts a value that cannot be read."""
        self._drifted(message, field)

    def replaced_text(self, message: str) -> None:
        """Counts a response with invalid text."""
        self._drifted(message, "U+FFFD")

    def _drifted(self, owner: str, name: str) -> None:
        key = (owner, name[:_MAX_NAME])
        # Limited, because the names come from outside.
        if key in self._unknown or len(self._unknown) < _MAX_UNKNOWN:
            self._unknown.add(key)
            self._families["schema_drift_total"].labels(*key).inc()

    def refresh(self, gateway: Counted) -> None:
        """Reads state that is kept elsewhere."""
        self._families["rpcs_in_flight"].set(gateway.active_calls)
        self._families["streams_open"].set(len(gateway.streams))
        self._families["streams_oldest_seconds"].set(gateway.streams.oldest_seconds)
        self._families["live_hubs"].set(0 if gateway.watching is None else len(gateway.watching.hubs))
        self._advance(self._families["log_lines_dropped_total"], dropped_lines())
        self._families["vcenter_usable"].set(gateway.is_vcenter_usable)
        if gateway.audit is not None:
            self._advance(self._families["audit_records_lost_total"], gateway.audit.lost)
        if gateway.tls is not None:
            self._expires("gateway", gateway.tls.certificate(), is_pem=True)
        if gateway.vcenter is not None:
            self._refresh_vcenter(gateway.vcenter)

    def _refresh_vcenter(self, vcenter: VCenter) -> None:
        limiter, counts = vcenter.limiter, vcenter.session_counts
        self._families["vcenter_connections"].set(vcenter.connections)
        self._families["sessions_open"].set(vcenter.open_sessions)
        self._families["limiter_places"].set(limiter.limit)
        self._families["limiter_active"].set(limiter.active)
        self._families["limiter_waiting"].set(limiter.waiting)
        self._advance(self._families["session_logins_total"], counts.logins)
        self._advance(self._families["session_logins_rejected_total"], counts.rejected)
        self._advance(self._families["limiter_refused_total"], limiter.refused)
        for cause in ("expired", "renewed", "displaced"):
            self._advance(self._families["sessions_ended_total"].labels(cause), getattr(counts, cause))
        for state in BreakerState:
            self._families["breaker_state"].labels(state).set(vcenter.breaker.state is state)
        if certificate := vcenter.certificate:
            self._expires("vcenter", certificate, is_pem=False)
        self._families["shared_reads_bytes"].set(vcenter.reads.kept_bytes)
        for result in ("hit", "joined", "miss"):
            self._advance(self._families["shared_reads_total"].labels(result), getattr(vcenter.reads.counts, result))

    def _advance(self, counter: Counter, total: float) -> None:
        """Advances a counter to a total that is kept elsewhere, which started at 0 with this process."""
        counter.inc(max(0, total - self._seen.get(counter, 0)))
        self._seen[counter] = total

    def _expires(self, which: str, certificate: bytes, *, is_pem: bool) -> None:
        if self._expiries.get(which) == certificate:
            return
        self._expiries[which] = certificate
        # Imported here: it needs megabytes, and not every gateway has certificates.
        from cryptography import x509

        load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
        with contextlib.suppress(ValueError):  # Then nothing trusts it, which is not a concern of the metrics.
            expiry = load(certificate).not_valid_after_utc.timestamp()
            self._families["certificate_expiry_timestamp_seconds"].labels(which).set(expiry)


def _make(family: Family, registry: CollectorRegistry) -> Counter | Gauge:
    name, meaning, labels = family.full_name, family.meaning, family.labels
    if family.kind == "counter":
        return Counter(name, meaning, labels, registry=registry)
    return Gauge(name, meaning, labels, registry=registry, multiprocess_mode=family.of_workers)
