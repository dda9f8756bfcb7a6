"""A provider of somebody else, as a wheel: several changes in one body, sorted by a number.

The bodies are webhooks of Square's, as its documentation and a developer's post show them.
"""

from __future__ import annotations

import base64
import hmac
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lifecycle import connect
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.http.receiver import Credentials, Request, SyncReceiver
from lifecycle.registry import find_provider, part_of
from lifecycle.testing import assert_any_order
from tests.scenario.command_line import DATABASE, lines, run_script
from tests.wheels import installed

PACKAGE = Path(__file__).parents[1] / "provider_packages" / "square"
SQUARE = "square_lifecycle:PROVIDER"
ORDER = "tNGQNRAPcPGgq73JHq9PTDg6yvFZY"
FULFILLMENT = "vyysEynWxh3FS4dn4ai8cD"
FIRST = (
    b'{"merchant_id":"MLB0M4PXGJ7GV","type":"order.fulfillment.updated",'
    b'"event_id":"6527f5b9-8cf9-33d0-841a-22be76a0bb59","created_at":"2023-11-17T04:24:33Z",'
    b'"data":{"type":"order","id":"tNGQNRAPcPGgq73JHq9PTDg6yvFZY","object":'
    b'{"order_fulfillment_updated":{"created_at":"2023-11-17T04:24:32.844Z",'
    b'"fulfillment_update":[{"fulfillment_uid":"vyysEynWxh3FS4dn4ai8cD","new_state":"PROPOSED"}],'
    b'"location_id":"LXE4FC194XMVZ","order_id":"tNGQNRAPcPGgq73JHq9PTDg6yvFZY","state":"OPEN",'
    b'"updated_at":"2023-11-17T04:24:32.844Z","version":1}}}}'
)
URL = "https://shop.example/callbacks"
SECRET = "the signature key of one subscription"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Return a folder into which pip installed the wheel."""
    return installed(PACKAGE, tmp_path_factory.mktemp("square"))


@pytest.fixture(autouse=True)
def _found(target, monkeypatch):
    monkeypatch.syspath_prepend(target)
    yield
    for name in [name for name in sys.modules if name.startswith("square_lifecycle")]:
        del sys.modules[name]


def webhook(version: Any, *changes: Any, at: str = "2023-11-17T04:24:34Z") -> dict[str, Any]:
    """Return the body of a webhook, its event id made of all that it says."""
    body = json.loads(FIRST)
    told = body["data"]["object"]["order_fulfillment_updated"]
    told |= {"version": version, "updated_at": at, "fulfillment_update": list(changes)}
    body["event_id"] = sha256(json.dumps(told).encode()).hexdigest()[:32]
    return body


def change(new: str | None, old: str | None = None, uid: str = FULFILLMENT) -> dict[str, Any]:
    states = {"new_state": new, "old_state": old}
    return {"fulfillment_uid": uid, **{name: state for name, state in states.items() if state}}


def as_callbacks(*bodies: Any) -> list[dict[str, Any]]:
    return [{"kind": "callback", "provider": "square", "body": body} for body in bodies]


def test_the_documented_body_is_read_with_its_number_and_details():
    with connect("memory:", provider=SQUARE) as orders:
        event = orders.record_callback(FIRST).event
        assert (event.order_id, event.name, event.status) == (FULFILLMENT, "proposed", "PROPOSED")
        assert (event.sequence, event.event_id) == (1, "6527f5b9-8cf9-33d0-841a-22be76a0bb59")
        assert orders.record_callback(FIRST).outcome == "duplicate"
        view = orders.get(FULFILLMENT)
        assert view.details.square_order_id == ORDER


def test_the_same_state_again_with_a_higher_version_is_another_event():
    with connect("memory:", provider=SQUARE) as orders:
        orders.record_callback(FIRST)
        again = orders.record_callback(webhook(3, change("PROPOSED", "PROPOSED")))
        assert again.outcome == "appended"
        view = orders.get(FULFILLMENT)
        assert (view.status, len(orders.history(FULFILLMENT))) == ("proposed", 2)


def test_the_number_decides_and_no_time_does():
    """Each clock shows another hour; the last one by number is the earliest by time."""
    bodies = [
        json.loads(FIRST),
        webhook(3, change("PROPOSED", "PROPOSED"), at="2023-11-17T09:00:00Z"),
        webhook(4, change("RESERVED", "PROPOSED"), at="2023-11-17T08:00:00Z"),
        webhook(6, change("PREPARED", "RESERVED"), at="2023-11-17T07:00:00Z"),
        webhook(7, change("RESERVED", "PREPARED"), at="2023-11-17T01:00:00Z"),
    ]
    assert_any_order(as_callbacks(*bodies), {"status": "reserved"}, provider=SQUARE)


def test_by_their_times_alone_they_would_show_another_state():
    """The positive control: without numbers the same bodies are sorted by their times."""
    bodies = [
        webhook(None, change("PREPARED", "RESERVED"), at="2023-11-17T07:00:00Z"),
        webhook(None, change("RESERVED", "PREPARED"), at="2023-11-17T01:00:00Z"),
    ]
    assert_any_order(as_callbacks(*bodies), {"status": "prepared"}, provider=SQUARE)


def test_one_body_changes_several_fulfillments_and_each_has_its_own_history():
    several = webhook(2, change("RESERVED"), change("CANCELED", uid="two"), change("NEW", uid="3"))
    with connect("memory:", provider=SQUARE) as orders:
        orders.record_callback(FIRST)
        orders.record_callback(several)
        assert {view.order_id: view.status for view in orders.find()} == {
            FULFILLMENT: "reserved",
            "two": "canceled",
            "3": "announced",
        }
        assert orders.record_callback(several).outcome == "duplicate"
        assert [len(orders.history(each)) for each in (FULFILLMENT, "two", "3")] == [2, 1, 1]
        assert [each.code for each in orders.get("3").anomalies] == ["unrecognized"]
        assert replay(orders.log, {"square": orders.provider}).ok
        assert verify(orders.log).ok


def test_a_change_that_cannot_be_read_leaves_the_others_and_its_body_is_kept():
    body = webhook(
        2, change("RESERVED"), change(None, uid="two"), "nothing", change("FAILED", uid="4")
    )
    with connect("memory:", provider=SQUARE) as orders:
        orders.record_callback(body)
        assert {view.order_id: view.status for view in orders.find()} == {
            FULFILLMENT: "reserved",
            "4": "unfulfilled",
        }
        (item,) = orders.quarantine()
        assert (item.reason, json.loads(item.body)) == ("no_name", body)


@pytest.mark.parametrize(
    "version", [-1, 1.5, True, "7", 1 << 63, 10**30, None, [], {"version": 1}], ids=str
)
def test_a_version_that_is_none_is_left_out(version):
    with connect("memory:", provider=SQUARE) as orders:
        assert orders.record_callback(webhook(version, change("RESERVED"))).event.sequence is None
        assert orders.get(FULFILLMENT).status == "reserved"


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {"object": {}}}, webhook(1)], ids=str)
def test_a_body_without_changes_is_quarantined(body):
    with connect("memory:", provider=SQUARE) as orders:
        orders.record_callback(body)
        assert [item.reason for item in orders.quarantine()] == ["no_name"]


def test_webhooks_are_signed_over_url_and_body():
    gate = part_of(SQUARE, "receiver").gate(Credentials({"square": [SECRET]}, url=URL))
    mac = hmac.digest(SECRET.encode(), URL.encode() + FIRST, "sha256")
    headers = {"X-Square-HmacSha256-Signature": base64.b64encode(mac).decode()}
    with connect("memory:", provider=SQUARE) as orders:
        receiver = SyncReceiver(orders, gate)
        forged = FIRST.replace(b"PROPOSED", b"CANCELED")
        assert receiver.handle(Request("POST", "/callbacks", headers, forged)).status == 401
        assert list(orders.log.scan()) == []
        assert receiver.handle(Request("POST", "/callbacks", headers, FIRST)).status == 200
        assert orders.get(FULFILLMENT).status == "proposed"


def test_the_installed_package_is_found_by_its_entry_point_and_used_by_commands(target, tmp_path):
    path = {"PYTHONPATH": str(target)}
    listed = run_script("providers", "--json", cwd=tmp_path, env=path)
    (found,) = (each for each in listed.value if each["name"] == "square")
    assert (found["ok"], found["offers"]) == (True, ["reader", "receiver"])
    assert found["from"] == "entry point of square-lifecycle 2023.11.15"
    body = webhook(2, change("RESERVED"), change("CANCELED", uid="two"))
    recorded = lines(as_callbacks(json.loads(FIRST), body))
    told = run_script("ingest", "-", "--db", DATABASE, cwd=tmp_path, env=path, stdin=recorded)
    assert (told.code, told.err) == (0, "")
    shown = run_script("list", "--json", "--db", DATABASE, cwd=tmp_path, env=path)
    assert {each["order_id"]: each["status"] for each in shown.value} == {
        FULFILLMENT: "reserved",
        "two": "canceled",
    }
    for command in (("replay",), ("verify",), ("check", "--provider", "square", "--size", "1")):
        database = () if command[0] == "check" else ("--db", DATABASE)
        assert run_script(*command, *database, cwd=tmp_path, env=path).code == 0, command


def test_it_lies_where_pip_put_it(target):
    module = sys.modules[find_provider(SQUARE).package]
    assert Path(module.__file__ or "").is_relative_to(target)
