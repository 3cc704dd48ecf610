"""Copies the gateway's version, whose only source is gateway/__init__.py, to all other files that contain it.

    generate_version.py            writes it: chart, clients, examples, and the commands in the documents
    generate_version.py --check    fails if a file has another version
    generate_version.py 0.3.0      changes the version, and writes it

Gateway, chart and clients have one version. Documents about earlier versions (HISTORY) keep them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from generated import ROOT, write_or_check

__all__ = ["HISTORY", "changes", "read_version"]

SOURCE = Path("gateway", "__init__.py")
_VERSION = r"(\d+\.\d+\.\d+)"
_MINOR = r"(\d+\.\d+)"
_NUMBERS = re.compile(_VERSION)

HISTORY = {"CHANGELOG.md", "upgrade.md", "benchmarks", "released"}
# In manifests: the file, and the text before the version. All places in a row are changed, and at least one must exist.
_MANIFESTS = [
    (str(SOURCE), r'^__version__ = "'),
    ("clients/cpp/CMakeLists.txt", r"^  VERSION "),
    ("clients/go/connect.go", r'^const version = "'),
    ("clients/java/*/pom.xml", r"<artifactId>vcenter-gateway-client</artifactId>\s+<version>"),
    ("clients/java/pom.xml", r"<artifactId>vcenter-gateway-client</artifactId>\s+<version>"),
    ("clients/python/src/vcenter_gateway_client/__init__.py", r'^__version__ = "'),
    ("clients/rust/Cargo.toml", r'^version = "'),
    ("clients/rust/conformance/Cargo.toml", r'^version = "'),
    ("clients/typescript/package.json", r'^  "version": "'),
    ("clients/typescript/package-lock.json", r'"name": "vcenter-gateway-client",\s+"version": "'),
    ("examples/provision/go/go.mod", r"vcenter-gateway/clients/go v"),
    ("helm/vcenter-gateway/Chart.yaml", r'(?:^version: |^appVersion: "|image: vcenter-gateway:)'),
]
# Users of a client specify which minor versions they accept.
_USERS = [
    ("clients/cpp/[ce]*/CMakeLists.txt", r"find_package\(vcenter_gateway_client "),
    ("clients/cpp/README.md", r"find_package\(vcenter_gateway_client "),
    ("clients/rust/conformance/Cargo.toml", r'^vcenter-gateway-client = \{ version = "'),
]
# In all documents: a file or an image with the version in its name, a tag, a dependency.
_DOCUMENTS = ("README.md", "clients/**/*.md", "docs/**/*.md", "examples/**/*.md", "helm/**/*.md")
_IN_DOCUMENTS = (
    r"(?:vcenter-gateway(?:-[a-z]+)*[-:]|vcenter_gateway(?:_client)?-|clients/go(?:@|/)v|"
    r"--build-arg VERSION=|<artifactId>vcenter-gateway-client</artifactId>\s+<version>)"
)


def read_version(root: Path = ROOT) -> str:
    """The version of the source tree at `root`."""
    found = re.search(rf'^__version__ = "{_VERSION}"$', (root / SOURCE).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{SOURCE} has no version of the form X.Y.Z")
    return found[1]


def changes(root: Path, version: str) -> dict[Path, str]:
    """The files below `root` with another version, each with its new content.

    Raises ValueError for a manifest without the required version.
    """
    found: dict[Path, str] = {}
    minor = version.rpartition(".")[0]
    rows = [*((*row, _VERSION, version) for row in _MANIFESTS), *((*row, _MINOR, minor) for row in _USERS)]
    for pattern, before, number, wanted in rows:
        for path in sorted(root.glob(pattern)):
            text = found.get(path) or path.read_text(encoding="utf-8")
            new, count = _replaced(text, before, number, wanted)
            if count == 0:
                raise ValueError(f"{path.relative_to(root)} has no version: {before}")
            if new != text:
                found[path] = new
    for path in _documents(root):
        text = found.get(path) or path.read_text(encoding="utf-8")
        new, _ = _replaced(text, _IN_DOCUMENTS, _VERSION, version)
        if new != text:
            found[path] = new
    return found


def _replaced(text: str, before: str, number: str, wanted: str) -> tuple[str, int]:
    return re.subn(rf"({before}){number}(?![\w.]*\d)", rf"\g<1>{wanted}", text, flags=re.MULTILINE)


def _documents(root: Path) -> list[Path]:
    """The documents, without those that describe earlier versions, and without those of installed packages."""
    paths = sorted({path for pattern in _DOCUMENTS for path in root.glob(pattern)})
    return [path for path in paths if not (HISTORY | {"node_modules"}) & set(path.parts)]


def main() -> None:
    """Writes or checks all files."""
    version = next((argument for argument in sys.argv[1:] if argument != "--check"), None) or read_version()
    if not _NUMBERS.fullmatch(version):
        sys.exit(f"{version} is not a version of the form X.Y.Z")
    write_or_check(changes(ROOT, version))


if __name__ == "__main__":
    main()
