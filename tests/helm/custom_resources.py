"""Schemas of the custom resources that the chart makes: those that their projects publish, made strict.

The API server drops a field that it does not know without a word; here it is an error.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import pytest
import yaml

from tests.helm.chart import ROOT

__all__ = ["KINDS", "schema"]

KINDS = {
    "ServiceMonitor": "servicemonitors",
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
    "Certificate": "certificates",
    "GRPCRoute": "grpcroutes",
}
"""Kinds, and the files with their definitions."""


def schema(api_version: str, kind: str) -> dict[str, Any]:
    """The strict schema of one version of a kind; fails where there is none."""
    definition = _definition(kind)
    group, _, version = api_version.partition("/")
    assert definition["group"] == group
    [found] = [item for item in definition["versions"] if item["name"] == version and item["served"]]
    result: dict[str, Any] = _strict(found["schema"]["openAPIV3Schema"])
    # Kubernetes' own part, which the definitions leave open.
    result["properties"]["metadata"] = _METADATA
    return result


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "namespace"],
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
}


@cache
def _definition(kind: str) -> Any:
    """What `make check-helm` gets. Only a developer's machine without Go may have none."""
    path = ROOT / "build" / "tools" / "crds" / f"{KINDS[kind]}.yaml"
    if not path.exists():
        assert not os.environ.get("CI"), "there are no definitions: run `make build/tools/crds`"
        pytest.skip("there are no definitions: run `make build/tools/crds`, which takes Go")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]


def _strict(node: Any) -> Any:
    """The same schema, in which an object has the fields that are named and no others."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if isinstance(pattern := node.get("pattern"), str) and "(?i)" in pattern:
        # Go takes it anywhere, Python in front alone.
        result["pattern"] = "(?i)" + pattern.replace("(?i)", "")
    return result
