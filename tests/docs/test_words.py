"""How much an adopter has to read: words are counted, so that pages do not grow unseen.

They are counted as `wc -w` counts them, code and tables too. Not counted are the two pages that
are made from the code (their words stand in docstrings), and what only contributors read.
"""

from __future__ import annotations

from tests.docs.fences import PAGES, ROOT

MOST = 36_000
GENERATED = {"reference/api.md", "reference/command-line.md"}


def words_of(page: str) -> int:
    """Return how many words a page has."""
    return len(page.split())


def adopters_words() -> dict[str, int]:
    """Return the words of each page that is for adopters, the longest first."""
    pages = {str(page.relative_to(ROOT / "docs")): page for page in PAGES}
    counted = {
        name: words_of(page.read_text(encoding="utf-8"))
        for name, page in pages.items()
        if not name.startswith("contributors/") and name not in GENERATED
    }
    return dict(sorted(counted.items(), key=lambda each: -each[1]))


def longest(counted: dict[str, int]) -> str:
    """Return the pages to look at first where there are too many words."""
    lines = [f"{count:6,}  {name}" for name, count in list(counted.items())[:12]]
    return "\n".join([f"{sum(counted.values()):,} words, the longest pages:", *lines])


def test_an_adopter_has_no_more_to_read_than_this():
    counted = adopters_words()
    assert sum(counted.values()) <= MOST, longest(counted)


def test_too_many_words_are_told_with_the_longest_pages_first():
    """The positive control: one page too long is found and named; code and tables count."""
    counted = {"long.md": words_of("word " * (MOST + 1)), "short.md": words_of("# A page\n")}
    assert sum(counted.values()) > MOST
    assert longest(counted).splitlines()[1].split() == [f"{MOST + 1:,}", "long.md"]
    assert words_of("| a | b |\n|---|---|\n\n```python\nc d\n```\n") == 10
