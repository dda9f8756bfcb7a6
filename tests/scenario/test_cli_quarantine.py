"""`lifecycle quarantine`: what could not be read and why; and reading it again."""

from __future__ import annotations

import pytest

from lifecycle import connect
from lifecycle.core.event import Arrival, Unreadable
from tests.scenario.command_line import DATABASE, at, lines, run, run_on_terminal, story

ITEM = {
    "item",
    "position",
    "provider",
    "reason",
    "detail",
    "kind",
    "order_id",
    "line_number",
    "received_at",
    "recorded_at",
    "sha256",
    "size",
    "redriven",
}
BAD = [
    {"kind": "callback", "received_at": at(1), "body_text": "not json"},
    {"kind": "callback", "received_at": at(2), "body": {"status": "brand_new"}},
    {
        "kind": "callback",
        "received_at": at(3),
        "order_id": "\x1b[31m",
        "body": {"status": "staged"},
    },
    {"kind": "carrier pigeon"},
]


@pytest.fixture
def folder(tmp_path):
    told = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines([*story(), *BAD]))
    assert told.code == 0
    return tmp_path


def quarantine(folder, *arguments):
    answer = run("quarantine", "--db", DATABASE, "--json", *arguments, cwd=folder)
    assert (answer.code, answer.err) == (0, ""), answer
    return answer.value


def test_every_item_says_why_and_where_it_came_from(folder):
    items = quarantine(folder)
    assert [item["reason"] for item in items] == [
        "not_json",
        "no_order",
        "bad_order_id",
        "bad_line",
    ]
    assert [item["item"] for item in items] == [1, 2, 3, 4]
    assert [item["line_number"] for item in items][-1] == 7
    assert all(set(item) == ITEM for item in items)


def test_no_body_is_shown(folder):
    """It may be anything, and anybody's."""
    for arguments in ((), ("--json",)):
        assert "not json" not in run("quarantine", "--db", DATABASE, *arguments, cwd=folder).out


def test_nothing_to_show_is_an_empty_array(tmp_path):
    run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(story()))
    assert quarantine(tmp_path) == []
    assert quarantine(tmp_path, "--redrive") == []
    assert run("quarantine", "--db", DATABASE, cwd=tmp_path).out == "nothing is in the quarantine\n"


def test_an_item_that_is_still_unreadable_stays_in_quarantine(folder):
    assert quarantine(folder, "--redrive") == []
    assert len(quarantine(folder)) == len(BAD)


def test_a_quarantined_item_that_a_new_release_can_read_becomes_an_event(tmp_path):
    """An item is put there by hand that today's rules can read, as after a mended parser."""
    body = b'{"id": "xyz123456", "status": "brand_new"}'
    with connect(f"sqlite:///{tmp_path / 'orders.db'}") as orders:
        first = orders.record_callback(b"not json").event
        arrival = Arrival("callback", body, first.received_at)
        orders.log.append(Unreadable("instacart", "not_json", "", body, first.received_at, arrival))
    (became,) = quarantine(tmp_path, "--redrive")
    assert (became["item"], became["order_id"], became["outcome"]) == (2, "xyz123456", "appended")
    shown = run("show", "xyz123456", "--db", DATABASE, "--json", cwd=tmp_path)
    assert shown.value["status"] == "brand_new"
    assert [item["item"] for item in quarantine(tmp_path)] == [1]
    every = quarantine(tmp_path, "--all")
    assert [item["redriven"] for item in every] == [None, became["key"]]
    assert quarantine(tmp_path, "--redrive") == []


def test_control_characters_from_data_never_reach_the_terminal_raw(folder):
    """The order id of item 3 would turn a terminal red."""
    for arguments in ((), ("--json",)):
        command = ("quarantine", "--db", DATABASE, *arguments)
        assert "\x1b" not in run(*command, cwd=folder).out
        assert "\x1b" not in run_on_terminal(*command, cwd=folder, NO_COLOR="1").out
    assert any(item["order_id"] == "\x1b[31m" for item in quarantine(folder)), "the control"
