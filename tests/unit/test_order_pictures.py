"""Pictures of one order: they tell everything that happened, whoever wrote the words in it."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import InvalidArgumentError, MissingExtraError, UnknownOrderError, connect
from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding
from lifecycle.core.view import Verdict
from lifecycle.diagram import Picture, draw_definition, draw_history, draw_order
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.scene import Disc, Text
from lifecycle.diagram.timeline import timeline
from lifecycle.providers.instacart import sample_orders
from lifecycle.testing.strategies import definitions, events_of
from tests.pictures import HOSTILE, MORNING, big_definition, entry, long_story, named, view_of
from tests.scenes import collisions, covered_lines, crossed_boxes

SVG = "{http://www.w3.org/2000/svg}"
ORDER = "xyz123456"


def texts_of(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in ET.fromstring(svg).iter(f"{SVG}text")]


def scene_of(picture: Picture):
    assert picture.scene is not None
    return picture.scene


def callback(name: str, at: str, *, event_id: str | None = None, **told: object) -> dict:
    return {
        "event_id": event_id or f"{name} {at}",
        "event_name": f"fulfillment.{name}",
        "event_timestamp": f"2022-06-04T{at}Z",
        "event_metadata": {"order_id": ORDER, **told},
    }


@pytest.fixture
def odd_order():
    """An order in which everything happens that can go wrong."""
    with connect("memory:") as orders:
        orders.record_callback(callback("at_store", "10:20:00"))
        orders.record_callback(callback("brand_new", "10:00:00"))
        orders.record_callback(callback("delivered", "11:00:00", event_id="same"))
        orders.record_callback(callback("delivered", "11:00:00", event_id="same", store="other"))
        orders.record_callback(callback("bags_verified", "11:10:00"))
        orders.record_callback(callback("teleported", "11:20:00"))
        orders.record_callback(callback("waiting_for_delivery", "10:30:00"))
        yield orders


def test_late_refused_divergent_unknown_and_missing_events_are_named_on_the_path(odd_order):
    said = " ".join(texts_of(draw_order(odd_order, ORDER).svg()))
    for words in (
        "heard late",
        "refused",
        "divergent",
        "unrecognized",
        "teleported",
        "? never seen",
        "stepped back to waiting for delivery, from at store",
        "skipped ahead to at store, from brand new",
        "missing: no event about it ever came",
        "the order had ended at 'delivered'; 'bags_verified' cannot follow",
    ):
        assert words in said, words


def test_of_two_events_heard_at_one_moment_the_one_recorded_later_is_the_late_one():
    with connect("memory:") as orders:
        for name, at in (("at_store", "10:20:00"), ("brand_new", "10:05:00")):
            orders.record_callback(callback(name, at), received_at=MORNING)
        view, told = orders.get(ORDER), texts_of(draw_order(orders, ORDER).svg())
    assert view.arrival.late == 1
    assert "heard late" in told


def test_a_late_event_whose_time_is_ahead_of_our_clock_is_late_by_no_time():
    with connect("memory:") as orders:
        orders.record_callback(callback("at_store", "10:20:00"), received_at=MORNING)
        later = MORNING + timedelta(seconds=1)
        orders.record_callback(callback("brand_new", "10:05:00"), received_at=later)
        said = texts_of(draw_order(orders, ORDER).svg())
    assert "heard late" in said
    assert not any(text.startswith("by ") for text in said)


def test_the_time_in_a_state_is_unknown_beside_an_undated_late_step():
    """It took place before the one that overtook it, so its arrival tells no length of a stay."""
    with connect("memory:") as orders:
        for minute, status in (
            (3, "brand_new"),
            (20, "at_store"),
            (35, "acknowledged_for_delivery"),
        ):
            body = {"id": ORDER, "status": status}
            orders.record_callback(body, received_at=MORNING + timedelta(minutes=minute))
        said = texts_of(draw_order(orders, ORDER).svg())
        stays = {state.state: state.stays for state in orders.stats().states}
    assert "32m00s" not in said
    assert said.count("stayed ?") == 2
    assert not any(stays.values())


def test_an_event_without_a_time_that_moves_nothing_makes_no_other_late():
    with connect("memory:") as orders:
        orders.record_callback({"id": ORDER, "status": "unheard_of"}, received_at=MORNING)
        later = MORNING + timedelta(minutes=40)
        orders.record_callback(callback("at_store", "10:20:00"), received_at=later)
        assert not any("late" in text for text in texts_of(draw_order(orders, ORDER).svg()))
        told = timeline(orders.get(ORDER), orders.history(ORDER))
    assert "late" not in told


def test_an_unanswered_request_and_the_reason_of_a_cancel_are_shown_on_the_path():
    with connect("memory:") as orders:
        orders.begin_request(ORDER, {"order_id": ORDER}).unanswered()
        reason = "<b>customer</b> " + "changed " * 4000
        orders.record_callback(callback("canceled", "10:20:00", cancellation_reason=reason))
        picture = draw_order(orders, ORDER)
    said = texts_of(picture.svg())
    assert "\u25cb 2: failed" in said
    assert any(text.startswith("cancellation reason: <b>customer</b>") for text in said)
    assert collisions(scene_of(picture)) == []
    assert scene_of(picture).width < 1500


def test_many_quiet_events_are_counted_where_their_numbers_have_no_room():
    with connect("memory:") as orders:
        orders.record_many(long_story("sixty", 60))
        said = texts_of(draw_order(orders, "sixty").svg())
    assert any(re.fullmatch(r"\u25cb \d+ noted(, \d+ late)?", text) for text in said)


def untold(svg: str, history) -> list[tuple[int, str]]:
    """Return the events, by number and name, that a picture does not show."""
    said = texts_of(svg)
    return [
        (number, event.name)
        for number, event in enumerate(history, 1)
        if f"{number}" not in said
        or not {spoken(event.name), f"{spoken(event.name)} ({event.kind})"} & set(said)
    ]


def test_an_event_that_is_left_out_of_a_picture_is_noticed(odd_order):
    """The positive control: a number or a name that is taken away is missed."""
    svg, history = draw_order(odd_order, ORDER).svg(), odd_order.history(ORDER)
    assert untold(svg, history) == []
    assert untold(svg.replace(">6</text>", "></text>"), history) == [(6, "teleported")]
    assert untold(svg.replace(">teleported</text>", "></text>"), history) == [(6, "teleported")]


@pytest.mark.parametrize("view", ["path", "timeline"])
def test_every_event_of_every_order_is_in_its_picture(view):
    told = sample_orders.generate(3, 30)
    delivery = sample_orders.deliver(3, told, lost=0.1, delayed=0.3, divergent=0.1)
    with connect("memory:") as orders:
        orders.record_many(delivery.recordings)
        orders.record_many(long_story("sixty", 60))
        for seen in orders.find():
            svg = draw_order(orders, seen.order_id, view).svg()
            assert untold(svg, orders.history(seen.order_id)) == [], seen.order_id


def test_the_timeline_has_a_point_for_each_event_in_both_lanes():
    with connect("memory:") as orders:
        orders.record_many(long_story("sixty", 60))
        scene = scene_of(draw_order(orders, "sixty", "timeline"))
    lanes: dict[float, int] = {}
    for item in scene.items:
        if isinstance(item, Disc) and item.radius == 4.5:
            lanes[item.y] = lanes.get(item.y, 0) + 1
    assert sorted(lanes.values())[-2:] == [60, 60]


def test_lines_of_the_timeline_cross_where_the_order_broke():
    with connect("memory:") as orders:
        orders.record_many(long_story("sixty", 60))
        svg = draw_order(orders, "sixty", "timeline").svg()
    assert 'class="l-back"' in svg
    assert "late: came after one that it precedes" in texts_of(svg)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_happens_under_whatever_definition_nothing_lies_on_anything_else(data):
    definition = data.draw(definitions())
    events = data.draw(events_of(definition))
    folding = Folding.of(definition, events)
    view, history = folding.view(), folding.history()
    path = scene_of(draw_history(definition, view, history, narrow=data.draw(st.booleans())))
    assert [*collisions(path), *covered_lines(path), *crossed_boxes(path)] == []
    assert collisions(scene_of(draw_history(definition, view, history, "timeline"))) == []


def test_thirty_states_with_ways_back_are_drawn_with_nothing_on_anything_else():
    definition = big_definition()
    scene = scene_of(draw_definition(definition))
    assert [*collisions(scene), *covered_lines(scene), *crossed_boxes(scene)] == []
    titles = re.findall("<title>(.*?)</title>", draw_definition(definition).svg())
    assert {*definition.states} <= {*titles}


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_shows_as_text_and_nothing_else(text):
    definition = named("start", "middle")
    shown = text or "x"
    view = view_of(definition, "start", order_id=shown, events=2)
    history = [
        entry("start", to="start", at=0),
        entry(shown, Verdict.UNRECOGNIZED, to="start", before="start", at=60, reason=shown),
    ]
    for kind in ("path", "timeline"):
        picture = draw_history(definition, view, history, kind)
        svg = picture.svg()
        root = ET.fromstring(svg)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "title", "desc", "style", "rect", "path", "polygon", "circle", "text")
        }
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
        assert "".join(harmless(shown).split()) in "".join("".join(texts_of(svg)).split())
        assert collisions(scene_of(picture)) == []


def test_an_id_of_255_bytes_widens_no_box_and_leaves_no_page():
    definition = named("start", "middle")
    view = view_of(definition, "start", order_id="W" * 255, events=1)
    for kind in ("path", "timeline"):
        scene = scene_of(draw_history(definition, view, [entry("start", to="start", at=0)], kind))
        assert collisions(scene) == []
        assert scene.width < 1500


def test_the_same_events_give_the_same_bytes_and_a_picture_runs_nothing_and_asks_for_nothing():
    with connect("memory:") as orders:
        orders.record_many(long_story("sixty", 60))
        drawn = [draw_order(orders, "sixty", "path").svg() for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert not re.search(r"<script|<image|<use|href|url\(|@import|<foreignObject", drawn[0])
    assert drawn[0].startswith("<svg ")
    assert 'role="img"' in drawn[0]
    assert "<title" in drawn[0]
    assert "<desc" in drawn[0]


def test_a_picture_has_a_text_description(odd_order):
    desc = ET.fromstring(draw_order(odd_order, ORDER).svg()).findtext(f"{SVG}desc") or ""
    assert "at store: skipped ahead to at store, from brand new" in desc
    assert re.search(r"bags verified: refused", desc)


def test_light_and_dark_are_two_and_auto_follows_the_reader():
    picture = draw_definition(named("a", "b"))
    light, dark, auto = (picture.svg(theme=theme) for theme in ("light", "dark", "auto"))
    assert light != dark
    assert "prefers-color-scheme" not in light + dark
    assert "@media (prefers-color-scheme:dark)" in auto
    with pytest.raises(InvalidArgumentError):
        picture.svg(theme="sepia")


def test_an_order_is_drawn_as_it_was_known_and_as_it_was():
    with connect("memory:") as orders:
        orders.record_callback(callback("brand_new", "10:00:00"), received_at=MORNING)
        later = MORNING.replace(hour=12)
        orders.record_callback(callback("at_store", "10:20:00"), received_at=later)
        known = draw_order(orders, ORDER, as_at=MORNING.replace(hour=11))
        was = draw_order(orders, ORDER, "timeline", as_of=MORNING.replace(minute=10))
        assert known.title == was.title == f"Order {ORDER} is brand new"
        assert "as it was known at 2022-06-04T11:00:00Z" in texts_of(known.svg())
        assert "as it was at 2022-06-04T10:10:00Z" in texts_of(was.svg())
        with pytest.raises(UnknownOrderError):
            draw_order(orders, ORDER, as_at=MORNING.replace(hour=9))
        with pytest.raises(InvalidArgumentError):
            draw_order(orders, ORDER, "portrait")


def test_a_notebook_shows_a_picture_as_svg_and_a_sequence_as_mermaid(odd_order):
    path, sequence = (draw_order(odd_order, ORDER, view) for view in ("path", "sequence"))
    assert path._repr_svg_() == path.svg()
    assert path._repr_markdown_() is None
    assert sequence._repr_svg_() is None
    assert sequence._repr_markdown_() == f"```mermaid\n{sequence.mermaid()}```\n"
    assert path.formats == ("mermaid", "dot", "svg", "png")
    assert sequence.formats == ("mermaid",)
    for ask in (sequence.svg, sequence.png, sequence.dot):
        with pytest.raises(InvalidArgumentError, match="expected one of mermaid"):
            ask()


def test_a_sequence_shows_events_as_they_arrived_and_crosses_out_those_that_do_not_count(odd_order):
    lines = draw_order(odd_order, ORDER, "sequence").mermaid().splitlines()
    assert lines[0] == "sequenceDiagram"
    told = [line.strip() for line in lines if "P->>S" in line or "P-xS" in line]
    assert [line.partition(": ")[2].partition(".")[0] for line in told] == [
        *("2", "1", "7", "4", "5", "6", "3")
    ]
    assert "P-xS" in told[2]
    assert "P-xS" in told[4]
    assert any("never seen" in line for line in lines)


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_starts_no_line_of_a_sequence(text):
    definition = named("start", "middle")
    view = view_of(definition, "start", order_id=text or "x", events=1)
    history = [entry(text or "x", Verdict.UNRECOGNIZED, to="start", at=60, reason=text)]
    drawn = draw_history(definition, view, history, "sequence").mermaid()
    plain = draw_history(
        definition,
        view_of(definition, "start", events=1),
        [entry("x", Verdict.UNRECOGNIZED, to="start", at=60, reason="x")],
        "sequence",
    ).mermaid()
    assert len(drawn.splitlines()) == len(plain.splitlines())
    decoded = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), drawn)
    assert harmless(text or "x") in decoded
    entities = re.sub(r"#\d+;", "", drawn)
    assert not re.search(r"[;#<>%\"`](?!>)", entities.replace("->>", "").replace("-->>", ""))


def test_a_png_has_the_picture_twice_as_fine_and_the_same_bytes_every_time():
    picture = draw_definition(named("a", "b", "c"))
    scene = scene_of(picture)
    drawn = picture.png()
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(drawn[at : at + 4]) for at in (16, 20))
    assert abs(width - 2 * scene.width) <= 2
    assert abs(height - 2 * scene.height) <= 2
    assert drawn == picture.png()
    assert picture.png(theme="dark") != drawn
    assert len(picture.png(scale=1)) < len(drawn)
    with pytest.raises(InvalidArgumentError):
        picture.png(scale=0)


def test_a_png_needs_no_font_of_the_machine():
    """Without the fonts that come along no text would be drawn: the picture would be emptier."""
    scene = scene_of(draw_definition(named("a", "b", "c")))
    bare = scene._replace(items=tuple(i for i in scene.items if not isinstance(i, Text)))
    with_text, without = (Picture("", each, {}).png() for each in (scene, bare))
    assert len(with_text) > len(without) * 1.2


def test_a_png_of_a_huge_picture_is_coarser_and_still_drawn():
    scene = scene_of(draw_definition(named("a", "b")))._replace(width=30_000, height=9_000)
    drawn = Picture("", scene, {}).png()
    width, height = (int.from_bytes(drawn[at : at + 4]) for at in (16, 20))
    assert width <= 16_000
    assert width * height <= 25_000_000


def test_a_png_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingExtraError, match=r"order-lifecycle\[png\]"):
        draw_definition(named("a", "b")).png()


def test_a_definition_may_have_any_name():
    definition = Definition.write("<&\"'>", states=["a"], moves=[], terminal=["a"])
    drawn = ET.fromstring(draw_definition(definition).svg())
    assert "<&\"'>" in "".join(drawn.itertext())
