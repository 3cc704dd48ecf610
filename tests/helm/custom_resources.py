"""Strict schemas of the custom resources that the chart makes.

The published schemas allow unknown fields, which the API server would drop without a word. These allow what the chart
writes and nothing else, with the same names, types and patterns.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEMAS"]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "array", "minItems": 1, "items": TEXT}
MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d))+$"}


def strict(required: dict[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **optional},
    }


def resource(version: str, kind: str, spec: Schema) -> Schema:
    metadata = strict({"name": TEXT, "namespace": TEXT, "labels": MAP}, annotations=MAP)
    return strict({"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": metadata, "spec": spec})


RELABELINGS: Schema = {
    "type": "array",
    "items": strict(
        {"action": {"enum": ["drop", "keep", "labeldrop", "labelkeep", "labelmap", "replace"]}},
        regex=TEXT,
        sourceLabels=TEXTS,
        targetLabel=TEXT,
        replacement={"type": "string"},
    ),
}
ENDPOINT = strict(
    {"port": TEXT, "path": {"const": "/metrics"}, "scheme": {"const": "http"}},
    interval=DURATION,
    scrapeTimeout=DURATION,
    relabelings=RELABELINGS,
    metricRelabelings=RELABELINGS,
)
SELECTOR = strict({"matchLabels": MAP})
NAMESPACES = strict({"matchNames": TEXTS})
RULE = strict(
    {"expr": TEXT},
    alert=TEXT,
    record={"type": "string", "pattern": r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"},
    labels=MAP,
    annotations=MAP,
    **{"for": DURATION},
)

SCHEMAS: dict[str, Schema] = {
    "ServiceMonitor": resource(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        strict(
            {"selector": SELECTOR, "endpoints": {"type": "array", "minItems": 1, "items": ENDPOINT}},
            namespaceSelector=NAMESPACES,
            jobLabel=TEXT,
        ),
    ),
    "PodMonitor": resource(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        strict(
            {"selector": SELECTOR, "podMetricsEndpoints": {"type": "array", "minItems": 1, "items": ENDPOINT}},
            namespaceSelector=NAMESPACES,
            jobLabel=TEXT,
        ),
    ),
    "PrometheusRule": resource(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        strict(
            {
                "groups": {
                    "type": "array",
                    "minItems": 1,
                    "items": strict({"name": TEXT, "rules": {"type": "array", "minItems": 1, "items": RULE}}),
                }
            }
        ),
    ),
    "Certificate": resource(
        "cert-manager.io/v1",
        "Certificate",
        strict(
            {
                "secretName": TEXT,
                "issuerRef": strict({"name": TEXT}, kind=TEXT, group=TEXT),
                "dnsNames": TEXTS,
            },
            ipAddresses=TEXTS,
            duration={"type": "string", "pattern": r"^[0-9]+h$"},
            renewBefore={"type": "string", "pattern": r"^[0-9]+h$"},
            usages={
                "type": "array",
                "items": {"enum": ["digital signature", "key encipherment", "server auth"]},
            },
            privateKey=strict(
                {"algorithm": {"enum": ["RSA", "ECDSA", "Ed25519"]}},
                size={"type": "integer"},
                rotationPolicy={"enum": ["Never", "Always"]},
                encoding={"enum": ["PKCS1", "PKCS8"]},
            ),
        ),
    ),
}
