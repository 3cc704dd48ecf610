"""Builds a release in dist/, where `make release-artifacts` has already put the clients' packages.

    release_artifacts.py [--part NAME]... [--target FOLDER] [--tag TAG] [--dirty] [--no-bills]

Parts: python (wheel and sdist of the gateway), protos, docs, image, chart. Added are a bill of materials next to each
artifact (NAME.cdx.json), `provenance.json`, and `SHA256SUMS` of everything. A second build of the same commit has the
same bytes, which `make test-reproducible` verifies. Uncommitted changes are rejected, except with `--dirty`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from artifact_archives import package_chart, read_folder, write_chart_layout, write_image, write_tar
from artifact_bills import bill_of_materials, provenance, sha256, tool_versions
from generate_version import read_version

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "vcenter-gateway"
SOURCE = "https://github.com/vcenter-gateway/vcenter-gateway"
PARTS = ("python", "protos", "docs", "image", "chart")
_TOOLS = ROOT / "build" / "tools" / "bin"
_ARCHITECTURES = ("amd64", "arm64")
# What does not follow from the revision, because it refers to other things by their digests.
_INPUTS = (
    "Dockerfile",
    "requirements/*.txt",
    "clients/*/requirements*.txt",
    "clients/*go.sum",
    "clients/*package-lock.json",
)
# The source of an artifact's materials: the folder below build/clients that `make -C clients/NAME materials` fills, or
# this repository's requirements. An artifact without a match has no other materials.
_MATERIALS = {
    "go/*.zip": "go",
    "vcenter-gateway-client-*.crate": "rust",
    "vcenter-gateway-client-*.jar": "java",
    "vcenter-gateway-client-*.tgz": "typescript",
    "vcenter_gateway-*": "",
    "vcenter_gateway_client-*": "python",
}


def git(*arguments: str) -> str:
    """The output of a git command in the source tree."""
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


class Release:
    """A release that is being built in a folder."""

    def __init__(self, target: Path) -> None:
        self.target, self.version = target, read_version()
        self.revision, self.epoch = git("rev-parse", "HEAD"), int(git("log", "-1", "--format=%ct"))
        self.images: dict[str, Path] = {}
        self.image_digest = ""
        target.mkdir(parents=True, exist_ok=True)

    def python(self) -> None:
        """Wheel and sdist of the gateway."""
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(self.target)]
        variables = os.environ | {"SOURCE_DATE_EPOCH": str(self.epoch)}
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=variables)  # noqa: S603

    def protos(self) -> None:
        """The .proto files, and their compiled form with all imports."""
        name = f"vcenter-gateway-protos-{self.version}"
        files = {key: data for key, data in read_folder(ROOT / "protos", name).items() if key.endswith(".proto")}
        files[f"{name}/descriptors.binpb"] = (ROOT / "gateway" / "contract" / "descriptors.binpb").read_bytes()
        files[f"{name}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
        write_tar(self.target / f"{name}.tar.gz", files, self.epoch)

    def docs(self) -> None:
        """The documentation as a site for any web server, built by `tools/build_docs.py`."""
        name, site = f"vcenter-gateway-docs-{self.version}", ROOT / "build" / "release" / "docs"
        shutil.rmtree(site, ignore_errors=True)
        command = [sys.executable, str(ROOT / "tools" / "build_docs.py"), "--into", str(site)]
        # This tree's gateway, even if another one is installed.
        variables = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)  # noqa: S603
        write_tar(self.target / f"{name}.tar.gz", read_folder(site, name), self.epoch)

    def image(self) -> None:
        """The image for each architecture that `make image-test` has built, in one archive."""
        for architecture in _ARCHITECTURES:
            if storage := _storage(architecture):
                self.images[architecture] = self._pushed(storage, architecture)
        if not self.images:
            sys.stdout.write("image: skipped, `make image-test` has built none\n")
            return
        archive = self.target / f"vcenter-gateway-image-{self.version}.oci.tar"
        self.image_digest = write_image(self.images, archive, self.version, self.epoch)
        for architecture in sorted(set(_ARCHITECTURES) - self.images.keys()):
            sys.stdout.write(f"image: not for {architecture}, see `make image-test ARCH={architecture}`\n")

    def chart(self) -> None:
        """The chart, as Helm's package and as an OCI archive. Its values refer to the image by digest."""
        package = package_chart(CHART, self.target, str(_TOOLS / "helm"), self.image_digest, self.epoch)
        write_chart_layout(CHART, package, self.target / f"vcenter-gateway-chart-{self.version}.oci.tar", self.epoch)

    def artifacts(self) -> list[Path]:
        """Everything in the folder except for the metadata."""
        about = (".cdx.json", "SHA256SUMS", "provenance.json")
        return sorted(path for path in self.target.rglob("*") if path.is_file() and not path.name.endswith(about))

    def bills(self) -> None:
        """A bill of materials for each artifact, and one for the image of each architecture."""
        for path in self.artifacts():
            name = path.relative_to(self.target).as_posix()
            if name.startswith("vcenter-gateway-image-"):
                for architecture, layout in self.images.items():
                    self._bill(path, f"{name}.{architecture}", f"oci-dir:{layout}", "container")
                continue
            about = name
            if name.startswith("go/"):
                # The module is in the one file that is packed. A module proxy has only files of its own kind.
                if path.suffix != ".zip":
                    continue
                about = f"vcenter-gateway-client-go-{self.version}"
            with tempfile.TemporaryDirectory() as folder:
                found = [client for pattern, client in _MATERIALS.items() if fnmatch(name, pattern)]
                self._bill(path, about, f"dir:{_materials(found[0], Path(folder))}" if found else None)

    def _bill(self, path: Path, about: str, source: str | None, kind: str = "file") -> None:
        name = path.relative_to(self.target).as_posix()
        hashes = [{"alg": "SHA-256", "content": sha256(path)}]
        product = {"bom-ref": name, "type": kind, "name": name, "version": self.version, "hashes": hashes}
        bill = bill_of_materials(str(_TOOLS / "syft"), source, product, self.epoch)
        _write_json(self.target / f"{about}.cdx.json", bill)

    def statement(self) -> None:
        """The statement of provenance."""
        inputs = {
            path.relative_to(ROOT).as_posix(): sha256(path)
            for name in git("ls-files", "--", *_INPUTS).splitlines()
            if (path := ROOT / name).is_file()
        }
        subjects = {path.relative_to(self.target).as_posix(): sha256(path) for path in self.artifacts()}
        if self.image_digest:
            subjects["vcenter-gateway-image"] = self.image_digest.removeprefix("sha256:")
        told = provenance(subjects, self.revision, inputs, tool_versions(), SOURCE)
        _write_json(self.target / "provenance.json", told)

    def sums(self) -> None:
        """The checksums of all files, as `sha256sum --check` reads them."""
        names = sorted(path.relative_to(self.target).as_posix() for path in self.target.rglob("*") if path.is_file())
        lines = [f"{sha256(self.target / name)}  {name}\n" for name in names if name != "SHA256SUMS"]
        (self.target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")

    def _pushed(self, storage: Path, architecture: str) -> Path:
        layout = ROOT / "build" / "release" / f"image-{architecture}"
        shutil.rmtree(layout, ignore_errors=True)
        layout.parent.mkdir(parents=True, exist_ok=True)
        options = ["--root", str(storage / "storage"), "--runroot", str(storage / "run"), "--storage-driver", "vfs"]
        names = ["localhost/vcenter-gateway:test", f"oci:{layout}:{self.version}"]
        subprocess.run(["buildah", *options, "push", "--quiet", *names], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607
        return layout


def _storage(architecture: str) -> Path | None:
    """The image of an architecture from `make image-test`, if it exists."""
    own = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    folder = ROOT / "build" / ("image" if architecture == own else f"image-{architecture}")
    return folder if (folder / "tested").is_file() else None


def _materials(client: str, folder: Path) -> Path:
    """The folder that syft reads, for a client or, without a name, for the gateway."""
    if client:
        return ROOT / "build" / "clients" / client / "materials"
    shutil.copy(ROOT / "requirements" / "run.txt", folder / "requirements.txt")
    return folder


def _write_json(target: Path, content: Mapping[str, Any]) -> None:
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Builds the parts in the arguments, or all, and the metadata."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="instead of all parts")
    parser.add_argument("--target", type=Path, default=ROOT / "dist", help="instead of dist/")
    parser.add_argument("--tag", default="", help="fails unless this is the tag of the version")
    parser.add_argument("--dirty", action="store_true", help="accepts uncommitted changes")
    parser.add_argument("--no-bills", action="store_true", help="leaves the bills of materials out")
    options = parser.parse_args(arguments)
    release = Release(options.target)
    if options.tag not in ("", f"v{release.version}"):
        sys.exit(f"the tag {options.tag} is not that of this version, v{release.version}")
    if not options.dirty and (changed := git("status", "--porcelain")):
        sys.exit(f"uncommitted changes, which no revision has; commit them or say --dirty:\n{changed}")
    for part in PARTS:
        if part in (options.part or PARTS):
            getattr(release, part)()
    if not options.no_bills:
        release.bills()
    release.statement()
    release.sums()
    sys.stdout.write((release.target / "SHA256SUMS").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
