"""Pictures of generated orders, measured in a real browser: no text covers another.

The same in a font twice as wide: what holds must not rest on the fonts of one machine.
Where there is no Chromium these tests are skipped, and say so.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from lifecycle import connect
from lifecycle.diagram import draw_definition, draw_order, draw_stats
from lifecycle.providers.instacart import sample_orders
from tests import chromium
from tests.pictures import HOSTILE, big_definition, long_story, named

pytestmark = pytest.mark.skipif(
    chromium.FOUND is None,
    reason="NO BROWSER: pictures are not measured; install it: apt-get install chromium",
)
ORDERS = 30


@pytest.fixture(scope="module")
def orders():
    with told_of(ORDERS) as held:
        yield held


@contextmanager
def told_of(count):
    told = sample_orders.generate(5, count)
    damaged = sample_orders.deliver(5, told, lost=0.05, repeated=0.1, divergent=0.05, delayed=0.3)
    with connect("memory:") as held:
        held.record_many(damaged.recordings)
        held.record_many(long_story("sixty", 60))
        for number, text in enumerate(HOSTILE):
            body = {"id": f"{text or 'x'}{number}", "status": text or "none"}
            held.record_callback(body)
            held.record_callback(body | {"status": "brand_new"})
        held.record_callback({"id": "W" * 255, "status": "brand_new"})
        yield held


def problems(found: dict[str, dict]) -> dict[str, list[str]]:
    return {name: told["problems"] for name, told in found.items() if told["problems"]}


@pytest.mark.parametrize("count", [ORDERS, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize(("view", "narrow"), [("path", False), ("path", True), ("timeline", False)])
def test_no_text_covers_another_or_leaves_the_page(count, view, narrow, tmp_path):
    with told_of(count) as orders:
        pictures = {
            f"{number}": draw_order(orders, seen.order_id, view, narrow=narrow).svg(theme="light")
            for number, seen in enumerate(orders.find())
        }
    assert len(pictures) > count
    found = chromium.measured(pictures, tmp_path)
    assert found.keys() == pictures.keys()
    assert problems(found) == {}
    for name, svg in pictures.items():
        assert found[name]["texts"] == len(re.findall("<text ", svg))


def test_definitions_and_whole_logs_are_drawn_as_well(orders, tmp_path):
    definition = orders.provider.definition
    pictures = {
        "last mile": draw_definition(definition),
        "big": draw_definition(big_definition()),
        "small": draw_definition(named("a", "b", "c")),
        "hostile": draw_definition(named("start", *filter(str.strip, HOSTILE))),
        "log": draw_stats(definition, orders.stats()),
        "narrow": draw_definition(definition, narrow=True),
        "narrow big": draw_definition(big_definition(), narrow=True),
        "narrow log": draw_stats(definition, orders.stats(), narrow=True),
    }
    written = {name: picture.svg() for name, picture in pictures.items()}
    assert problems(chromium.measured(written, tmp_path)) == {}


def test_another_font_changes_nothing(orders, tmp_path):
    some = [seen.order_id for _, seen in zip(range(10), orders.find(), strict=False)]
    written = {
        f"{view} {number}": draw_order(orders, order_id, view).svg(theme="dark")
        for number, order_id in enumerate([*some, "sixty"])
        for view in ("path", "timeline")
    }
    assert problems(chromium.measured(written, tmp_path, font="monospace")) == {}


def test_the_browser_sees_what_it_looks_for(orders, tmp_path):
    """The positive control: without measured lengths a wide font overflows, and it is told."""
    svg = draw_order(orders, "sixty", "path").svg(theme="light")
    careless = re.sub(r' textLength="[^"]*" lengthAdjust="\w+"', "", svg)
    found = chromium.measured({"careless": careless}, tmp_path, font="monospace")
    assert any("overlaps" in problem for problem in found["careless"]["problems"])
    beyond = svg.replace("</svg>", '<text class="t-ink" x="-9" y="20">gone</text></svg>')
    told = chromium.measured({"beyond": beyond}, tmp_path)["beyond"]["problems"]
    assert any("gone leaves" in problem for problem in told)
