"""The simulator's modules stand on each other in one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import gateway.simulator

PACKAGE = Path(gateway.simulator.__file__).parent
MODULES = {
    ".".join(("gateway.simulator", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}


def imported(path: Path) -> set[str]:
    """The simulator's modules that a module imports anywhere: at the top, in a function, or for types only."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    names = {name for node in nodes for alias in node.names for name in (node.module, f"{node.module}.{alias.name}")}
    return names & MODULES.keys()


def test_no_module_imports_itself_by_a_circle() -> None:
    """A circle makes graphlib raise a CycleError that names it."""
    TopologicalSorter({name: imported(path) for name, path in MODULES.items()}).prepare()
