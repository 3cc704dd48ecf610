"""The check of what users read (tools/check_english.py): where it looks, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_english import findings, rules

ROOT = Path(__file__).parents[2]

LIST = """
<!-- word list -->

| Instead of | Write |
|---|---|
| in vain, goes the way | unsuccessfully |
| is no number | is not a |

<!-- end of word list -->
"""


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "One.\nIt asks in vain.\n", ["a.md:2: 'in vain'"]),
        ("a.md", "It asks In\nvain.\n", ["a.md:1: 'In vain'"]),
        ("a.md", "`in vain`\n\n```\nin vain\n```\n", []),
        ("a.md", "\n```\ncode\n```\nin vain", ["a.md:5: 'in vain'"]),
        ("a.md", "There is no number, and painvain.", []),
        ("a.md", "It is no number.", ["a.md:1: 'is no number'"]),
        ("a.proto", "// It asks in\n// vain.\nmessage A {}\n", ["a.proto:1: 'in vain'"]),
        ("values.yaml", "\n# -- It asks in vain.\na: 1\n", ["values.yaml:2: 'in vain'"]),
        ("a.py", '"""In vain."""\n# in vain\nx = 1\n', []),
        ("a.py", 'x = 1\ny = f"{x} asks in vain"\n', ["a.py:2: 'in vain'"]),
        ("a.py", '@click.command()\ndef a():\n    """Asks in vain."""\n', ["a.py:3: 'in vain'"]),
        ("a.py", 'def a():\n    """Asks in vain."""\n', []),
    ],
    ids=[
        "prose",
        "across lines and in any case",
        "code",
        "lines below code",
        "there is none, and parts of words",
        "a negated noun",
        "a comment of a proto",
        "a value of the chart",
        "docstrings and comments of Python",
        "a text with values",
        "the help of a command",
        "the docstring of a function",
    ],
)
def test_findings(tmp_path: Path, name: str, text: str, found: list[str]) -> None:
    """Each phrase is named with its line, wherever users read it, and nowhere else."""
    path = tmp_path / name
    path.write_text(text)
    assert [line.partition(": write")[0] for line in findings(name, path, rules(LIST))] == found


def test_the_word_list_is_read() -> None:
    """CONTRIBUTING.md has the list, with several phrases in a row."""
    phrases = {rule.phrase for rule in rules((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))}
    assert {"goes the way", "tries the way", "longest unused"} <= phrases
    assert len(phrases) > 40
