"""Generates files from the chart's values.yaml: the table in its README, and values.schema.json.

    generate_chart.py           writes them
    generate_chart.py --check   fails if one of them is out of date

A comment that begins with `# --` describes the value below it. The type of a value is that of its default. What a
default cannot express (choices, bounds, what may be empty) is in the tables here. The schema of `config` comes from the
gateway's own settings, so that a misspelled setting is rejected before it reaches a pod.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from generated import ROOT, write_or_check

from gateway.settings import Setting, Settings, all_settings

CHART = ROOT / "helm" / "vcenter-gateway"

Schema = dict[str, Any]

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_COUNT = {"type": "integer", "minimum": 0}
_PODS = {"type": ["integer", "string", "null"], "minimum": 0, "pattern": "^[0-9]+%$"}
_DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}
"""In Prometheus's format."""
_GO_DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
"""In cert-manager's format, which has no days."""
_FRACTION = {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}
"""The format to which `helm --set` converts a fraction."""


def _alerts() -> list[str]:
    """The names of the chart's alerts."""
    template = (CHART / "templates" / "prometheusrule.yaml").read_text(encoding="utf-8")
    return re.findall(r'\(dict "name" "(\w+)"', template)


# Kubernetes objects, which Kubernetes validates, by the ends of their names.
_FREE = (
    *("affinity", "behavior", "dnsConfig", "issuerRef", "nodeSelector", "lifecycle", "podSecurityContext"),
    *(
        "privateKey",
        "resources",
        "securityContext",
        "updateStrategy",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
    ),
)

