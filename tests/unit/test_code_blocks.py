"""What the documents show as YAML is YAML: readers copy it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def _blocks() -> list[Any]:
    found = []
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        text = path.read_text(encoding="utf-8")
        for block in re.finditer(r"^ *```yaml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[1], id=f"{path.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("content", _blocks())
def test_a_block_of_yaml(content: str) -> None:
    """It parses, as one document or several."""
    assert any(document is not None for document in yaml.safe_load_all(content))
