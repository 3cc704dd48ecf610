"""What `make release-artifacts` leaves in dist/: the same bytes from the same commit, and what registries look for.

The packages of the clients and the image take long; `make test-reproducible` makes these twice, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import artifact_archives
import artifact_bills
import pytest
import yaml

from gateway import __version__
from tests.helm.chart import CHART, ROOT, helm

SYFT = ROOT / "build" / "tools" / "bin" / "syft"
DOCS_VENV = ROOT / "build" / "docs-venv"
DIGEST = f"sha256:{'ab' * 32}"
EPOCH = 1_700_000_000
PARTS = ("python", "protos", "docs", "chart")
# A release includes the built site, which takes a busy machine a minute.
pytestmark = pytest.mark.timeout(300)


def clone(folder: Path) -> Path:
    """The source tree as it is, uncommitted changes included, with a revision."""
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(folder)], check=True)
    changed = ["git", "-C", str(ROOT), "ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard"]
    for name in set(subprocess.run(changed, check=True, capture_output=True, text=True).stdout.split("\0")) - {""}:
        (folder / name).unlink(missing_ok=True)
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    tools = folder / "build" / "tools" / "bin"
    tools.mkdir(parents=True)
    (tools / "helm").symlink_to(helm())
    (folder / "build" / "docs-venv").symlink_to(DOCS_VENV)
    return folder


def make(folder: Path, **variables: str) -> Path:
    """Makes a release in a clone; returns where it is."""
    options = [option for part in PARTS for option in ("--part", part)]
    command = [sys.executable, str(folder / "tools" / "release_artifacts.py"), "--dirty", "--no-bills", *options]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release without clients and image. Only a developer's machine may lack what builds the documentation."""
    if not (DOCS_VENV / "ready").exists():
        assert not os.environ.get("CI"), "the documentation's environment is missing: run `make docs`"
        pytest.skip("the documentation's environment is missing: `make docs`")
    return make(clone(tmp_path_factory.mktemp("release") / "one"))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_there_is(dist: Path) -> None:
    """Wheel, sdist, protos, documents and chart, each named by the version, and what is said about them."""
    assert {path.name for path in dist.iterdir()} == {
        f"vcenter_gateway-{__version__}-py3-none-any.whl",
        f"vcenter_gateway-{__version__}.tar.gz",
        f"vcenter-gateway-protos-{__version__}.tar.gz",
        f"vcenter-gateway-docs-{__version__}.tar.gz",
        f"vcenter-gateway-{__version__}.tgz",
        f"vcenter-gateway-chart-{__version__}.oci.tar",
        "provenance.json",
        "SHA256SUMS",
    }


def test_the_same_bytes_again(dist: Path, tmp_path: Path) -> None:
    """Another folder, another time zone and another umask make the same release."""
    old = os.umask(0o077)
    try:
        again = make(clone(tmp_path / "elsewhere" / "two"), TZ="Pacific/Kiritimati")
    finally:
        os.umask(old)
    assert digests(again) == digests(dist)


def test_the_documentation_is_the_site(dist: Path) -> None:
    """The archive has the built pages, the reference of the services among them, and the list of versions."""
    name = f"vcenter-gateway-docs-{__version__}"
    with tarfile.open(dist / f"{name}.tar.gz") as archive:
        files = {entry.name: artifact_archives.read_entry(archive, entry) for entry in archive}
    assert [item["version"] for item in json.loads(files[f"{name}/versions.json"])] == [__version__]
    site = f"{name}/{__version__}"
    page = files[f"{site}/reference/vcenter/v1/vm_service/index.html"].decode()
    assert "GET /api/vcenter/vm" in page
    assert {f"{site}/index.html", f"{site}/search.json"} <= files.keys()
    assert f'url={__version__}/"' in files[f"{name}/index.html"].decode()
    assert not [file for file in files if file.endswith(".md")]


def test_checksums(dist: Path) -> None:
    """sha256sum finds every file as it is listed."""
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) == len(list(dist.iterdir())) - 1


def test_the_provenance(dist: Path) -> None:
    """It names each artifact by its digest, the revision, and the files that pin what the release is built from."""
    statement = json.loads((dist / "provenance.json").read_text())
    subjects = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    made = digests(dist)
    assert subjects == {name: made[name] for name in made.keys() - {"provenance.json", "SHA256SUMS"}}
    definition = statement["predicate"]["buildDefinition"]
    revision = definition["externalParameters"]["revision"]
    assert len(revision) == 40
    source, *inputs = definition["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": revision}
    names = {item["uri"] for item in inputs}
    assert {"Dockerfile", "requirements/run.txt", "clients/go/go.sum", "clients/typescript/package-lock.json"} <= names


