"""Values that contradict each other or do not exist are refused with a sentence, before anything is installed."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml
from generate_chart import descriptions, outputs

from tests.helm.chart import CHART, VALUE_FILES, VCENTER, only, refusal, render

URL = "https://vcenter.example.com"


def with_config(more: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """Values for a vCenter, with sections of gateway.yaml and further values."""
    values = deepcopy(VCENTER)
    values["config"] |= sections
    return values | (more or {})


ACCOUNT = {"mode": "service-account", "user": "gateway@vsphere.local"}
PASSWORD = {"vcenterPassword": {"existingSecret": "vcenter"}}
TLS = {"enabled": True, "existingSecret": "certificate"}

CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing to serve", {}, "no vCenter is configured"),
    (
        "simulator and vCenter",
        with_config({"simulator": {"enabled": True}}),
        "simulator.enabled and config.vcenter.url are mutually exclusive",
    ),
    (
        "an open service account",
        with_config({"secrets": PASSWORD}, auth=ACCOUNT),
        "anyone who can reach the gateway could use the service account",
    ),
    (
        "a service account without a password",
        with_config({"secrets": {"tokens": {"value": "tokens: []"}}}, auth=ACCOUNT),
        "a service account requires a name and a password",
    ),
    (
        "a password in passthrough mode",
        with_config({"secrets": PASSWORD}),
        "require config.auth.mode=service-account",
    ),
    (
        "JWTs of any issuer",
        with_config({"secrets": {**PASSWORD, "jwks": {"value": "{}"}}}, auth=ACCOUNT),
        "the gateway checks the issuer and audience of JWTs",
    ),
    (
        "ServiceAccounts with any audience",
        with_config({"auth": {"kubernetes": {"enabled": True, "audience": ""}}, "secrets": PASSWORD}, auth=ACCOUNT),
        "auth.kubernetes.audience is empty",
    ),
    (
        "ServiceAccounts past the chart",
        with_config({"secrets": PASSWORD}, auth={**ACCOUNT, "jwt": {"issuers": [{"kubernetes": True}]}}),
        "use auth.kubernetes",
    ),
    (
        "issuers in passthrough mode",
        with_config({}, auth={"jwt": {"issuers": [{"issuer": "https://a.example", "discovery": True}]}}),
        "config.auth.jwt.issuers, config.auth.user and config.auth.certificates "
        "require config.auth.mode=service-account",
    ),
    (
        "ServiceAccounts in passthrough mode",
        with_config({"auth": {"kubernetes": {"enabled": True}}}),
        "set config.auth.mode=service-account",
    ),
    ("TLS without a certificate", with_config({"tls": {"enabled": True}}), "tls.enabled requires a certificate"),
    ("a certificate without TLS", with_config({"tls": {"existingSecret": "a"}}), "TLS is disabled"),
    (
        "two certificates",
        with_config({"tls": {**TLS, "certificate": "A", "key": "B"}}),
        "more than one certificate is configured",
    ),
    (
        "a certificate without its key",
        with_config({"tls": {"enabled": True, "certificate": "A"}}),
        "tls.certificate and tls.key require each other",
    ),
    (
        "cert-manager without an issuer",
        with_config({"tls": {"enabled": True, "certManager": {"enabled": True}}}),
        "requires an issuer",
    ),
    (
        "client certificates without TLS",
        with_config({"secrets": {"clientCa": {"value": "A"}}}),
        "callers can present certificates only over TLS",
    ),
    (
        "names in certificates without authorities",
        with_config({"secrets": PASSWORD, "tls": TLS}, auth={**ACCOUNT, "certificates": ["ci"]}),
        "requires the CA certificates of the callers",
    ),
    (
        "a caller's token without callers",
        with_config({"tests": {"tokenSecret": "ci"}}),
        "tests.tokenSecret contains a caller's token",
    ),
    (
        "a ServiceAccount that tests where its tokens are not accepted",
        with_config({"tests": {"serviceAccountName": "ci"}}),
        "set auth.kubernetes.enabled=true",
    ),
    (
        "two callers of the test",
        with_config(
            {
                "secrets": PASSWORD,
                "auth": {"kubernetes": {"enabled": True}},
                "tests": {"serviceAccountName": "ci", "tokenSecret": "ci"},
            },
            auth=ACCOUNT,
        ),
        "set only one of tests.serviceAccountName and tests.tokenSecret",
    ),
    (
        "workers above the CPU limit",
        with_config({"resources": {"limits": {"cpu": "1500m"}}}, server={"workers": 3}),
        "config.server.workers is 3 and resources.limits.cpu is 1500m",
    ),
    (
        "too little time to stop",
        with_config({"terminationGracePeriodSeconds": 40}),
        "terminationGracePeriodSeconds must exceed the 65 seconds",
    ),
    (
        "one port twice",
        with_config({"ports": {"grpc": 9090}}),
        "ports.grpc and ports.admin are the same",
    ),
    (
        "the chart's address",
        with_config(server={"listen": "0.0.0.0:1234"}),
        "config.server.listen is managed by the chart",
    ),
    ("the chart's tracing", with_config(tracing={"enabled": True}), "config.tracing is managed by the chart"),
    ("a collector without tracing", with_config({"tracing": {"endpoint": "http://c:4318"}}), "tracing is disabled"),
    (
        "traces that are not let out",
        with_config(
            {"tracing": {"enabled": True}, "networkPolicy": {"enabled": True, "vcenterCidrs": ["192.0.2.10/32"]}}
        ),
        "the network policy blocks traces to the collector",
    ),
    ("the chart's simulator", {"config": {"simulator": {"enabled": True}}}, "config.simulator is managed by the chart"),
    (
        "a file twice",
        {
            "config": {"vcenter": {"url": URL, "ca_file": "/elsewhere"}},
            "secrets": {"vcenterCa": {"existingSecret": "ca"}},
        },
        "config.vcenter.ca_file and the value secrets.vcenterCa define the same file",
    ),
    (
        "a secret twice",
        with_config({"secrets": {"vcenterCa": {"value": "A", "existingConfigMap": "b"}}}),
        "secrets.vcenterCa has more than one source",
    ),
    (
        "simulators that scale",
        {"simulator": {"enabled": True}, "autoscaling": {"enabled": True}},
        "each simulator has its own state",
    ),
    (
        "fewer at most than at least",
        with_config({"autoscaling": {"enabled": True, "minReplicas": 9}}),
        "autoscaling.minReplicas is greater",
    ),
    (
        "nothing to scale by",
        with_config({"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}),
        "autoscaling.enabled requires a target",
    ),
    (
        "a budget that keeps all pods",
        with_config({"podDisruptionBudget": {"minAvailable": 2}}),
        "podDisruptionBudget.minAvailable protects all 2 pods",
    ),
    (
        "a budget that keeps most of few pods",
        with_config({"podDisruptionBudget": {"minAvailable": "51%"}}),
        "podDisruptionBudget.minAvailable protects all 2 pods",
    ),
    (
        "a budget that keeps all pods of a quiet night",
        with_config({"podDisruptionBudget": {"minAvailable": 3}, "autoscaling": {"enabled": True, "minReplicas": 3}}),
        "podDisruptionBudget.minAvailable protects all 3 pods",
    ),
    (
        "a password in vCenter's URL",
        {"config": {"vcenter": {"url": "https://root:very-secret@vcenter.example.com"}}},
        "config.vcenter.url must consist only of a scheme, a host and optionally a port",
    ),
    (
        "a path in vCenter's URL",
        {"config": {"vcenter": {"url": "https://vcenter.example.com/api"}}},
        "config.vcenter.url must consist only of a scheme, a host and optionally a port",
    ),
    (
        "a name that no service may have",
        with_config({"fullnameOverride": "vcenter.gateway"}),
        '"vcenter.gateway" is not a valid Kubernetes service name',
    ),
    (
        "scraped twice",
        with_config({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}),
        "scrape everything twice",
    ),
    (
        "scraped through a service that is not there",
        with_config({"metrics": {"serviceMonitor": {"enabled": True}}, "headlessService": {"enabled": False}}),
        "scrapes through the headless service",
    ),
]


@pytest.mark.parametrize(
    ("values", "sentence"), [row[1:] for row in CONTRADICTIONS], ids=[row[0] for row in CONTRADICTIONS]
)
def test_contradictions_are_refused(values: dict[str, Any], sentence: str) -> None:
    """Each with a sentence that says what to do."""
    assert sentence in refusal(values)


def test_all_contradictions_are_said_at_once() -> None:
    """Nobody has to mend them one after the other."""
    text = refusal(with_config({"tls": {"enabled": True}, "ports": {"grpc": 9090}}))
    assert "tls.enabled" in text
    assert "ports.grpc" in text


def test_a_secret_is_not_told_again() -> None:
    """A password in the URL is refused without being repeated."""
    assert "very-secret" not in refusal(
        {"config": {"vcenter": {"url": "https://root:very-secret@vcenter.example.com"}}}
    )


@pytest.mark.parametrize("url", ["https://[2001:db8::10]:8443", "HTTP://192.0.2.10/", "https://vcenter.例え.jp:443"])
def test_urls_of_vcenter(url: str) -> None:
    """What the gateway takes, the chart does."""
    assert render({"config": {"vcenter": {"url": url}}})


@pytest.mark.parametrize("budget", [{"minAvailable": 1}, {"minAvailable": "50%"}, {"minAvailable": 0}], ids=str)
def test_budgets_that_let_a_pod_go(budget: dict[str, Any]) -> None:
    """One of two."""
    assert render(with_config({"podDisruptionBudget": budget}))


@pytest.mark.parametrize("release", ["my.release", "2024"])
def test_releases_with_names_that_services_cannot_have(release: str) -> None:
    """Helm takes them; Kubernetes would say no to the services, after it has made half of the other objects."""
    assert f'"{release}-vcenter-gateway" is not a valid Kubernetes service name' in refusal(VCENTER, release)


def emptied(values: dict[str, Any]) -> dict[str, Any]:
    """Null in place of each value that is empty by default: what a file of values has that says `nodeSelector:`."""
    empty = {name: None for name, value in values.items() if value in ("", [], {}, None) and value is not False}
    return empty | {name: emptied(value) for name, value in values.items() if isinstance(value, dict) and value}


def test_null_is_no_value() -> None:
    """A value that is left empty in a file is none at all, and so are settings of Kubernetes' own."""
    values = emptied(yaml.safe_load((CHART / "values.yaml").read_text()))
    settings = ("resources", "updateStrategy", "securityContext", "podSecurityContext", "topologySpreadConstraints")
    objects = render(VCENTER | {name: value for name, value in values.items() if name != "config"})
    assert objects == render(VCENTER)
    spec = only(render(VCENTER | dict.fromkeys(settings)), "Deployment")["spec"]
    assert not {*spec, *spec["template"]["spec"], *spec["template"]["spec"]["containers"][0]} & {*settings, "strategy"}


