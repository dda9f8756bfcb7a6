"""Callbacks that name a delivery by the provider's own id alone, over the receiver.

They wait until another one links that id to an order; then all of it is told, and once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import connect, connect_async
from lifecycle.audit.replay import replay
from lifecycle.http.receiver import Credentials, Receiver, Request, SyncReceiver
from lifecycle.providers.uber_direct import PROVIDER
from lifecycle.providers.uber_direct.receiver import RECEIVER, SIGNATURE

SECRET = "a signing key of the tests, 32 bytes"
GATE = RECEIVER.gate(Credentials({"uber": [SECRET]}))
Told = list[tuple[str, str | None, str]]


def said(status: str, number: int, *, order: str | None = None, own: str = "del_1") -> bytes:
    """Return the body of a callback, which names the order where one is given."""
    minute = f"2026-07-07T12:{number:02}:00Z"
    body: dict[str, Any] = {
        "kind": "event.delivery_status",
        "id": f"evt_{number}",
        "status": status,
    }
    body |= {"created": minute, "live_mode": True, "delivery_id": own, "data": {"id": own}}
    return json.dumps(body if order is None else body | {"external_id": order}).encode()


def asked(body: bytes) -> Request:
    return Request("POST", "/callbacks", SIGNATURE.sign(SECRET, body), body)


def in_threads(tmp_path: Any, bodies: list[bytes]) -> tuple[list[str], Told]:
    told: Told = []
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        receiver = SyncReceiver(orders, GATE, on_change=lambda each: told.append(change(each)))
        return [outcome(receiver.handle(asked(body))) for body in bodies], told


def in_a_loop(tmp_path: Any, bodies: list[bytes]) -> tuple[list[str], Told]:
    told: Told = []

    async def run() -> list[str]:
        async with connect_async(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
            receiver = Receiver(orders, GATE, on_change=lambda each: told.append(change(each)))
            answers = [outcome(await receiver.handle(asked(body))) for body in bodies]
            await receiver.settled()
            return answers

    return asyncio.run(run()), told


def change(receipt: Any) -> tuple[str, str | None, str]:
    return receipt.event.order_id, receipt.change.before, receipt.change.after


def outcome(answer: Any) -> str:
    assert answer.status == 200
    return str(json.loads(answer.body)["outcome"])


BOTH = pytest.mark.parametrize("post", [in_threads, in_a_loop])
Post = Callable[[Any, list[bytes]], tuple[list[str], Told]]


@BOTH
def test_what_waited_for_a_link_is_told_after_what_linked_it(post: Post, tmp_path: Any) -> None:
    waiting = [said("pickup", 2), said("pickup_complete", 3), said("pickup", 2)]
    outcomes, told = post(tmp_path, [*waiting, said("pending", 1, order="o-1"), said("dropoff", 4)])

    assert outcomes == ["quarantined"] * 3 + ["appended"] * 2
    steps = ["pending", "pickup", "pickup_complete", "dropoff"]
    assert told == list(zip(["o-1"] * 4, [None, *steps], steps, strict=False))
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        assert [step.status for step in orders.get("o-1").path] == steps
        assert list(orders.quarantine()) == []
        assert replay(orders.log, {"uber_direct": PROVIDER}).ok


@BOTH
def test_an_id_that_two_orders_claim_gives_nothing_to_either(post: Post, tmp_path: Any) -> None:
    before = [said("pending", 1, order="o-1"), said("pickup", 2)]
    claims = [said("pending", 3, order="o-2"), said("dropoff", 4)]
    outcomes, told = post(tmp_path, [*before, *claims])

    assert outcomes == ["appended", "appended", "appended", "quarantined"]
    assert told == [
        ("o-1", None, "pending"),
        ("o-1", "pending", "pickup"),
        ("o-2", None, "pending"),
    ]
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        assert orders.get("o-1").status == "pickup", "what was given stays"
        assert [item.reason for item in orders.quarantine()] == ["linked_twice"]
        assert "linked_twice" in [item.kind for item in orders.attention()]


@BOTH
def test_the_answer_to_a_create_request_links_what_came_before_it(
    post: Post, tmp_path: Any
) -> None:
    outcomes, told = post(tmp_path, [said("pickup", 2)])
    assert (outcomes, told) == (["quarantined"], [])
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        sent = orders.begin_request("o-1", {"external_id": "o-1"})
        answer = {"id": "del_1", "external_id": "o-1", "status": "pending", "kind": "delivery"}
        receipt = sent.answered(200, answer)

        assert [change(each) for each in receipt.whole() if each.change] == [
            ("o-1", "requested", "pending"),
            ("o-1", "pending", "pickup"),
        ]


def test_what_was_left_by_a_process_that_died_is_read_when_the_log_is_opened(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        monkeypatch.setattr(orders, "_append_linked", lambda _: ())
        orders.record_callback(said("pickup", 2))
        orders.record_callback(said("pending", 1, order="o-1"))
        assert orders.get("o-1").status == "pending"
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        assert orders.get("o-1").status == "pickup"
        changed = [(each.after, each.order_id) for each in orders.changes()]
        assert changed[-1] == ("pickup", "o-1"), "the log tells it to whoever follows it"


def test_a_batch_tells_what_it_linked_with_its_last_receipt(tmp_path: Any) -> None:
    lines = [
        {"kind": "callback", "body": json.loads(body)}
        for body in (said("pickup", 2), said("pending", 1, order="o-1"), said("dropoff", 4))
    ]
    with connect(f"sqlite:///{tmp_path}/o.db", provider=PROVIDER) as orders:
        receipts = orders.record_many(lines)
        linked = [each.event.name for each in receipts[-1].linked]
        assert sorted(linked) == ["dropoff", "pickup"]
        assert orders.record_many([]) == []
