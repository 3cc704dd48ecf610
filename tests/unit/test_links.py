"""Every link within the documentation leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATTERNS = ("*.md", "docs/**/*.md", "clients/*.md", "clients/*/*.md", "helm/*/*.md")
DOCUMENTS = sorted(path.relative_to(ROOT) for pattern in PATTERNS for path in ROOT.glob(pattern))


def prose(path: Path) -> str:
    """A document without its code, in which brackets mean something else."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+)[^`].*?\1", lambda code: "" if "](" in code[0] else code[0], text)


def anchors(path: Path) -> set[str]:
    """What the headings of a document are called in links, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """The links of a document to files and headings that are not there."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if ":" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links(document: Path) -> None:
    """A link to a file or a heading of the project finds it."""
    assert broken_links(ROOT / document) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are found; what is code or elsewhere is no link of ours."""
    path = tmp_path / "a.md"
    path.write_text(
        "# The `one`\n[1](b.md) [2](a.md) [3](#the-one) [4](#two) [5](a.md#two) [6](https://example.com)\n"
        "`[7](c.md)`\n```\n[8](d.md)\n```\n"
    )
    assert broken_links(path) == ["b.md", "#two", "a.md#two"]
