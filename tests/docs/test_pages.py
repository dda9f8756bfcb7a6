"""The pages: each says what kind it is, every link leads somewhere, and none is an orphan."""

from __future__ import annotations

import re

import pytest

from tests.docs.fences import PAGES, ROOT, blocks_of, named

KINDS = {
    "auditors": "For auditors",
    "tutorial": "Tutorial",
    "how-to": "How-to",
    "reference": "Reference",
    "explanation": "Explanation",
    "contributors": "For contributors",
    "adr": "Decision",
}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r'<(?:img|source)\b[^>]*\bsrc(?:set)?="([^"]+)"')
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]


def without_code(text: str) -> str:
    """Return a page without its code, fenced or inline."""
    for block in blocks_of(text):
        text = text.replace(block.text, "\n")
    return re.sub(r"`[^`\n]*`", "", text)


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as Markdown hosts make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page) -> list[str]:
    """Return the links of a page that lead to no file or to no heading."""
    broken = []
    text = without_code(page.read_text())
    for target in [*LINK.findall(text), *IMAGE.findall(text)]:
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors_of(file.read_text())
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_every_link_leads_somewhere(page):
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_page_says_which_kind_of_page_it_is(page):
    folder = page.parent.name
    title, _, rest = page.read_text().partition("\n")
    assert title.startswith("# ")
    kind = KINDS.get(folder, "Index")
    assert rest.lstrip("\n").startswith(f"*{kind}"), (
        f"expected a line '*{kind}: ...*' under the title"
    )


def test_every_page_can_be_reached_from_the_index():
    linked = {
        (index.parent / target.partition("#")[0]).resolve()
        for index in (ROOT / "docs" / "index.md", ROOT / "docs" / "contributors" / "index.md")
        for target in LINK.findall(index.read_text())
    }
    orphans = [named(page) for page in PAGES if page.name != "index.md" and page not in linked]
    assert orphans == []


def test_every_decision_has_a_number_of_its_own():
    decisions = sorted((ROOT / "docs" / "contributors" / "adr").glob("*.md"))
    numbers = [page.name[:4] for page in decisions]

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_changelog_lists_unreleased_and_released_changes():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "keepachangelog.com" in text
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)


def test_a_broken_link_is_seen(tmp_path):
    """The positive control: a missing file and a missing heading are both found."""
    page = tmp_path / "page.md"
    links = "[a](gone.md) [b](#title) [c](#nothing) `[d](code.md)`"
    page.write_text(f'# Title\n{links} <img src="x.svg">\n')
    assert broken_links(page) == ["gone.md", "#nothing", "x.svg"]
