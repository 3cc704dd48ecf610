"""Packages a release into dist/: the chart, the image where it was built, and what says of both what they are made of.

    package_release.py [IMAGE_ARCHIVE]     # an OCI archive of the image, as `make image-test` leaves it

- `vcenter-gateway-VERSION.tgz`: the chart, as `helm package` makes it. With an image, its values name the digest.
- `chart/`: the same as an OCI image layout, which tools for registries copy: `skopeo copy oci:dist/chart docker://...`.
- `sbom.cdx.json`: a CycloneDX bill of materials of the Python packages in the image, with their hashes.
- `provenance.json`: an in-toto statement with SLSA's predicate: what was built, from which revision and inputs. It is
  not signed; whoever publishes signs it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import yaml

from gateway import __version__

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "vcenter-gateway"
_INPUTS = ("Dockerfile", "requirements/run.txt", "requirements/build.txt", "pyproject.toml")
_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def package_chart(target: Path, helm: str, digest: str) -> Path:
    """The packaged chart. Its values have the image's digest where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder, CHART.name)))
        if digest:
            values = (copy / "values.yaml").read_text(encoding="utf-8")
            # The first digest is the gateway's, the second one the router's.
            (copy / "values.yaml").write_text(values.replace('digest: ""', f"digest: {digest}", 1), encoding="utf-8")
        command = [helm, "package", str(copy), "--destination", str(target)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    version = chart_metadata()["version"]
    return target / f"{CHART.name}-{version}.tgz"


def chart_metadata() -> dict[str, Any]:
    """What Chart.yaml says."""
    found: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    return found


def write_layout(package: Path, target: Path) -> str:
    """The packaged chart as an OCI image layout, as `helm push` would make it in a registry. Returns its digest."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "blobs" / "sha256").mkdir(parents=True)

    def blob(data: bytes, media_type: str) -> dict[str, Any]:
        name = hashlib.sha256(data).hexdigest()
        (target / "blobs" / "sha256" / name).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    metadata = chart_metadata()
    annotations = {
        "org.opencontainers.image.title": metadata["name"],
        "org.opencontainers.image.version": metadata["version"],
        "org.opencontainers.image.description": metadata["description"],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": blob(json.dumps(metadata).encode(), _CONFIG),
        "layers": [blob(package.read_bytes(), _CONTENT)],
        "annotations": annotations,
    }
    descriptor = blob(json.dumps(manifest).encode(), _MANIFEST)
    named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": metadata["version"]}}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [named]}
    (target / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    digest: str = descriptor["digest"]
    return digest


def image_digest(archive: Path) -> str:
    """The digest of the one image in an OCI archive."""
    with tarfile.open(archive) as file:
        index = file.extractfile("index.json") or io.BytesIO(b"{}")
        [manifest] = json.load(index)["manifests"]
    digest: str = manifest["digest"]
    return digest


def bill_of_materials() -> dict[str, Any]:
    """The Python packages of the image, from the requirements that it is built with."""
    components = []
    text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==(\S+).*?((?:\n +--hash=sha256:[0-9a-f]{64}.*)+)", text, re.M):
        name, version, hashes = match.groups()
        components.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "properties": [
                    {"name": "pip:sha256", "value": value} for value in re.findall(r"sha256:([0-9a-f]{64})", hashes)
                ],
            }
        )
    product = {"type": "application", "name": "vcenter-gateway", "version": __version__}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": components,
    }


def provenance(subjects: dict[str, str], revision: str) -> dict[str, Any]:
    """What was built (names with SHA-256), from which revision and inputs."""
    inputs = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in _INPUTS}
    dependencies = [{"uri": name, "digest": {"sha256": digest}} for name, digest in inputs.items()]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "vcenter-gateway/make-package",
                "externalParameters": {"revision": revision},
                "resolvedDependencies": [{"uri": "git", "digest": {"gitCommit": revision}}, *dependencies],
            },
            "runDetails": {"builder": {"id": "vcenter-gateway/make"}},
        },
    }


def main(target: Path, helm: str, archive: Path | None) -> None:
    """Writes all of it."""
    target.mkdir(parents=True, exist_ok=True)
    digest = image_digest(archive) if archive else ""
    package = package_chart(target, helm, digest)
    subjects = {package.name: hashlib.sha256(package.read_bytes()).hexdigest()}
    subjects["chart"] = write_layout(package, target / "chart").removeprefix("sha256:")
    if archive:
        subjects["image"] = digest.removeprefix("sha256:")
    command = ["git", "rev-parse", "HEAD"]
    revision = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    for name, content in (
        ("sbom.cdx.json", bill_of_materials()),
        ("provenance.json", provenance(subjects, revision)),
    ):
        (target / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for name, value in subjects.items():
        sys.stdout.write(f"{name}  sha256:{value}\n")


if __name__ == "__main__":
    archives = [Path(argument) for argument in sys.argv[1:]]
    main(ROOT / "dist", str(ROOT / "build" / "tools" / "bin" / "helm"), archives[0] if archives else None)
