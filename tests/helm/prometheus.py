"""Prometheus itself, as the judge of the chart's queries: promtool for rules, and a server that scrapes a gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import ROOT

__all__ = ["Prometheus", "check_rules", "dashboard_queries", "run_rule_tests"]

_VARIABLES = {"$namespace": ".*", "$job": ".*", "$__rate_interval": "10s"}


def _program(name: str) -> str:
    """What `make check-helm` unpacks, else the machine's own. Only a developer's machine may have none."""
    unpacked = ROOT / "build" / "tools" / "bin" / name
    found = str(unpacked) if unpacked.exists() else shutil.which(name)
    if found is None:
        assert not os.environ.get("CI"), f"there is no {name}: run `make build/tools/bin/promtool`"
        pytest.skip(f"there is no {name}: run `make build/tools/bin/promtool`, which takes Debian")
    return found


def _promtool(folder: Path, *arguments: str) -> None:
    result = subprocess.run([_program("promtool"), *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def check_rules(groups: list[dict[str, Any]], folder: Path) -> Path:
    """Fails for rules that Prometheus does not take. Returns the file with them."""
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    _promtool(folder, "check", "rules", "--lint-fatal", path.name)
    return path


def run_rule_tests(tests: list[dict[str, Any]], rules: Path) -> None:
    """Runs unit tests of rules, each minute of theirs."""
    path = rules.with_name("tests.yaml")
    content = {"rule_files": [rules.name], "evaluation_interval": "1m", "tests": tests}
    path.write_text(yaml.safe_dump(content))
    _promtool(rules.parent, "test", "rules", path.name)


def dashboard_queries(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Every query of a dashboard by its panel's title and letter, with values in place of Grafana's variables."""
    queries = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in _VARIABLES.items():
                expression = expression.replace(variable, value)
            queries[f"{panel['title']} {target['refId']}"] = expression
    return queries


class Prometheus:
    """A server on a port of its own that scrapes one address each second."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    @classmethod
    @contextmanager
    def scraping(cls, target: str, port: int, folder: Path) -> Iterator[Prometheus]:
        """As the chart's monitors would have it: the labels are those that the Prometheus operator gives."""
        labels = {
            "namespace": "apps",
            "pod": "gw-0",
            "container": "gateway",
            "endpoint": "admin",
            "service": "gw-vcenter-gateway-headless",
        }
        job = {"job_name": "gw-vcenter-gateway", "static_configs": [{"targets": [target], "labels": labels}]}
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        flags = ("--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}")
        with (
            (folder / "prometheus.log").open("wb") as log,
            subprocess.Popen([_program("prometheus"), *flags], cwd=folder, stdout=log, stderr=log) as process,
        ):
            try:
                yield cls(port)
            finally:
                process.terminate()
                process.wait(timeout=30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a query has now. Fails for a query that Prometheus does not take."""
        url = f"{self._url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
                content = json.load(answer)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{expression}: {json.load(error)['error']}")
        result: list[dict[str, Any]] = content["data"]["result"]
        return result

    def wait_for(self, expression: str, seconds: float = 30.0) -> None:
        """Waits until a query has a series."""
        end = time.monotonic() + seconds
        while True:
            try:
                if self.query(expression):
                    return
            except urllib.error.URLError:
                pass  # It starts.
            assert time.monotonic() < end, f"{expression}: not within {seconds:g} s"
            time.sleep(0.1)
