"""The map of the code in CONTRIBUTING.md has every package, and none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_map_has_every_package() -> None:
    """Each package of the gateway has a row, and each row a folder."""
    rows = re.findall(r"^\| `(.+?)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    packages = {f"gateway/{path.parent.name}" for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert packages == {row for row in rows if row.startswith("gateway/")}
    assert all((ROOT / row).is_dir() for row in rows)
