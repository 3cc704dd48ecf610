"""What the generators share: they write files or, with `--check`, fail if one is not up to date."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ROOT", "write_or_check"]

ROOT = Path(__file__).resolve().parents[1]


def write_or_check(files: Mapping[Path, str]) -> None:
    """Writes the files whose content differs; with `--check` on the command line, ends the process with an error that
    names them."""
    stale = {path: text for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text}
    if "--check" in sys.argv[1:]:
        if stale:
            names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
            sys.exit(f"not up to date: {names}; run `make generate`")
        return
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