_MORE: dict[str, Schema] = {
    "nameOverride": {"type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"},
    "namespaceOverride": {"type": "string", "pattern": "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", "maxLength": 63},
    "image.repository": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?$"},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "replicaCount": {"type": ["integer", "null"], "minimum": 0, "maximum": 550},
    "revisionHistoryLimit": _COUNT,
    "minReadySeconds": _COUNT,
    "simulator.vms": {"type": "integer", "minimum": 0, "maximum": 100_000},
    "progressDeadlineSeconds": {"type": ["integer", "null"], "minimum": 1},
    "hostUsers": {"type": ["boolean", "null"]},
    "global": {
        "type": "object",
        "properties": {
            "imageRegistry": {"type": "string"},
            "imagePullSecrets": {"type": "array", "items": {"type": ["object", "string"]}},
        },
    },
    "service.nodePort": {**_PORT, "type": ["integer", "null"]},
    "service.internalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "service.trafficDistribution": {"enum": ["", "PreferSameZone", "PreferSameNode"]},
    "service.sessionAffinity": {"enum": ["", "None", "ClientIP"]},
    "router.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "router.service.loadBalancerSourceRanges": {"type": "array", "items": {"type": "string"}},
    "router.image.repository": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?$"},
    "router.image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "router.image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "router.replicaCount": {"type": "integer", "minimum": 0},
    "router.concurrency": {"type": "integer", "minimum": 1},
    "ingress.hosts": {"type": "array", "items": {"type": "string"}},
    "grpcRoute.hostnames": {"type": "array", "items": {"type": "string"}},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "service.externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "service.ipFamilyPolicy": {"enum": ["", "SingleStack", "PreferDualStack", "RequireDualStack"]},
    "ports.grpc": {**_PORT, "minimum": 1024},
    "ports.admin": {**_PORT, "minimum": 1024},
    "dnsPolicy": {"enum": ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
    "terminationGracePeriodSeconds": {"type": ["integer", "null"], "minimum": 1},
    "autoscaling.minReplicas": {"type": "integer", "minimum": 1},
    "autoscaling.maxReplicas": {"type": "integer", "minimum": 1, "maximum": 550},
    "autoscaling.targetCPUUtilizationPercentage": {"type": ["integer", "null"], "minimum": 1},
    "autoscaling.targetCallsInFlight": {"type": ["integer", "string", "null"], "minimum": 1, "pattern": "^[0-9]+m?$"},
    "podDisruptionBudget.maxUnavailable": _PODS,
    "podDisruptionBudget.minAvailable": _PODS,
    "podDisruptionBudget.unhealthyPodEvictionPolicy": {"enum": ["", "AlwaysAllow", "IfHealthyBudget"]},
    "networkPolicy.vcenterCidrs": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"}},
    "networkPolicy.apiServerCidrs": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"},
    },
    "networkPolicy.apiServerPorts": {"type": "array", "items": _PORT, "minItems": 1},
    "networkPolicy.vcenterPort": {**_PORT, "type": ["integer", "null"]},
    "metrics.serviceMonitor.sampleLimit": {"type": ["integer", "null"], "minimum": 1},
    "metrics.podMonitor.sampleLimit": {"type": ["integer", "null"], "minimum": 1},
    "metrics.serviceMonitor.interval": _DURATION,
    "metrics.serviceMonitor.scrapeTimeout": _DURATION,
    "metrics.podMonitor.interval": _DURATION,
    "metrics.podMonitor.scrapeTimeout": _DURATION,
    "metrics.prometheusRule.errorRatio": {
        "type": ["number", "string"],
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "pattern": r"^0\.[0-9]*[1-9]$",
    },
    "metrics.prometheusRule.certificateDays": {"type": "integer", "minimum": 1},
    "metrics.prometheusRule.disabled": {"type": "array", "items": {"enum": _alerts()}},
    "sizing.identities": {"type": "integer", "minimum": 1},
    "sizing.sessionsPerUser": {"type": "integer", "minimum": 1},
    "sizing.sessionsInAll": {"type": "integer", "minimum": 1},
    "tls.certManager.duration": _GO_DURATION,
    "tls.certManager.renewBefore": _GO_DURATION,
    "tls.certManager.dnsNames": {"type": "array", "items": {"type": "string"}},
    "tls.certManager.ipAddresses": {"type": "array", "items": {"type": "string"}},
    "tracing.endpoint": {"type": "string", "pattern": "^(https?://[^@ ]+)?$"},
    "service.loadBalancerSourceRanges": {"type": "array", "items": {"type": "string"}},
    "extraArgs": {"type": "array", "items": {"type": "string"}},
    "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
    "policy": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["identities", "rpcs"],
            "additionalProperties": False,
            "properties": {
                name: {"type": "array", "items": {"type": "string"}} for name in ("identities", "rpcs", "machines")
            },
        },
    },
}


_OF_EACH = (
    *("config", "secrets", "policy", "simulator", "replicaCount", "autoscaling", "podDisruptionBudget", "resources"),
    *("networkPolicy", "tests", "sizing", "metrics", "podLabels", "podAnnotations", "nodeSelector", "affinity"),
    *("tolerations", "extraArgs", "extraEnv", "extraEnvFrom", "extraVolumes", "extraVolumeMounts", "hostAliases"),
)
"""The values that each vCenter of a fleet can override."""


