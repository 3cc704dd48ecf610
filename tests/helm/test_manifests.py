"""Every manifest of every file of values is what Kubernetes takes, and the configuration what the gateway takes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import certifi
import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway.configuration import load_settings
from tests.helm.chart import CHART, VALUE_FILES, VCENTER, Objects, gateway_yaml, gateways, lint, only, render
from tests.helm.custom_resources import KINDS, schema

KUBERNETES = ("1.25", "1.29", "1.33", "1.37")

files = pytest.mark.parametrize("file", VALUE_FILES, ids=lambda file: file.stem.removesuffix("-values"))


@files
def test_lint(file: Path) -> None:
    """`helm lint --strict` finds nothing."""
    result = lint(file)
    assert result.returncode == 0, result.stdout + result.stderr


@files
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_manifests_are_valid(file: Path, kubernetes: str) -> None:
    """Each object has the fields and types of its kind in that version of Kubernetes, and no others."""
    objects = render({}, file, kubernetes=f"{kubernetes}.0")
    assert len(objects) >= 4
    validate(objects, kubernetes)


def validate(objects: Objects, kubernetes: str = "1.33") -> None:
    for item in objects:
        if item["kind"] in KINDS:
            jsonschema.validate(item, schema(item["apiVersion"], item["kind"]))
        else:
            kubernetes_validate.validate(item, kubernetes, strict=True)


MONITORED = VCENTER | {
    "metrics": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {"enabled": True, "grpcFrom": [{"podSelector": {}}]},
}


@pytest.mark.parametrize("name", ["2024", "1e3", "0x1F", "true"])
def test_names_that_yaml_reads_otherwise(name: str) -> None:
    """A release, a namespace or a secret whose name looks like a number keeps it: Kubernetes takes text alone."""
    lower = name.lower()
    more = {
        "fullnameOverride": "gateway",
        "nameOverride": name,
        "priorityClassName": lower,
        "serviceAccount": {"create": False, "name": lower},
        "tests": {"existingSecret": lower},
        "secrets": {"vcenterCa": {"value": "A", "key": name}},
    }
    objects = render(MONITORED | more, release=lower, namespace=lower)
    validate(objects)
    for item in objects:
        assert item["metadata"]["namespace"] == lower
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == lower
    assert list(only(objects, "Secret")["data"]) == [name]


def test_long_names() -> None:
    """The longest name of a release that Helm takes gives names that Kubernetes takes."""
    objects = render(MONITORED, release="r" * 53)
    validate(objects)
    for item in objects:
        assert len(item["metadata"]["name"]) <= 63
        assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", item["metadata"]["name"])


def test_twice_in_one_release(tmp_path: Path) -> None:
    """A parent chart may have two gateways under names of its own: they share no object, no pod, and no series."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    dependencies = [{"name": CHART.name, "version": version, "alias": alias} for alias in ("east", "west")]
    parent = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(parent))
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    objects = render({"east": MONITORED, "west": MONITORED, "global": {"a": 1}}, chart=tmp_path)
    validate(objects)
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))
    assert {name for kind, name in names if kind == "Deployment"} == {"gw-east", "gw-west"}
    selectors = [item["spec"]["selector"]["matchLabels"] for item in objects if item["kind"] == "Deployment"]
    assert selectors[0] != selectors[1]
    for ending in ("east", "west"):
        [endpoint] = only(objects, "ServiceMonitor", ending)["spec"]["endpoints"]
        assert {"targetLabel": "job", "replacement": f"gw-{ending}"} in endpoint["relabelings"]
        rules = only(objects, "PrometheusRule", ending)["spec"]["groups"][0]["rules"]
        assert all(f'namespace="apps",job="gw-{ending}"' in rule["expr"] for rule in rules)


@pytest.mark.parametrize("monitor", ["ServiceMonitor", "PodMonitor"])
@pytest.mark.parametrize(
    ("machines", "paths"),
    [(["web-*"], ["/metrics", "/metrics/machines"]), ([], ["/metrics"])],
    ids=["some machines", "none"],
)
def test_metrics_of_machines_are_scraped(monitor: str, machines: list[str], paths: list[str]) -> None:
    """Where the configuration names machines, which takes no further value."""
    values = {
        "metrics": {monitor[0].lower() + monitor[1:]: {"enabled": True}},
        "config": {"metrics": {"machines": machines}},
    }
    objects = render(values, CHART / "ci" / "service-account-values.yaml")
    validate(objects)
    [spec] = [item["spec"] for item in objects if item["kind"] == monitor]
    endpoints = spec.get("endpoints") or spec["podMetricsEndpoints"]
    assert [endpoint["path"] for endpoint in endpoints] == paths


def test_custom_resources_are_checked_strictly() -> None:
    """All kinds are among the files of values, and a field that is misspelt is found, however deep."""
    objects = [item for file in VALUE_FILES for item in render({}, file) if item["kind"] in KINDS]
    assert {item["kind"] for item in objects} == set(KINDS)
    [monitor, *_] = [item for item in objects if item["kind"] == "ServiceMonitor"]
    monitor["spec"]["endpoints"][0]["intervall"] = "30s"
    with pytest.raises(jsonschema.ValidationError, match="intervall"):
        jsonschema.validate(monitor, schema(monitor["apiVersion"], "ServiceMonitor"))


@files
def test_names_are_unique(file: Path) -> None:
    """No object takes another one's place."""
    objects = render({}, file)
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))


@files
def test_the_gateway_takes_its_configuration(file: Path, tmp_path: Path) -> None:
    """gateway.yaml and the container's variables pass the gateway's own check, and every file in them is mounted."""
    for deployment in gateways(render({}, file)):
        template = deployment["spec"]["template"]
        container = template["spec"]["containers"][0]
        folders = [mount["mountPath"] for mount in container["volumeMounts"]]
        config = yaml.safe_load(gateway_yaml([deployment]))
        for section in config.values():
            for field, value in section.items():
                if field.endswith("_file"):
                    assert str(Path(value).parent) in folders
                    # A file that can be read; what is in it is looked at later.
                    section[field] = _certificate() if field == "ca_file" else __file__
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(config))
        environ = {item["name"]: item["value"] for item in container["env"] if item["name"].startswith("GATEWAY_")}
        assert environ.pop("GATEWAY_CONFIG") == "/etc/vcenter-gateway/config/gateway.yaml"
        settings = load_settings({"config": str(path)}, environ)
        assert settings.server.listen == "0.0.0.0:50051"
        assert settings.admin.listen == "0.0.0.0:9090"


def _certificate() -> str:
    return certifi.where()
