"""Every manifest of every file of values is what Kubernetes takes, and the configuration what the gateway takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway.configuration import load_settings
from tests.helm.chart import VALUE_FILES, lint, only, render
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
    for item in objects:
        if item["kind"] in KINDS:
            jsonschema.validate(item, schema(item["apiVersion"], item["kind"]))
        else:
            kubernetes_validate.validate(item, kubernetes, strict=True)


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
    objects = render({}, file)
    content = only([item for item in objects if not _is_by_the_way(item)], "ConfigMap")["data"]["gateway.yaml"]
    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    folders = [mount["mountPath"] for mount in container["volumeMounts"]]
    config = yaml.safe_load(content)
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


def _is_by_the_way(item: dict[str, Any]) -> bool:
    return item["metadata"]["name"].endswith(("-policy", "-dashboard", "-extra"))


def _certificate() -> str:
    return certifi.where()
