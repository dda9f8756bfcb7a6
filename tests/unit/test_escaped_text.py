"""Harmless text: foreign characters that could steer, hide or deceive are written out."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.diagram.harmless import cells, harmless
from lifecycle.diagram.metrics import shortened
from tests.pictures import HOSTILE


def read_back(shown: str) -> str:
    """Return the text that was shown: written-out characters are characters again."""
    pattern = r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))"
    return re.sub(pattern, lambda m: chr(int(m[1] or m[2] or m[3] or "5c", 16)), shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("xyz123456", "xyz123456"),
        ("bags_verified", "bags_verified"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nb\tc\x7f", r"a\x0ab\x09c\x7f"),
        ("\u202eabc", r"\u202eabc"),
        ("\U000e0041", r"\U000e0041"),
        ("a\\b", r"a\\b"),
        ("e\u0301", r"e\u0301"),
        ("a\u00a0b", r"a\xa0b"),
        ("\u05d0", r"\u05d0"),
        ("\u3164", r"\u3164"),
        ("\ud800", r"\ud800"),
        ("é 日本 ✓", "é 日本 ✓"),
    ],
)
def test_control_characters_are_escaped_and_other_text_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_ascii_alone_is_printed_where_nothing_else_can_be() -> None:
    assert harmless("é 日\U0001f600", ascii_only=True) == r"\xe9 \u65e5\U0001f600"


@given(st.text() | st.sampled_from(HOSTILE), st.booleans())
def test_no_text_steers_and_no_two_texts_look_the_same(text: str, ascii_only: bool) -> None:
    shown = harmless(text, ascii_only=ascii_only)
    assert shown.isprintable()
    assert {unicodedata.bidirectional(c) for c in shown}.isdisjoint({"R", "AL", "AN"})
    assert shown.isascii() or not ascii_only
    assert read_back(shown) == text


def test_the_checks_see_what_steers() -> None:
    """The positive control: without `harmless`, each of these would be found."""
    for text in ("\x1b[2J", "\x9b", "\n", "\u202e", "\u200b", "\u2028", "\ufeff", "\ud800"):
        assert not text.isprintable()
    assert unicodedata.bidirectional("\u05d0") == "R"


def test_wide_characters_take_two_cells() -> None:
    assert [cells(text) for text in ("abc", "日本", "é", "a日", "\U0001f600")] == [3, 4, 1, 3, 2]


@given(st.text(), st.integers(0, 20), st.booleans())
def test_a_shortened_text_fits_and_shows_that_it_was_cut(
    text: str, width: int, ascii_only: bool
) -> None:
    whole = harmless(text, ascii_only=ascii_only)
    cut = shortened(whole, width, ascii_only=ascii_only)
    assert cells(cut) <= width
    assert cut.isascii() or not ascii_only
    if cells(whole) <= width:
        assert cut == whole
    elif width > 3:
        ellipsis = "..." if ascii_only else "\N{HORIZONTAL ELLIPSIS}"
        assert cut.endswith(ellipsis)
        assert whole.startswith(cut.removesuffix(ellipsis))
