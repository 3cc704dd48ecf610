"""The materials of a release's artifacts: bills of materials (CycloneDX) by syft, and a statement of provenance.

A bill lists what an artifact contains or installs: for an image its Debian and Python packages, for a package the
resolved dependencies that it was tested with. The statement (in-toto, with SLSA's predicate) states the revision, the
inputs and the tools from which all artifacts were built. It is not signed; the publisher signs it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["bill_of_materials", "provenance", "sha256", "tool_versions"]

_NAMESPACE = uuid.UUID("6c9f6f0e-2b52-5a57-9d3b-6a3c1d6f5a10")
_TOOLS = {
    "buildah": ["buildah", "--version"],
    "cargo": ["cargo", "--version"],
    "debootstrap": ["debootstrap", "--version"],
    "go": ["go", "version"],
    "javac": ["javac", "-version"],
    "node": ["node", "--version"],
}


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bill_of_materials(syft: str, source: str | None, product: Mapping[str, Any], epoch: int) -> dict[str, Any]:
    """The bill of a product (a CycloneDX component), whose materials syft finds in `source`: a folder, or an image.

    Without a source, the product is its own only material. Raises ValueError for a source without materials.
    """
    bill: dict[str, Any] = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX"}
    bill |= {"specVersion": "1.6", "version": 1, "components": [], "dependencies": []}
    tools: list[dict[str, Any]] = []
    if source is not None:
        command = [syft, "scan", source, "--quiet", "--output", "cyclonedx-json@1.6"]
        variables = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(Path.home()), "PATH": "/usr/bin:/bin"}
        told = subprocess.run(command, check=True, capture_output=True, env=variables).stdout  # noqa: S603
        found = json.loads(told)
        tools = found["metadata"]["tools"]["components"]
        bill["components"] = sorted(
            (_placeless(item) for item in found.get("components", []) if item["type"] != "file"),
            key=lambda item: str(item["bom-ref"]),
        )
        if not bill["components"]:
            raise ValueError(f"{product['name']}: syft found no materials in {source}")
        kept = {item["bom-ref"] for item in bill["components"]}
        bill["dependencies"] = [item for item in found.get("dependencies", []) if item["ref"] in kept]
    time = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    bill["metadata"] = {"timestamp": time, "tools": {"components": tools}, "component": dict(product)}
    # A bill has a serial number, which is derived from its content here.
    bill["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps(bill, sort_keys=True))}"
    return bill


def _placeless(component: dict[str, Any]) -> dict[str, Any]:
    """A component without syft's notes about where and how it was found."""
    notes = [item for item in component.get("properties", []) if not item["name"].startswith("syft:")]
    return {key: value for key, value in component.items() if key != "properties"} | (
        {"properties": notes} if notes else {}
    )


def provenance(
    subjects: Mapping[str, str], revision: str, inputs: Mapping[str, str], tools: Mapping[str, str], source: str
) -> dict[str, Any]:
    """What was built (names with SHA-256), from which revision of `source` and which inputs, with which tools."""
    dependencies = [{"uri": f"git+{source}", "digest": {"gitCommit": revision}}]
    dependencies += [{"uri": name, "digest": {"sha256": digest}} for name, digest in sorted(inputs.items())]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{source}/make-release-artifacts",
                "externalParameters": {"source": source, "revision": revision},
                "internalParameters": {"tools": dict(sorted(tools.items()))},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {"builder": {"id": f"{source}/make"}},
        },
    }


def tool_versions() -> dict[str, str]:
    """The versions of the build tools, as they report them."""
    versions = {"python": platform.python_version()}
    for name, command in _TOOLS.items():
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            continue
        versions[name] = (done.stdout or done.stderr).splitlines()[0]
    return versions