def descriptions(text: str) -> dict[str, str]:
    """The descriptions in the comments of values.yaml, by the value's path."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] | None = None
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            comment = [bare.removeprefix("# -- ")]
        elif bare.startswith("# ") and comment is not None:
            comment.append(bare.removeprefix("# "))
        elif match := re.match(r"( *)([\w.]+):", line):
            path[len(match[1]) // 2 :] = [match[2]]
            if comment is not None:
                found[".".join(path)] = " ".join(comment)
            comment = None
        else:
            comment = None
    return found


def values_table(text: str) -> str:
    """All described values, as a Markdown table."""
    values = yaml.safe_load(text)
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for path, description in descriptions(text).items():
        value = values
        for name in path.split("."):
            value = value[name]
        default = json.dumps(value).replace("|", "\\|")
        rows.append(f"| `{path}` | {f'`{default}`' if len(default) < 80 else 'see values.yaml'} | {description} |")
    return "\n".join(rows)


def schema(text: str) -> Schema:
    """values.schema.json. Unknown names are rejected wherever the chart defines the names."""
    properties = _properties(yaml.safe_load(text), (), descriptions(text))
    properties["config"] |= _config_schema()
    # A vCenter of a fleet has the same values as the chart, except for those about all of it.
    names = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: properties[name] for name in _OF_EACH},
    }
    properties["vcenters"] |= {
        "propertyNames": {"pattern": "^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$"},
        "additionalProperties": {**names, "type": ["object", "null"]},
    }
    # Parent charts may set it.
    properties |= {"enabled": {"type": "boolean"}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart vcenter-gateway",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _properties(values: dict[str, Any], path: tuple[str, ...], texts: dict[str, str]) -> Schema:
    found = {}
    for name, value in values.items():
        key = ".".join((*path, name))
        found[name] = {**({"description": texts[key]} if key in texts else {}), **_schema(value, (*path, name), texts)}
    return found


def _schema(value: Any, path: tuple[str, ...], texts: dict[str, str]) -> Schema:
    key, name = ".".join(path), path[-1]
    if key in _MORE:
        return _MORE[key]
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": {"type": "object"}}
        case dict() if key in ("config", "vcenters") or name in _FREE:
            return {"type": "object"}
        case dict() if name.lower().endswith(("labels", "annotations", "nodeselector")):
            return _TEXTS
        case dict():
            return {"type": "object", "additionalProperties": False, "properties": _properties(value, path, texts)}
    raise TypeError(f"{key} in values.yaml has no type: give it one in {Path(__file__).name}")


def _config_schema() -> Schema:
    """The schema of gateway.yaml, from the gateway's settings."""
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": {}}
    for setting in all_settings():
        below = schema
        for section in setting.section.split("."):
            empty = {"type": ["object", "null"], "additionalProperties": False, "properties": {}}
            below = below["properties"].setdefault(section, empty)
        below["properties"][setting.field] = _setting_schema(setting)
    return schema


def _setting_schema(setting: Setting) -> Schema:
    """A setting as JSON schema: pydantic's schema, plus the other accepted forms of a value."""
    model: Any = Settings
    for section in setting.section.split("."):
        model = model.model_fields[section].annotation
    if (entries := setting.entries) is not None:
        fields = {name: Setting(setting.key, name, info) for name, info in entries.model_fields.items()}
        properties = {name: _schema_in(entries, field) for name, field in fields.items()}
        items = {"type": "object", "additionalProperties": False, "properties": properties}
        return {"description": setting.description, "anyOf": [{"type": "array", "items": items}, {"type": "null"}]}
    return _schema_in(model, setting)


def _schema_in(model: Any, setting: Setting) -> Schema:
    found = dict(model.model_json_schema()["properties"][setting.field])
    options = [option for option in found.pop("anyOf", [found]) if option.get("type") != "null"]
    if any(option.get("type") == "array" for option in options):
        options.append({"type": "string"})
    if any(option.get("type") == "number" for option in options):
        options.append(_FRACTION)
    kept = ("type", "enum", "items", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    narrowed = [{name: option[name] for name in kept if name in option} for option in options]
    return {"description": setting.description, "anyOf": [*narrowed, {"type": "null"}]}


def outputs() -> Iterator[tuple[Path, str]]:
    """The files and their expected contents."""
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    yield CHART / "values.schema.json", json.dumps(schema(values), indent=2, ensure_ascii=False) + "\n"
    readme = CHART / "README.md"
    begin, end = "<!-- generated: values -->", "<!-- end of generated: values -->"
    before, _, rest = readme.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    yield readme, f"{before}{begin}\n\n{values_table(values)}\n\n{end}{after}"


def main() -> None:
    """Writes or checks the files."""
    write_or_check(dict(outputs()))


if __name__ == "__main__":
    main()