def test_the_layout_of_the_chart(dist: Path) -> None:
    """It is what `helm push` would have in a registry: each blob has the digest and size that name it."""
    with tarfile.open(dist / f"vcenter-gateway-chart-{__version__}.oci.tar") as archive:
        files = {entry.name: artifact_archives.read_entry(archive, entry) for entry in archive}
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": __version__}
    manifest = json.loads(blob(files, entry))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    assert json.loads(blob(files, manifest["config"]))["name"] == "vcenter-gateway"
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    assert blob(files, layer) == (dist / f"vcenter-gateway-{__version__}.tgz").read_bytes()


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    data = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert len(data) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


def test_the_chart_names_the_image_by_its_digest(tmp_path: Path) -> None:
    """Whoever installs the release runs the image that it was tested with, whatever a tag names by then."""
    package = artifact_archives.package_chart(CHART, tmp_path, helm(), DIGEST, EPOCH)
    command = [helm(), "template", "gw", str(package), "--set", "simulator.enabled=true"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    images = [
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in yaml.safe_load_all(text)
        if item and item["kind"] == "Deployment"
    ]
    assert images == [f"vcenter-gateway@{DIGEST}"]


def test_one_image_for_all_architectures(tmp_path: Path) -> None:
    """The archive has one index, whose digest the chart names, and a manifest for each architecture below it."""
    layouts = {}
    for architecture in ("amd64", "arm64"):
        layout = artifact_archives.Layout()
        config = layout.blob(architecture.encode(), "application/vnd.oci.image.config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config}
        archive = tmp_path / f"{architecture}.tar"
        layout.write(archive, layout.document(manifest), "1", EPOCH)
        layouts[architecture] = tmp_path / architecture
        with tarfile.open(archive) as file:
            file.extractall(layouts[architecture], filter="data")
    digest = artifact_archives.write_image(layouts, tmp_path / "image.oci.tar", "1", EPOCH)
    with tarfile.open(tmp_path / "image.oci.tar") as file:
        files = {entry.name: artifact_archives.read_entry(file, entry) for entry in file}
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == digest
    manifests = json.loads(blob(files, entry))["manifests"]
    assert [item["platform"]["architecture"] for item in manifests] == ["amd64", "arm64"]
    for item in manifests:
        config = json.loads(blob(files, item))["config"]
        assert blob(files, config) == item["platform"]["architecture"].encode()


def test_another_tag(tmp_path: Path) -> None:
    """A release is not made for a tag of another version."""
    command = [sys.executable, str(ROOT / "tools" / "release_artifacts.py"), "--dirty", "--tag", "v9.9.9"]
    done = subprocess.run([*command, "--target", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"the tag v9.9.9 is not that of this version, v{__version__}\n"


@pytest.fixture
def syft() -> str:
    """The program that finds what artifacts are made of."""
    if not SYFT.is_file():
        assert not os.environ.get("CI"), "there is no syft: run `make build/tools/bin/syft`"
        pytest.skip("there is no syft: run `make build/tools/bin/syft`, which takes Go and some minutes")
    return str(SYFT)


def test_the_bill_of_materials(tmp_path: Path, syft: str) -> None:
    """It has every package that the gateway is installed with, and is the same when it is made again."""
    shutil.copy(ROOT / "requirements" / "run.txt", tmp_path / "requirements.txt")
    product = {"type": "file", "name": "x", "version": __version__}
    bill, again = (artifact_bills.bill_of_materials(syft, f"dir:{tmp_path}", product, EPOCH) for _ in range(2))
    assert bill == again
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    pinned = {line.split(" ")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}
    assert {f"{item['name']}=={item['version']}" for item in bill["components"]} == pinned
    assert bill["metadata"]["component"] == product


@pytest.mark.parametrize("lock", [True, False], ids=["lock", "no-lock"])
def test_the_materials_of_a_crate(tmp_path: Path, syft: str, lock: bool) -> None:
    """The crates of a Cargo.lock are materials. If the file is missing, there is an error instead of an empty bill."""
    product = {"type": "file", "name": "x", "version": __version__}
    if not lock:
        with pytest.raises(ValueError, match="x: syft found no materials"):
            artifact_bills.bill_of_materials(syft, f"dir:{tmp_path}", product, EPOCH)
        return
    package = '[[package]]\nname = "tonic"\nversion = "0.14.9"\nsource = "registry+https://example.com"\n'
    (tmp_path / "Cargo.lock").write_text(f"version = 4\n\n{package}")
    bill = artifact_bills.bill_of_materials(syft, f"dir:{tmp_path}", product, EPOCH)
    assert [item["purl"] for item in bill["components"]] == ["pkg:cargo/tonic@0.14.9"]


def test_an_artifact_without_materials() -> None:
    """Its bill says so, and takes no syft."""
    bill = artifact_bills.bill_of_materials("/nowhere", None, {"type": "file", "name": "x"}, EPOCH)
    assert (bill["bomFormat"], bill["components"]) == ("CycloneDX", [])
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
