"""Texts of others: what fits a header, and what a person sees of the rest."""

from __future__ import annotations

import json

import pytest

from gateway.printable import (
    OTHER_NAME,
    escaped,
    escaped_json,
    is_name,
    is_printable,
    is_printable_ascii,
    is_word,
    name_or_other,
)

DANGEROUS = {
    "\x1b[2J": r"\x1b[2J",
    "\x1b]52;c;aGk=\x07": r"\x1b]52;c;aGk=\x07",
    "a\rb\bc\x00": r"a\rb\x08c\x00",
    "\x7f": r"\x7f",
    "\x9b2J \x85": r"\x9b2J \x85",
    "\u202eexe.txt": r"\u202eexe.txt",
    "\u2066a\u2069": r"\u2066a\u2069",
    "\u200b\ufeff\u2028": r"\u200b\ufeff\u2028",
    "\U000e0041": r"\U000e0041",
    "\udcff": r"\udcff",
}
HARMLESS = ["vm-1", "größe", "仮想　マシン", "deux\xa0mots", "two\nlines\tand a tab", "\\x1b", "🙂", ""]


@pytest.mark.parametrize(("text", "shown"), DANGEROUS.items())
def test_escaped(text: str, shown: str) -> None:
    """Control characters, bidirectional overrides and what cannot be seen are written out."""
    assert escaped(f"ä {text}") == f"ä {shown}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("größe 1", True),
        ("仮想", True),
        ("", False),
        ("a\nb", False),
        ("\u202ea", False),
        ("\udcff", False),
        (1, False),
    ],
)
def test_is_printable(value: object, expected: bool) -> None:
    """A name of a caller is a text, has a character, and hides none."""
    assert is_printable(value) is expected


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless(text: str) -> None:
    """Texts in any script, their blanks, lines and tabs stay as they are."""
    assert escaped(text) == escaped_json(text) == text


@pytest.mark.parametrize("text", [text for text in [*DANGEROUS, *HARMLESS] if text != "\udcff"])
def test_escaped_json(text: str) -> None:
    """A JSON document keeps its content, and shows nothing that a terminal would obey."""
    shown = escaped_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(shown) == {"text": text}
    assert escaped(shown) == shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a", True, id="shortest"),
        pytest.param("abcd", True, id="below"),
        pytest.param("abcde", True, id="at"),
        pytest.param("abcdef", False, id="above"),
        pytest.param("", False, id="empty"),
        pytest.param("a b", False, id="blank"),
        pytest.param("a\n", False, id="control"),
        pytest.param("ä", False, id="not-ascii"),
        pytest.param(b"a", False, id="bytes"),
    ],
)
def test_words(value: object, expected: bool) -> None:
    """A word goes into a header field and a log line as it is."""
    assert is_word(value, 5) is expected


@pytest.mark.parametrize(("text", "expected"), [("a b~", True), ("", True), ("a\x7f", False), ("é", False)])
def test_printable_ascii(text: str, expected: bool) -> None:
    """A header value may have blanks, but neither control characters nor other letters."""
    assert is_printable_ascii(text) is expected


@pytest.mark.parametrize("text", ["A", "NOT_FOUND", "com.vmware.vapi.X_1", "x" * 64])
def test_names(text: str) -> None:
    """What looks like a name of vCenter's is shown as one."""
    assert is_name(text)
    assert name_or_other(text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a-b", "two words", "pass:word", "line\n", "é", "\x1b"])
def test_texts_that_are_no_names(text: str) -> None:
    """Anything else may be a secret, and is not shown."""
    assert not is_name(text)
    assert name_or_other(text) == OTHER_NAME


@pytest.mark.parametrize("value", [None, 7, b"NAME", ["NAME"]])
def test_values_that_are_no_texts(value: object) -> None:
    """Nor is what is no text."""
    assert not is_name(value)
