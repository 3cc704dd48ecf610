"""The definitions of the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.printable import OTHER_NAME

__all__ = ["FAMILIES", "PREFIX", "Family", "metrics_table"]

PREFIX = "vcenter_gateway_"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its series."""

    name: str
    """Without the prefix."""
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    of_workers: Literal["livesum", "livemin", "livemax"] = "livesum"
    """How the gauges of several workers are combined."""

    @property
    def full_name(self) -> str:
        return PREFIX + self.name


# gRPC's labels have the names of go-grpc-prometheus and similar libraries. A bare `service` is Prometheus' label for
# the scraped Kubernetes service, which would replace ours.
FAMILIES = (
    Family("rpcs_total", "counter", ("grpc_service", "grpc_method", "grpc_code"), "Completed rpcs, by gRPC code."),
    Family(
        "rpc_duration_seconds",
        "histogram",
        ("grpc_service", "grpc_method"),
        "Duration of rpcs, including the time that vCenter took.",
    ),
    Family("rpcs_in_flight", "gauge", (), "Unary rpcs in flight."),
    Family("streams_open", "gauge", (), "Open streams."),
    Family(
        "streams_oldest_seconds",
        "gauge",
        (),
        "Age of the oldest open stream.",
        "livemax",
    ),
    Family("stream_messages_total", "counter", ("grpc_service", "grpc_method"), "Messages sent on streams."),
    Family(
        "stream_duration_seconds",
        "histogram",
        ("grpc_service", "grpc_method"),
        "Duration of ended streams.",
    ),
    Family(
        "live_hubs",
        "gauge",
        (),
        "Open requests that wait for changes at vCenter, one for each credential that watches.",
    ),
    Family(
        "vcenter_calls_total",
        "counter",
        ("operation", "status"),
        "Completed REST calls to vCenter, including those for sessions. The status is the HTTP status of the response; "
        "if there was none, the reason, or CANCELLED.",
    ),
    Family(
        "vcenter_call_duration_seconds",
        "histogram",
        ("operation",),
        "Duration of REST calls, without the time that they waited for their turn.",
    ),
    Family("vcenter_connections", "gauge", (), "Connections to vCenter, in use or idle."),
    Family("vcenter_retries_total", "counter", ("operation",), "Retried REST calls."),
    Family(
        "shared_reads_total",
        "counter",
        ("result",),
        "Reads whose callers accept an older response (cache-control: max-age): hit (answered from memory), joined "
        "(waited for another caller's read), miss (sent to vCenter).",
    ),
    Family("shared_reads_bytes", "gauge", (), "Size of the responses that are kept for such reads."),
    Family("sessions_open", "gauge", (), "Sessions with vCenter that the gateway keeps open."),
    Family("session_logins_total", "counter", (), "Successful logins."),
    Family(
        "session_logins_rejected_total",
        "counter",
        (),
        "Logins that vCenter rejected because of the user name or the password.",
    ),
    Family(
        "sessions_ended_total",
        "counter",
        ("cause",),
        "Sessions that ended while they were needed: expired (ended by vCenter), renewed (replaced before vCenter "
        "would end it), displaced (evicted to make room for another credential's session).",
    ),
    Family("limiter_places", "gauge", (), "Maximum number of concurrent calls to vCenter."),
    Family("limiter_active", "gauge", (), "Calls to vCenter in flight."),
    Family("limiter_waiting", "gauge", (), "Calls that wait for their turn."),
    Family("limiter_refused_total", "counter", (), "Calls that were refused because too many were waiting."),
    Family(
        "breaker_state",
        "gauge",
        ("state",),
        "Workers whose circuit breaker is in this state: closed (calls reach vCenter), open or half-open.",
    ),
    Family(
        "vcenter_usable",
        "gauge",
        (),
        "Workers that can call vCenter: their circuit breaker is closed, and vCenter's certificate is trusted. "
        "The health service `vcenter` reports the same.",
    ),
    Family(
        "transcoding_failures_total",
        "counter",
        ("reason",),
        "Rpcs whose request (REQUEST_INVALID) or whose response from vCenter could not be translated.",
    ),
    Family(
        "schema_drift_total",
        "counter",
        ("message", "field"),
        "Fields of vCenter's responses that the contract does not know or that cannot be read, and unknown enum "
        "values: then the labels are the enum and the value. A name that is not 1 to 64 letters, digits, `_` and `.` "
        f"may be a secret and counts as `{OTHER_NAME}`. At most 1000 different names for each worker.",
    ),
    Family(
        "certificate_expiry_timestamp_seconds",
        "gauge",
        ("certificate",),
        "When a certificate expires, in seconds since the epoch: gateway (the one that callers see), vcenter (the one "
        "seen on the last connection).",
        "livemin",
    ),
    Family(
        "file_changes_total",
        "counter",
        ("result",),
        "Files that changed while the gateway was running (certificates, keys, passwords, tokens, policy): used (the "
        "new content is in use), refused (the new content cannot be used, and the old one stays in use).",
    ),
    Family(
        "issuer_requests_total",
        "counter",
        ("issuer", "result"),
        "Requests for the keys of JWT issuers: fetched, or failed (the known keys stay in use).",
    ),
    Family(
        "issuer_up",
        "gauge",
        ("issuer",),
        "Whether the latest request for the keys of a JWT issuer succeeded: 1 or 0.",
        "livemin",
    ),
    Family(
        "issuer_keys_timestamp_seconds",
        "gauge",
        ("issuer",),
        "When the keys of a JWT issuer were last fetched, in seconds since the epoch; 0 if they never were.",
        "livemin",
    ),
    Family("audit_records_lost_total", "counter", (), "Audit log records that could not be written."),
    Family(
        "log_lines_dropped_total",
        "counter",
        (),
        "Log lines that were dropped because nothing read the output of the process.",
    ),
    Family("build_info", "gauge", ("version", "python"), "Always 1; the labels have the running versions.", "livemax"),
)


def metrics_table() -> str:
    """All metrics as a Markdown table, for docs/reference/metrics.md."""
    rows = ["| Metric | Type | Labels | Description |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.full_name}` | {family.kind} | {labels} | {family.meaning} |")
    return "\n".join(rows)
