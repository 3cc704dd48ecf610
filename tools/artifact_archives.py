"""Archives of a release: the same bytes from the same content, whenever and wherever they are created.

Names are sorted, owners and permissions are uniform, and all times are those of the commit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "Layout",
    "chart_metadata",
    "package_chart",
    "read_entry",
    "read_folder",
    "write_chart_layout",
    "write_image",
    "write_tar",
]

INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_CHART_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def write_tar(target: Path, files: Mapping[str, bytes], epoch: int) -> None:
    """Writes files by their names; compresses them if the target's name ends in `gz`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, epoch
            archive.addfile(entry, io.BytesIO(data))
    data = content.getvalue()
    target.write_bytes(gzip.compress(data, mtime=0) if target.name.endswith("gz") else data)


def read_folder(folder: Path, prefix: str) -> dict[str, bytes]:
    """The files below a folder, with their names below `prefix`."""
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def chart_metadata(chart: Path) -> dict[str, Any]:
    """The content of Chart.yaml."""
    found: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    return found


def package_chart(chart: Path, target: Path, helm: str, digest: str, epoch: int) -> Path:
    """Packages the chart into the folder `target`, as `helm package` does. With a digest of the image, its values refer
    to the image by digest instead of tag."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(chart, Path(folder, chart.name)))
        if digest:
            values = (copy / "values.yaml").read_text(encoding="utf-8")
            # The first digest is the gateway's, the second one the router's.
            (copy / "values.yaml").write_text(values.replace('digest: ""', f"digest: {digest}", 1), encoding="utf-8")
        command = [helm, "package", str(copy), "--destination", folder]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        [package] = Path(folder).glob("*.tgz")
        with tarfile.open(package) as archive:
            files = {entry.name: read_entry(archive, entry) for entry in archive if entry.isfile()}
    write_tar(target / package.name, files, epoch)
    return target / package.name


def read_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    """The content of a file in an archive."""
    file = archive.extractfile(entry)
    return file.read() if file else b""


class Layout:
    """An OCI image layout, which registry tools copy from an archive."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Adds a blob; returns its descriptor."""
        name = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{name}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    def document(self, content: dict[str, Any]) -> dict[str, Any]:
        """Adds a manifest or an index; returns its descriptor."""
        return self.blob(json.dumps(content, sort_keys=True).encode(), content["mediaType"])

    def write(self, target: Path, entry: dict[str, Any], version: str, epoch: int) -> str:
        """Writes the archive, whose single entry is named after the version. Returns the entry's digest."""
        named = {**entry, "annotations": {"org.opencontainers.image.ref.name": version}}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}
        self.files["index.json"] = json.dumps(index, sort_keys=True).encode()
        write_tar(target, self.files, epoch)
        digest: str = entry["digest"]
        return digest


def write_chart_layout(chart: Path, package: Path, target: Path, epoch: int) -> str:
    """The packaged chart as `helm push` stores it in a registry. Returns the digest."""
    metadata, layout = chart_metadata(chart), Layout()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": layout.blob(json.dumps(metadata, sort_keys=True).encode(), _CHART_CONFIG),
        "layers": [layout.blob(package.read_bytes(), _CHART_CONTENT)],
        "annotations": {
            "org.opencontainers.image.title": metadata["name"],
            "org.opencontainers.image.version": metadata["version"],
            "org.opencontainers.image.description": metadata["description"],
        },
    }
    return layout.write(target, layout.document(manifest), metadata["version"], epoch)


def write_image(layouts: Mapping[str, Path], target: Path, version: str, epoch: int) -> str:
    """One image for several architectures, each from a folder with an OCI layout. Returns the digest of the index, by
    which every architecture pulls it."""
    whole, manifests = Layout(), []
    for architecture, folder in sorted(layouts.items()):
        [entry] = json.loads((folder / "index.json").read_bytes())["manifests"]
        for path in (folder / "blobs" / "sha256").iterdir():
            whole.files[f"blobs/sha256/{path.name}"] = path.read_bytes()
        platform = {"architecture": architecture, "os": "linux"}
        manifests.append({key: entry[key] for key in ("mediaType", "digest", "size")} | {"platform": platform})
    index = whole.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    return whole.write(target, index, version, epoch)
