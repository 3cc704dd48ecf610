"""Finds phrases that a technical writer would not use, in everything that users read.

    check_english.py            reports each with its place and replacement, and fails if there are any

The phrases are those of the word list in CONTRIBUTING.md, matched as words in any case and across line breaks. The
program checks the Markdown files without their code, the comments of protos and of the chart, and all strings in
gateway/ except docstrings: the texts of the command line, of settings, errors and log lines.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Rule", "findings", "rules", "texts"]

ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- word list -->", "<!-- end of word list -->"
_CODE = re.compile(r"^(`{3,}).*?^\1$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://|#|\{\{-? ?/\*) ?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A phrase, and its replacement."""

    phrase: str
    better: str
    pattern: re.Pattern[str]


def rules(contributing: str) -> list[Rule]:
    """The rules in the word list: the rows of its table, whose first cell has one or several comma-separated
    phrases."""
    table = contributing.partition(_BEGIN)[2].partition(_END)[0]
    rows = re.findall(r"^\| (?!Instead of|---)(.+?) \| (.+?) \|$", table, re.MULTILINE)
    return [
        Rule(phrase, better, _pattern(phrase.strip()))
        for phrases, better in rows
        for phrase in re.split(r", (?!a\b)", phrases)
    ]


def _pattern(phrase: str) -> re.Pattern[str]:
    words = map(re.escape, phrase.split())
    # "There is no error" is fine, but "It is no error" is not.
    before = r"(?<!there )" if phrase.startswith(("is no ", "are no ")) else ""
    return re.compile(before + r"\b" + r"\s+".join(words) + r"\b", re.IGNORECASE)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file that users read, each with its first line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        without_list = re.sub(f"{_BEGIN}.*?{_END}", _blank, source, flags=re.DOTALL)
        yield 1, _CODE.sub(_blank, without_list)
    elif path.suffix == ".py":
        yield from _strings(ast.parse(source))
    else:
        yield 1, _COMMENT.sub("", source)


def _blank(found: re.Match[str]) -> str:
    """An empty text with the same number of lines."""
    return "\n" * found[0].count("\n") or "x"


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The strings of a module: all except docstrings, but including those of commands, which are their help."""
    silent = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_command = any("command" in ast.unparse(of) or "group" in ast.unparse(of) for of in _decorators(node))
        for statement in node.body:
            # A string statement is a docstring, or documents the line above it.
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and not is_command:
                silent.add(statement.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield node.lineno, node.value


def _decorators(node: ast.AST) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def findings(name: str, path: Path, wrong: list[Rule]) -> Iterator[str]:
    """A line for each phrase in a file."""
    for first, text in texts(path):
        for rule in wrong:
            for found in rule.pattern.finditer(text):
                line = first + text.count("\n", 0, found.start())
                yield f"{name}:{line}: {' '.join(found[0].split())!r}: write {rule.better}"


def _files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    wanted = re.compile(
        r"[^/]+\.md|(docs|examples|helm/vcenter-gateway)/.*\.md|clients/[^/]+(/[^/]+)?\.md|protos/.*\.proto"
        r"|gateway/.*\.py|helm/vcenter-gateway/(values\.yaml|templates/.*)"
    )
    return [name for name in dict.fromkeys(listed.stdout.splitlines()) if wanted.fullmatch(name)]


def main() -> None:
    """Checks all files. Raises SystemExit with what it found."""
    wrong = rules((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    found = [line for name in _files() for line in findings(name, ROOT / name, wrong)]
    if found:
        sys.exit("\n".join([*found, f"{len(found)} phrases of the word list in CONTRIBUTING.md"]))


if __name__ == "__main__":
    main()
