"""What `make package` leaves in dist/: tools for registries and scanners find what they look for."""

from __future__ import annotations

import hashlib
import io
import json
import runpy
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import ROOT, helm

DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "package_release.py"))


@pytest.fixture(scope="module")
def dist(tool: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with an image."""
    folder = tmp_path_factory.mktemp("dist")
    archive = folder / "image.tar"
    index = json.dumps({"manifests": [{"digest": DIGEST}]}).encode()
    with tarfile.open(archive, "w") as file:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(index)
        file.addfile(entry, io.BytesIO(index))
    tool["main"](folder, helm(), archive)
    return folder


def test_the_chart_names_the_image_by_its_digest(dist: Path) -> None:
    """Whoever installs the release runs the image that it was tested with."""
    [package] = dist.glob("*.tgz")
    command = [helm(), "template", "gw", str(package), "--set", "simulator.enabled=true"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    images = [
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in yaml.safe_load_all(text)
        if item and item["kind"] == "Deployment"
    ]
    assert images == [f"vcenter-gateway@{DIGEST}"]


def test_the_layout_is_what_helm_would_push(dist: Path) -> None:
    """Each blob has the digest and size that names it, and the media types are those of Helm's charts."""
    layout = dist / "chart"
    [entry] = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(layout, entry))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    assert json.loads(blob(layout, manifest["config"]))["name"] == "vcenter-gateway"
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    [package] = dist.glob("*.tgz")
    assert blob(layout, layer) == package.read_bytes()
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    data = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert len(data) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


def test_the_bill_of_materials(dist: Path) -> None:
    """It has every package that the image is built with, each with its hashes."""
    bill = json.loads((dist / "sbom.cdx.json").read_text())
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    pinned = {line.split(" ")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}
    assert {f"{item['name']}=={item['version']}" for item in bill["components"]} == pinned
    assert all(item["properties"] for item in bill["components"])


def test_the_provenance(dist: Path) -> None:
    """It names what was built, and the revision."""
    statement = json.loads((dist / "provenance.json").read_text())
    [package] = dist.glob("*.tgz")
    subjects = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    assert subjects[package.name] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert subjects["image"] == DIGEST.removeprefix("sha256:")
    assert len(statement["predicate"]["buildDefinition"]["externalParameters"]["revision"]) == 40
