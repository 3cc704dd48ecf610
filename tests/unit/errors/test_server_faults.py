"""Which failures are the server's: the one table, and everything that goes by it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from google.rpc import code_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.errors import SERVER_FAULTS
from gateway.tracing.spans import Spans

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "vcenter-gateway"
CODES = [code_pb2.Code.Name(code) for code in range(1, 17)]
_COUNTED = re.compile(r"[A-Z_]+(?:\|[A-Z_]+)+")


def test_they_are_codes() -> None:
    """The table names gRPC codes."""
    assert set(CODES) > SERVER_FAULTS


def test_the_alert_counts_them() -> None:
    """The alert about failing calls counts these codes and no other."""
    rules = (CHART / "templates" / "prometheusrule.yaml").read_text()
    [listed] = re.findall(r'\$failed := "([^"]+)"', rules)
    assert sorted(listed.split("|")) == sorted(SERVER_FAULTS)
    assert _COUNTED.findall(rules) == [listed]


def test_the_dashboard_counts_them() -> None:
    """So does the dashboard, wherever it tells failed calls from others."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    listed = [codes for query in queries for codes in re.findall(r'grpc_code=~"([^"]+)"', query)]
    assert listed
    assert all(sorted(codes.split("|")) == sorted(SERVER_FAULTS) for codes in listed)


@pytest.mark.parametrize("code", CODES)
def test_spans_are_errors(code: str) -> None:
    """The span of an rpc is an error exactly for these codes."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    Spans(provider, "http://vcenter").begin("lab.v1.LabService/Get", "", (), "r").end(code, "REASON")
    [span] = exporter.get_finished_spans()
    assert (not span.status.is_unset) == (code in SERVER_FAULTS)
    assert (span.attributes or {}).get("error.type") == (code if code in SERVER_FAULTS else None)


def test_they_are_documented_once() -> None:
    """One page lists them, from the table; the others lead there and cannot say something else."""
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    [listed] = re.findall(r"generated: server faults -->\s*(.*?)\s*<!--", page, re.DOTALL)
    assert listed == ", ".join(f"`{code}`" for code in sorted(SERVER_FAULTS))
    assert "DATA_LOSS" not in (ROOT / "docs" / "operate" / "operations.md").read_text()
