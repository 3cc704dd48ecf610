"""All values that the project shows anybody: the chart's ci/ files, and the YAML blocks of the documents."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from tests.helm.chart import CHART, ROOT, VALUE_FILES, VCENTER

__all__ = ["EXAMPLES", "Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """Values, and where they stand."""

    name: str
    values: dict[str, Any]

    @property
    def namespace(self) -> str:
        """One that only this example uses."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower())[:50].strip("-")

    @property
    def target(self) -> str:
        """The namespace that the objects end up in."""
        found: str = self.values.get("namespaceOverride") or self.namespace
        return found


def _of_documents() -> list[Example]:
    known = set(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
    found = []
    # Other pages have blocks of gateway.yaml, whose sections have names that values have too.
    for path in (ROOT / "docs" / "operate" / "kubernetes.md", ROOT / "docs" / "operate" / "operations.md"):
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.S), 1):
            content = yaml.safe_load(block)
            if isinstance(content, dict) and content and set(content) <= known:
                found.append(Example(f"{path.stem} {number}", _completed(content)))
    return found


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """What a document leaves to the reader: which vCenter it is."""
    completed = deepcopy(values)
    if not completed.get("simulator") and not completed.get("vcenters"):
        completed.setdefault("config", {}).setdefault("vcenter", {}).setdefault(
            "url", VCENTER["config"]["vcenter"]["url"]
        )
    return completed


EXAMPLES = [
    *(
        Example(path.stem.removesuffix("-values"), yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in VALUE_FILES
    ),
    *_of_documents(),
]
