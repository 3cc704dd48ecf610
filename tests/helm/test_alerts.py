"""The chart's alerts and its dashboard, judged by Prometheus: they fire when they should, and not before."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.helm.chart import CHART, ROOT, VALUE_FILES, VCENTER, only, render
from tests.helm.prometheus import Prometheus, check_rules, dashboard_queries, run_rule_tests
from tests.helm.test_objects import metrics_in
from tests.helm.test_playground import free_ports, run_test, running

OPERATIONS = ROOT / "docs" / "reference" / "alerts.md"
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
DAY = 24 * 60


JOB = "gw-vcenter-gateway"


def rules_of_the_chart(**values_of_rules: Any) -> list[dict[str, Any]]:
    values = {**deepcopy(VCENTER), "metrics": {"prometheusRule": {"enabled": True, **values_of_rules}}}
    groups: list[dict[str, Any]] = only(render(values), "PrometheusRule")["spec"]["groups"]
    return groups


def series(name: str, values: str, pod: str = "gw-0", **labels: str) -> dict[str, str]:
    """One series of a gateway's, in promtool's notation: `1x5` is five minutes of 1, `0+2x5` grows by 2 each."""
    found = {"namespace": "apps", "job": JOB, "pod": pod, **labels}
    inside = ",".join(f'{key}="{value}"' for key, value in found.items())
    return {"series": f"vcenter_gateway_{name}{{{inside}}}", "values": values}


def calls(ok: str, failed: str, code: str = "UNAVAILABLE") -> list[dict[str, str]]:
    return [series("rpcs_total", ok, grpc_code="OK"), series("rpcs_total", failed, grpc_code=code)]


def breaker(closed: str, opened: str, pod: str = "gw-0") -> list[dict[str, str]]:
    return [
        series("breaker_state", values, pod, state=state) for state, values in (("closed", closed), ("open", opened))
    ]


@dataclass(frozen=True)
class Case:
    """What Prometheus has scraped, and how many alerts of one name fire after so many minutes."""

    alert: str
    id: str
    minutes: int
    firing: int
    scraped: list[dict[str, str]] = field(default_factory=list)


# In promtool's notation `_x5` are five scrapes that find nothing. An alert with `for: 1m` fires at the second minute.
CASES = (
    Case("VCenterGatewayDown", "a pod is there", 10, 0, [series("build_info", "1x10")]),
    Case("VCenterGatewayDown", "gone for four minutes", 9, 0, [series("build_info", "1x4 stale _x20")]),
    Case("VCenterGatewayDown", "gone for five", 10, 1, [series("build_info", "1x4 stale _x20")]),
    Case("VCenterGatewayDown", "one of two is gone", 20, 0,
         [series("build_info", "1x30"), series("build_info", "1x4 stale _x20", "gw-1")]),
    Case("VCenterGatewayVCenterDown", "answers", 5, 0, [series("vcenter_usable", "2x10")]),
    Case("VCenterGatewayVCenterDown", "down for less than a minute", 2, 0, [series("vcenter_usable", "2 2 0x10")]),
    Case("VCenterGatewayVCenterDown", "down for a minute", 3, 1, [series("vcenter_usable", "2 2 0x10")]),
    Case("VCenterGatewayVCenterDown", "one of two reaches it", 5, 0,
         [series("vcenter_usable", "0x10"), series("vcenter_usable", "1x10", "gw-1")]),
    Case("VCenterGatewayBreakerOpen", "closed", 5, 0, breaker("1x10", "0x10")),
    Case("VCenterGatewayBreakerOpen", "open for less than a minute", 2, 0, breaker("1 1 0x10", "0 0 1x10")),
    Case("VCenterGatewayBreakerOpen", "one of two, for a minute", 3, 1,
         breaker("1 1 0x10", "0 0 1x10") + breaker("1x10", "0x10", "gw-1")),
    Case("VCenterGatewayLoginRejected", "none", 5, 0, [series("session_logins_rejected_total", "0x10")]),
    Case("VCenterGatewayLoginRejected", "one", 3, 1, [series("session_logins_rejected_total", "0 0 1x20")]),
    Case("VCenterGatewayLoginRejected", "long ago", 20, 0, [series("session_logins_rejected_total", "0 0 1x20")]),
    Case("VCenterGatewayErrors", "one in twenty", 15, 0, calls("0+95x20", "0+5x20")),
    Case("VCenterGatewayErrors", "six in a hundred", 15, 1, calls("0+94x20", "0+6x20")),
    Case("VCenterGatewayErrors", "for less than five minutes", 5, 0, calls("0+94x20", "0+6x20")),
    Case("VCenterGatewayErrors", "mistakes of callers", 15, 0, calls("0+10x20", "0+90x20", "INVALID_ARGUMENT")),
    Case("VCenterGatewayErrors", "no calls", 15, 0, calls("7x20", "7x20")),
    Case("VCenterGatewaySaturated", "nobody waits", 20, 0, [series("limiter_waiting", "0x30")]),
    Case("VCenterGatewaySaturated", "for nine minutes", 9, 0, [series("limiter_waiting", "3x30")]),
    Case("VCenterGatewaySaturated", "for ten", 10, 1, [series("limiter_waiting", "3x30")]),
    Case("VCenterGatewaySaturated", "with a pause", 12, 0, [series("limiter_waiting", "3x5 0 3x20")]),
    Case("VCenterGatewayCallsRefused", "none", 5, 0, [series("limiter_refused_total", "0x10")]),
    Case("VCenterGatewayCallsRefused", "one", 3, 1, [series("limiter_refused_total", "0 0 1x10")]),
    Case("VCenterGatewaySessionsNearCap", "800 of 1000", 15, 0,
         [series("sessions_open", "400x20"), series("sessions_open", "400x20", "gw-1")]),
    Case("VCenterGatewaySessionsNearCap", "801", 15, 1,
         [series("sessions_open", "400x20"), series("sessions_open", "401x20", "gw-1")]),
    Case("VCenterGatewayCertificateExpires", "in more than fourteen days", 90, 0,
         [series("certificate_expiry_timestamp_seconds", f"{15 * 86400}x100", certificate="gateway")]),
    Case("VCenterGatewayCertificateExpires", "in less, for an hour", 90, 1,
         [series("certificate_expiry_timestamp_seconds", f"{14 * 86400}x100", certificate="gateway")]),
    Case("VCenterGatewayCertificateExpires", "both of them", 90, 2,
         [series("certificate_expiry_timestamp_seconds", f"{86400}x100", certificate=name)
          for name in ("gateway", "vcenter")]),
    Case("VCenterGatewayAuditRecordsLost", "none", 5, 0, [series("audit_records_lost_total", "0x10")]),
    Case("VCenterGatewayAuditRecordsLost", "one", 3, 1, [series("audit_records_lost_total", "0 0 1x10")]),
    Case("VCenterGatewayIssuerAway", "is there", 20, 0, [series("issuer_up", "1x30", issuer="a")]),
    Case("VCenterGatewayIssuerAway", "away for fourteen minutes", 15, 0, [series("issuer_up", "1 0x30", issuer="a")]),
    Case("VCenterGatewayIssuerAway", "away for fifteen", 16, 1,
        [series("issuer_up", "1 0x30", issuer="a"), series("issuer_up", "1x30", issuer="b")]),
    Case("VCenterGatewaySchemaDrift", "none", 5, 0, []),
    Case("VCenterGatewaySchemaDrift", "seen for the first time", 5, 1,
         [series("schema_drift_total", "_ _ 1x20", message="m", field="f")]),
    Case("VCenterGatewaySchemaDrift", "not again for a day", DAY + 20, 0,
         [series("schema_drift_total", f"_ _ 1x{DAY + 30}", message="m", field="f")]),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert.removeprefix('VCenterGateway')}-{case.id}")
def test_alerts(case: Case, tmp_path: Path) -> None:
    """Each alert fires when it should, and not a minute before."""
    rules = check_rules(rules_of_the_chart(), tmp_path)
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    expected = {
        "expr": firing,
        "eval_time": f"{case.minutes}m",
        "exp_samples": [{"labels": "{}", "value": case.firing}],
    }
    run_rule_tests([{"interval": "1m", "input_series": case.scraped, "promql_expr_test": [expected]}], rules)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.firing and case.alert != "VCenterGatewayDown"],
    ids=lambda case: f"{case.alert.removeprefix('VCenterGateway')}-{case.id}",
)
def test_alerts_of_two_gateways(case: Case, tmp_path: Path) -> None:
    """What happens to two is told for each of them, and a healthy third one takes nothing from it."""
    rules = check_rules(rules_of_the_chart(selector='namespace=~".+"'), tmp_path)
    healthy = [
        *breaker("1x40", "0x40"),
        *calls("0+900x40", "0x40"),
        series("sessions_open", "1x40"),
        series("limiter_waiting", "0x40"),
    ]
    scraped = [
        {**item, "series": item["series"].replace('namespace="apps"', f'namespace="{namespace}"')}
        for namespace, items in (("east", case.scraped), ("west", case.scraped), ("north", healthy))
        for item in items
    ]
    told = f'count by (namespace, job) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    samples = [
        {"labels": f'{{namespace="{namespace}",job="{JOB}"}}', "value": case.firing} for namespace in ("east", "west")
    ]
    expected = {"expr": told, "eval_time": f"{case.minutes}m", "exp_samples": samples}
    run_rule_tests([{"interval": "1m", "input_series": scraped, "promql_expr_test": [expected]}], rules)


def test_every_alert_has_cases() -> None:
    """One that fires and one that does not, for each."""
    names = {rule["alert"] for group in rules_of_the_chart() for rule in group["rules"]}
    assert {case.alert for case in CASES if case.firing} == names
    assert {case.alert for case in CASES if not case.firing} == names


def test_what_an_alert_says(tmp_path: Path) -> None:
    """The text has the pod and the numbers, as a person writes them."""
    rules = check_rules(rules_of_the_chart(), tmp_path)
    for alert, minutes, scraped, summary in (
        ("VCenterGatewayErrors", 15, calls("0+90x20", "0+10x20"), f"10% of the calls of apps/{JOB} fail."),
        ("VCenterGatewaySaturated", 15, [series("limiter_waiting", "3x20")], "Calls of gw-0 are queued."),
        (
            "VCenterGatewayCertificateExpires",
            60,
            [series("certificate_expiry_timestamp_seconds", f"{2 * 86400 + 3600}x100", certificate="vcenter")],
            f"The vcenter certificate of apps/{JOB} expires in 2d 0h 0m 0s.",
        ),
    ):
        [rule] = [rule for group in rules_of_the_chart() for rule in group["rules"] if rule["alert"] == alert]
        labels = {"namespace": "apps", "job": JOB} | ({"pod": "gw-0"} if alert.endswith("Saturated") else {})
        labels |= {"certificate": "vcenter"} if alert.endswith("Expires") else {}
        description = rule["annotations"]["description"].replace("{{ $value }}", "3")
        fired = {
            "exp_labels": {"severity": "warning", **labels},
            "exp_annotations": {"summary": summary, "description": description},
        }
        told = {"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": [fired]}
        run_rule_tests([{"interval": "1m", "input_series": scraped, "alert_rule_test": [told]}], rules)


@pytest.mark.parametrize("file", VALUE_FILES, ids=lambda file: file.stem.removesuffix("-values"))
def test_prometheus_takes_the_rules(file: Path, tmp_path: Path) -> None:
    """Of every file of values that has any."""
    for item in render({}, file):
        if item["kind"] == "PrometheusRule":
            check_rules(item["spec"]["groups"], tmp_path)


def test_prometheus_takes_the_dashboard(tmp_path: Path) -> None:
    """Every query of it."""
    queries = dashboard_queries(DASHBOARD)
    assert len(queries) > 20
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(queries.values())]
    check_rules([{"name": "dashboard", "rules": rules}], tmp_path)


def test_queries_find_the_gateway(tmp_path: Path) -> None:
    """A Prometheus that scrapes a real gateway answers every query of the dashboard with data, and every alert's;
    only what the gateway has had nothing to count of may be missing."""
    grpc, admin, port = free_ports(3)
    objects = render({"simulator": {"enabled": True}, "ports": {"host": "127.0.0.1", "grpc": grpc, "admin": admin}})
    with (
        running(objects, tmp_path),
        Prometheus.scraping(f"127.0.0.1:{admin}", port, tmp_path) as prometheus,
    ):
        assert run_test(objects, grpc, tmp_path).returncode == 0
        prometheus.wait_for("count_over_time(vcenter_gateway_rpcs_total[10s]) >= 3")
        found = [item["metric"] for item in prometheus.query('{__name__=~"vcenter_gateway_.*"}')]
        exposed = metrics_in(" ".join(labels["__name__"] for labels in found))
        displaced = {name for labels in found for name in labels if name.startswith("exported_")}
        missing = [
            name
            for name, expression in dashboard_queries(DASHBOARD).items()
            if not prometheus.query(expression) and metrics_in(expression) <= exposed
        ]
        alerts = [rule["expr"] for group in rules_of_the_chart() for rule in group["rules"]]
        quiet = [prometheus.query(expression) for expression in alerts]
    assert missing == []
    assert displaced == set(), "labels of the target take the place of the metrics' own"
    assert len(exposed) >= 15
    assert not any(quiet), "a healthy gateway raises no alert"


def test_every_alert_is_explained() -> None:
    """docs/reference/alerts.md has a section for each, of the same severity, with what it means and what to do."""
    text = OPERATIONS.read_text(encoding="utf-8")
    found = dict(re.findall(r"^## (VCenterGateway\w+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    rules = {rule["alert"]: rule for group in rules_of_the_chart() for rule in group["rules"]}
    assert list(found) == list(rules)
    for name, section in found.items():
        assert section.startswith(f"{rules[name]['labels']['severity'].capitalize()}"), name
        assert "**Meaning**" in section, name
        assert "**Do**" in section, name
