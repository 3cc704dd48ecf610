"""Which parts of the gateway know which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway

ROOT = Path(gateway.__file__).parent


def _imported(tree: ast.AST) -> Iterator[str]:
    """The gateway's modules that a module loads as soon as it is loaded itself; what only its types name, and what a
    function loads when it is called, is not among them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gateway."):
            yield node.module
        elif isinstance(node, ast.ImportFrom) and node.module == "gateway":
            yield from (f"gateway.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("gateway."))
        yield from _imported(node)


def _parts() -> dict[str, set[str]]:
    """The parts directly below the package, and which others each loads."""
    parts: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        found = {module.split(".")[1] for module in _imported(ast.parse(path.read_text(encoding="utf-8")))}
        parts.setdefault(part, set()).update(found - {part})
    return parts


def test_no_circles() -> None:
    """No two parts load each other, neither directly nor through others."""
    parts = _parts()
    assert {"calls", "vcenter"} <= parts["server"], "the imports were found"
    left = dict(parts)
    # Takes away what knows nobody any more, until nothing is left but circles.
    while free := [part for part, known in left.items() if not known & left.keys()]:
        for part in free:
            del left[part]
    assert not left


def test_logs_know_no_domain() -> None:
    """The log writes lines, whatever they are about."""
    assert not _parts()["logs"] & {
        "access",
        "calls",
        "contract",
        "errors",
        "events",
        "server",
        "transcoding",
        "vcenter",
    }


def test_server_and_admin() -> None:
    """Either works without the other."""
    parts = _parts()
    assert "admin" not in parts["server"]
    assert "server" not in parts["admin"]