@pytest.mark.parametrize("cpu", ["2", 2, "1500m", 1.5], ids=str)
def test_workers_within_the_limit(cpu: Any) -> None:
    """Two workers fit into two cores, and into one and a half."""
    assert render(with_config({"resources": {"limits": {"cpu": cpu}}}, server={"workers": 2}))


def test_fractions_from_the_command_line() -> None:
    """`helm --set` takes 4.5 for text; the chart and the gateway take it for what it is."""
    rules = {"metrics": {"prometheusRule": {"enabled": True, "errorRatio": "0.1"}}}
    objects = render(with_config(rules, server={"settle_seconds": "4.5"}))
    assert only(objects, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 50
    errors = only(objects, "PrometheusRule")["spec"]["groups"][0]["rules"][4]
    assert errors["expr"].endswith("> 0.1")


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a name that does not exist", with_config({"replicas": 3}), "replicas"),
    ("a misspelt name deep down", with_config({"tls": {"enabeld": True}}), "enabeld"),
    ("a misspelt setting", with_config(server={"worker": 2}), "worker"),
    ("a misspelt section", with_config(sever={"workers": 2}), "sever"),
    ("too many workers", with_config(server={"workers": 65}), "workers"),
    ("a mode that does not exist", with_config(auth={"mode": "service_account"}), "mode"),
    ("text for a number", with_config({"replicaCount": "2"}), "replicaCount"),
    ("text for a switch", with_config({"tls": {"enabled": "yes"}}), "enabled"),
    ("a tag as the digest", with_config({"image": {"digest": "latest"}}), "digest"),
    ("a pull policy", with_config({"image": {"pullPolicy": "always"}}), "pullPolicy"),
    ("a privileged port", with_config({"ports": {"grpc": 443}}), "grpc"),
    ("a host for a range", with_config({"networkPolicy": {"vcenterCidrs": ["vcenter.example.com"]}}), "vcenterCidrs"),
    ("a rule without rpcs", with_config({"policy": [{"identities": ["ci"]}]}), "rpcs"),
    ("a number as a label", with_config({"podLabels": {"a": 1}}), "podLabels"),
    ("a label with a space", with_config({"nameOverride": "a b"}), "nameOverride"),
    ("a certificate for days", with_config({"tls": {"certManager": {"duration": "90d"}}}), "duration"),
    (
        "an alert that does not exist",
        with_config({"metrics": {"prometheusRule": {"disabled": ["VCenterGatewayTypo"]}}}),
        "disabled",
    ),
    ("a ratio of nothing", with_config({"metrics": {"prometheusRule": {"errorRatio": "0.0"}}}), "errorRatio"),
    ("a time with a unit", with_config(server={"settle_seconds": "4.5s"}), "settle_seconds"),
    ("a ratio in percent", with_config({"metrics": {"prometheusRule": {"errorRatio": 5}}}), "errorRatio"),
]


@pytest.mark.parametrize(("values", "name"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_values_are_refused(values: dict[str, Any], name: str) -> None:
    """By values.schema.json, with the name of the value."""
    text = refusal(values)
    assert "values don't meet the specifications of the schema" in text
    assert name in text


def test_the_schema_is_one() -> None:
    """Editors can use it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    for file in [CHART / "values.yaml", *VALUE_FILES]:
        jsonschema.Draft7Validator(schema).validate(yaml.safe_load(file.read_text()))


def test_readme_and_schema_are_up_to_date() -> None:
    """They say what values.yaml says."""
    assert [path.name for path, content in outputs() if path.read_text(encoding="utf-8") != content] == []


def test_every_value_is_described() -> None:
    """No value is without its line in the README."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    described = set(descriptions(text))

    def undescribed(values: dict[str, Any], path: str) -> list[str]:
        found = []
        for name, value in values.items():
            key = f"{path}{name}"
            if key not in described:
                found += undescribed(value, f"{key}.") if isinstance(value, dict) and value else [key]
        return found

    assert undescribed(yaml.safe_load(text), "") == []
