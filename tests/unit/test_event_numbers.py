"""Every picture of an order calls an event by the same number: its place in canonical order."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings

from lifecycle import InvalidArgumentError, Verdict, connect, fold, history
from lifecycle.diagram import draw_history, draw_order
from lifecycle.diagram.dot import dot
from lifecycle.diagram.mermaid import mermaid
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.testing.strategies import events_of

SVG = "{http://www.w3.org/2000/svg}"
MOVED = {Verdict.APPLIED, Verdict.SKIPPED_AHEAD, Verdict.REVERTED}
ENDS = {"[*]": None, "Start": None}

MERMAID = re.compile(r"^ *(\[\*\]|\w+) --> (\w+) : ([\d, ]+)(?: |$)", re.MULTILINE)
DOT = re.compile(r"^ *(\w+) -> (\w+) \[label=\" ([\d, ]+) ", re.MULTILINE)


def moves(entries):
    """Return, by the number of each event that moved the order, from where to where."""
    return {
        number: (entry.from_, entry.to)
        for number, entry in enumerate(entries, 1)
        if entry.verdict in MOVED
    }


def drawn_moves(pattern, text):
    """Return the same, as the arrows of a diagram tell it."""
    return {
        int(number): (ENDS.get(source, source), dest)
        for source, dest, numbers in pattern.findall(text)
        for number in numbers.strip().split(", ")
    }


def told(svg):
    """Return every event by its number, as the words of a picture tell it."""
    words = next(ET.fromstring(svg).iter(f"{SVG}desc")).text
    return {int(found[1]): found[2] for found in re.finditer(r"(?m)^(\d+)\. \S+ (.*?):", words)}


def visit_numbers(svg):
    """Return the numbers that stand beside the states of a path, with when each was entered."""
    texts = ["".join(found.itertext()) for found in ET.fromstring(svg).iter(f"{SVG}text")]
    return {int(found[1]) for text in texts if (found := re.match(r"(\d+): ~?\d\d:\d\d", text))}


def sequence_numbers(text):
    """Return the names of the events by their numbers, as a sequence tells them."""
    found = re.findall(
        r"^ *[CPS]-+(?:>>|x)[CPS]: (\d+)\. (.*?)(?: \(poll\)| ~?\d)", text, re.MULTILINE
    )
    return {int(number): name for number, name in found}


def pictures(entries, view):
    return {kind: draw_history(LAST_MILE, view, entries, kind) for kind in KINDS}


KINDS = ("path", "timeline", "sequence")


@settings(max_examples=60, deadline=None)
@given(events_of(LAST_MILE, most=14))
def test_the_number_of_an_event_is_the_same_in_every_picture(events):
    view, entries = fold(LAST_MILE, events), history(LAST_MILE, events)
    drawn = pictures(entries, view)
    assert drawn_moves(MERMAID, drawn["path"].mermaid()) == moves(entries)
    assert drawn_moves(DOT, drawn["path"].dot()) == moves(entries)
    names = {number: entry.name.replace("_", " ") for number, entry in enumerate(entries, 1)}
    assert told(drawn["path"].svg()) == told(drawn["timeline"].svg()) == names
    assert sequence_numbers(drawn["sequence"].mermaid()) == names
    assert visit_numbers(drawn["path"].svg()) <= set(moves(entries))


def test_steps_that_are_counted_by_themselves_are_not_the_numbers_of_their_events():
    """The positive control: an event beside the path parts the two ways to count."""
    with connect("memory:") as orders:
        for status, second in (("brand_new", 0), ("order_location", 5), ("at_store", 9)):
            orders.record_callback(callback(status, second))
        view, entries = orders.get("o-1"), orders.history("o-1")
        drawn = draw_order(orders, "o-1")
    counted = drawn_moves(MERMAID, mermaid(LAST_MILE, view))
    assert set(counted) == {1, 2}
    assert set(moves(entries)) == {1, 3}
    assert set(drawn_moves(MERMAID, drawn.mermaid())) == {1, 3}
    assert set(drawn_moves(DOT, drawn.dot())) == {1, 3}
    assert visit_numbers(drawn.svg()) == {1, 3}


@pytest.mark.parametrize("draw", [mermaid, dot])
def test_a_history_of_another_order_or_time_is_refused(draw):
    with connect("memory:") as orders:
        orders.record_callback(callback("brand_new", 0))
        before = orders.history("o-1")
        orders.record_callback(callback("at_store", 9))
        view = orders.get("o-1")
    with pytest.raises(InvalidArgumentError, match="history cannot be used"):
        draw(LAST_MILE, view, before)


def callback(name, second):
    return {
        "event_id": f"{name} {second}",
        "event_name": name,
        "event_timestamp": f"2022-06-04T10:00:{second:02}Z",
        "event_metadata": {"order_id": "o-1"},
    }
