"""Reads the metrics back: the numbers on the status page are those that Prometheus gets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from gateway.admin.families import PREFIX

__all__ = ["Latency", "Summary", "quantile", "summarize"]


@dataclass(slots=True)
class Latency:
    """Durations of the calls of one rpc, in seconds."""

    rpc: str
    calls: int = 0
    failed: int = 0
    buckets: list[tuple[float, float]] = field(default_factory=list)
    """Upper bounds, with the number of calls up to each."""

    def quantile(self, share: float) -> float:
        return quantile(self.buckets, share)


@dataclass(slots=True)
class Summary:
    """Sums over all workers."""

    totals: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By the name of the metric without the prefix, summed over all labels."""
    states: dict[str, float] = field(default_factory=dict)
    """Workers by the state of their breaker."""
    expiries: dict[str, float] = field(default_factory=dict)
    """Expiry of certificates, in seconds since the epoch."""
    issuers: dict[str, float] = field(default_factory=dict)
    """Whether the last request for the keys of each JWT issuer succeeded: 1 or 0."""
    latencies: list[Latency] = field(default_factory=list)
    """Of the called rpcs, the most frequently called first."""


def summarize(registry: CollectorRegistry) -> Summary:
    """The current numbers."""
    summary = Summary()
    by_rpc: dict[str, Latency] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            name, labels, value = sample.name.removeprefix(PREFIX), sample.labels, sample.value
            summary.totals[name] += value
            if name == "breaker_state":
                summary.states[labels["state"]] = value
            elif name == "certificate_expiry_timestamp_seconds":
                summary.expiries[labels["certificate"]] = value
            elif name == "issuer_up":
                summary.issuers[labels["issuer"]] = value
            elif name in ("rpcs_total", "rpc_duration_seconds_bucket"):
                rpc = f"{labels['grpc_service']}/{labels['grpc_method']}"
                latency = by_rpc.setdefault(rpc, Latency(rpc))
                if name == "rpcs_total":
                    latency.calls += int(value)
                    latency.failed += int(value) if labels["grpc_code"] != "OK" else 0
                else:
                    latency.buckets.append((float(labels["le"]), value))
    for latency in by_rpc.values():
        latency.buckets.sort()
    summary.latencies = sorted(by_rpc.values(), key=lambda latency: (-latency.calls, latency.rpc))
    return summary


def quantile(buckets: Iterable[tuple[float, float]], share: float) -> float:
    """The time within which this share of the calls ended, estimated like Prometheus: linearly within a bucket."""
    buckets = list(buckets)
    rank = share * buckets[-1][1] if buckets else 0.0
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return 0.0
