"""The generated parts of the pages are what the code says now."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from lifecycle.core.view import AnomalyCode, HistoryEntry, OrderView, Verdict
from tests.docs import generated
from tests.docs.fences import PAGES, ROOT, named

COMMAND = ".venv/bin/python tests/docs/generated.py"


@pytest.mark.parametrize("page", generated.pages(), ids=named)
def test_the_generated_parts_of_the_page_are_not_stale(page):
    text = page.read_text()
    assert text == generated.written_anew(text), f"write it anew: {COMMAND}"


def test_the_drawn_pictures_of_the_pages_are_not_stale_and_all_are_shown():
    drawn = generated.pictures()
    stale = [path.name for path, svg in drawn.items() if path.read_text(encoding="utf-8") != svg]
    assert stale == [], f"write them anew: {COMMAND}"
    assert {*(ROOT / "docs" / "pictures").iterdir()} == {*drawn}
    shown = "".join(page.read_text() for page in (ROOT / "README.md", *PAGES))
    assert [path.name for path in drawn if f"pictures/{path.name}" not in shown] == []


def test_every_generated_part_stands_on_a_page():
    marked = set()
    for page in generated.pages():
        marked |= set(re.findall(r"<!-- generated: (\w+) -->", page.read_text()))
    assert marked == set(generated.PARTS)


def test_a_stale_part_is_noticed():
    """The positive control: yesterday's table is not today's."""
    text = "<!-- generated: lattice -->\nnothing\n<!-- end -->\n"
    assert generated.written_anew(text) != text
    assert generated.written_anew(generated.written_anew(text)) == generated.written_anew(text)


def first_column(page: str) -> set[str]:
    return {name.rstrip("_") for name in re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)}


def fields_of(dumped: object) -> set[str]:
    """Return the names of all fields in a JSON schema, nested ones too."""
    if isinstance(dumped, list):
        return set().union(*map(fields_of, dumped)) if dumped else set()
    if not isinstance(dumped, dict):
        return set()
    return set(dumped.get("properties", {})) | set().union(*map(fields_of, dumped.values()), set())


def printed_part(api: str) -> str:
    """Return the sections of the API's page that tell the fields of views and histories."""
    sections = re.findall(r"^## ([\w.]+)\n(.*?)(?=^## )", api, re.MULTILINE | re.DOTALL)
    printed = {model.__name__ for model in generated.PRINTED} | {
        generated.instacart_details.__name__
    }
    found = {name: text for name, text in sections if name in printed}
    assert found.keys() == printed
    return "".join(found.values())


def test_the_pages_on_views_list_every_field_verdict_and_anomaly():
    reference = ROOT / "docs" / "reference"
    page = (reference / "views.md").read_text()
    page += printed_part((reference / "api.md").read_text())
    details = generated.LAST_MILE.details
    said = [model.model_json_schema(mode="serialization") for model in (HistoryEntry, details)]
    told = first_column(page)
    assert fields_of(said) <= told
    view = OrderView.model_json_schema(mode="validation")
    codes = set(get_args(AnomalyCode))
    fields = fields_of(view) | {"digest"}
    assert fields <= told
    assert {verdict.value for verdict in Verdict} | codes <= told
    assert told <= fields | fields_of(said) | {verdict.value for verdict in Verdict} | codes
