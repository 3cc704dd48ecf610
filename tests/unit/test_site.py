"""The documentation site: how pages are staged, and what its build does not let pass (tools/build_docs.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from build_docs import Site, broken_references, foreign_assets, outside_code, tabbed
from generate_docs import included
from proto_reference import ProtoReference, first_sentence

from gateway.contract import load_contract

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://git.example.com/gateway"
TWO = "**Go**\n\n```go\na\n\nb\n```\n\n**Rust**\n\n```rust\nc\n```\n\nText.\n"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return Site(REPOSITORY).pages()


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("clients/index.md", "](../reference/errors.md)"),
        ("reference/services.md", "](vcenter/v1/vm_service.md)"),
        ("clients/index.md", f"]({REPOSITORY}/tree/main/protos)"),
        ("operate/kubernetes.md", "](../reference/chart.md)"),
        ("reference/vcenter/v1/vm_service.md", f"]({REPOSITORY}/blob/main/protos/vcenter/v1/vm_service.proto)"),
    ],
    ids=["a document elsewhere", "a proto", "a folder", "a folder with a document", "a proto's source"],
)
def test_links_lead_to_pages_or_to_the_repository(pages: dict[str, str], page: str, link: str) -> None:
    """A link to what is a page of the site leads there, one to any other file of the project to the repository."""
    assert link in pages[page]


def test_code_keeps_its_brackets() -> None:
    """Prose is changed, a block of code is not."""
    text = "[a](b)\n\n```\n[a](b)\n```\n\n[a](b)\n"
    assert outside_code(text, lambda prose: prose.replace("b", "c")) == "[a](c)\n\n```\n[a](b)\n```\n\n[a](c)\n"


def test_blocks_in_a_row_become_tabs() -> None:
    """Two named blocks are two tabs, their blank lines within; what follows them is text."""
    assert tabbed(TWO) == (
        '=== "Go"\n\n    ```go\n    a\n\n    b\n    ```\n\n=== "Rust"\n\n    ```rust\n    c\n    ```\n\nText.\n'
    )


def test_one_block_stays_a_block() -> None:
    """A single block below a bold line is no choice."""
    one = "**Go**\n\n```go\na\n```\n\nText.\n"
    assert tabbed(one) == one


def test_dead_references_are_found(tmp_path: Path) -> None:
    """A missing page, anchor, picture and script are found; what exists and what is elsewhere is not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<h1 id="one">A</h1>')
    (tmp_path / "index.html").write_text(
        '<a href="a/">1</a><a href="a/#one">2</a><a href="a/#two">3</a><a href="b/">4</a><img src="c.png">'
        '<script src="d.js"></script><a href="https://example.com/">5</a><a href="#three">6</a>'
    )
    assert broken_references(tmp_path) == [
        "index.html: #three",
        "index.html: a/#two",
        "index.html: b/",
        "index.html: c.png",
        "index.html: d.js",
    ]


def test_foreign_assets_are_found(tmp_path: Path) -> None:
    """Fonts, scripts, styles and pictures of another host are found; links to it are not."""
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example.com/a.css"><script src="//cdn.example.com/b.js"></script>'
        '<a href="https://example.com/">elsewhere</a>'
    )
    (tmp_path / "c.css").write_text("@font-face { src: url(https://fonts.example.com/c.woff2) }")
    assert foreign_assets(tmp_path) == [
        "index.html: //cdn.example.com/b.js",
        "index.html: https://fonts.example.com/a.css",
        "c.css: https://fonts.example.com/c.woff2",
    ]


def test_includes_take_marked_lines() -> None:
    """An include has the marked lines of a file without their indentation, and names the language."""
    code = included("clients/python/examples/cdrom.py", "error")
    assert code.startswith("```python\ntry:\n    cdroms.ConnectCdrom(")
    assert "docs:" not in code


def test_an_include_without_its_part_stops_the_build() -> None:
    """A part that is not marked in the file is an error, not an empty block."""
    with pytest.raises(SystemExit, match="must have one part"):
        included("clients/python/examples/cdrom.py", "nothing")


def test_the_reference_has_everything() -> None:
    """Each service, rpc, message, field, enum and value of the protos is on a page, with its comment."""
    reference = ProtoReference()
    pages = {name: text for name, _, text in reference.pages()}
    everything = "\n".join(pages.values())
    assert "(no comment)" not in everything
    for name in reference.comments:
        assert f"`{name.replace('/', '.').rpartition('.')[2]}`" in everything or f" {{#{name}}}" in everything, name
    assert "`vm` · string · **required** · identifies `VirtualMachine`" in everything
    assert "`RESOURCE_BUSY` → `ABORTED`" in everything


@pytest.mark.parametrize(
    ("comment", "first"),
    [
        ("Lists disks. Mirrors `list`.\n\nMore.", "Lists disks."),
        ("Lists disks,\nall of them.", "Lists disks, all of them."),
        ("Works on 7.0.3 and newer.", "Works on 7.0.3 and newer."),
    ],
    ids=["two sentences", "two lines", "a version"],
)
def test_first_sentences(comment: str, first: str) -> None:
    """Lists show the first sentence of a comment."""
    assert first_sentence(comment) == first


def test_the_pages_name_rpcs_that_exist() -> None:
    """Each `Service/Rpc` in the documentation is one of the contract, with or without its package. Pages for
    contributors add services that do not exist."""
    methods = load_contract().methods
    known = {*methods, *(name.split(".")[-1] for name in methods)}
    wrong = []
    for path in sorted(set((ROOT / "docs").glob("**/*.md")) - set((ROOT / "docs" / "contribute").glob("*.md"))):
        named = re.findall(r"\b((?:[a-z][a-z_0-9]*\.)*[A-Z][A-Za-z]*Service/[A-Z][A-Za-z]+)\b", path.read_text("utf-8"))
        wrong += [f"{path.name}: {name}" for name in named if name not in known]
    assert wrong == []
