"""`assert_any_order`: it passes where the promise holds and fails, briefly, where it does not."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart import INSTACART
from lifecycle.providers.instacart.recordings import accepted, callback, flat, poll, request
from lifecycle.testing import HandMade, assert_any_order, event, given
from lifecycle.testing.any_order import arrival_orders, shortest

STORY = [
    request(),
    accepted(),
    callback("brand_new", at=9, event_id=1),
    callback("acknowledged", at=20, event_id=2),
    flat("at_store"),
]


class Misreading(HandMade):
    """Instacart's provider, but for what a subclass reads wrongly."""

    def __init__(self):
        super().__init__("instacart", INSTACART.definition, around=INSTACART)

    def recognize_all(self, arrival, orders_linked=None):
        return tuple(self.misread(found, arrival) for found in super().recognize_all(arrival))


class TrustsArrival(Misreading):
    """Takes the time of receipt for the time of the event."""

    def misread(self, found, arrival):
        if found.kind == "callback":
            return found._replace(occurred_at=arrival.received_at)
        return found


class NamesByArrival(Misreading):
    """Makes a new key of every arrival: a repeat is another event."""

    def misread(self, found, arrival):
        return found._replace(key=f"{found.key}:{arrival.received_at}")


class CountsRequests(Misreading):
    """Infers the attempt from how many requests it has seen."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def misread(self, found, _arrival):
        if found.kind != "request":
            return found
        self.seen += 1
        return found._replace(attempt=self.seen, key=f"request:{self.seen}")


def last_word(lines):
    """A projection as many are written: the last callback wins."""
    body = lines[-1].get("body", {})
    return {"status": body.get("event_name") or body.get("status")}


def test_the_shipped_provider_keeps_the_promise_and_shows_what_is_expected():
    assert_any_order(
        STORY,
        {
            "status": "at_store",
            "path": ["requested", "created", "brand_new", "acknowledged", "at_store"],
        },
    )


def test_several_orders_at_once_lines_and_what_cannot_be_read_may_be_among_the_events():
    other = callback("brand_new", at=3, order_id="other")
    assert_any_order([STORY[0], json.dumps(STORY[2]), other, b"no line", "{}"], samples=30)


def test_hand_made_events_of_any_definition_can_be_delivered():
    assert_any_order(
        [event("brand_new", 1), event("at_store", 2), event("canceled", 2)], samples=30
    )


@pytest.mark.parametrize("broken", [TrustsArrival, NamesByArrival, CountsRequests])
def test_a_provider_whose_reading_depends_on_arrival_is_caught(broken):
    """The positive control."""
    with pytest.raises(AssertionError, match="the result depends on the delivery"):
        assert_any_order(STORY, provider=broken())


def test_a_projection_in_which_the_last_word_wins_is_caught_by_the_shortest_delivery():
    """The positive control, and the message: two arrivals are enough to show it."""
    with pytest.raises(AssertionError) as failed:
        assert_any_order(STORY[2:4], subject=last_word)
    assert str(failed.value).splitlines() == [
        "the result depends on the delivery; 2 arrivals show it:",
        "  1. callback 'acknowledged' (callback:fulfillment.acknowledged:2)",
        "  2. callback 'brand_new' (callback:fulfillment.brand_new:1)",
        "expected is what they give each once, in the order 2, 1:",
        "  status: expected 'fulfillment.acknowledged', found 'fulfillment.brand_new'",
    ]


def test_a_projection_that_counts_repeats_is_caught():
    with pytest.raises(AssertionError) as failed:
        assert_any_order(STORY, subject=len)
    assert "2 arrivals show it" in str(failed.value)
    assert "expected 1, found 2" in str(failed.value)


def test_a_projection_that_adds_something_is_caught_and_shown():
    def shows_more(lines):
        late = lines[-1]["kind"] == "request" and len(lines) > 1
        return {"late": True} if late else {}

    with pytest.raises(AssertionError, match="late"):
        assert_any_order(STORY, subject=shows_more)


def test_a_fold_that_depends_on_missing_events_is_caught_by_losses():
    def needs_the_first(lines):
        return [line["kind"] for line in lines][:1] if len(lines) < 3 else []

    with pytest.raises(AssertionError, match="2 arrivals show it"):
        assert_any_order(STORY, subject=needs_the_first)


def test_the_view_that_was_expected_is_checked_first():
    with pytest.raises(AssertionError, match="status: expected 'canceled', found 'at_store'"):
        assert_any_order(STORY, {"status": "canceled"})
    with pytest.raises(InvalidArgumentError, match="'staus'"):
        assert_any_order(STORY, {"staus": "canceled"})
    with pytest.raises(InvalidArgumentError, match="2 orders"):
        assert_any_order([STORY[0], request("other")], {"status": "requested"})
    with pytest.raises(InvalidArgumentError, match="at least one"):
        assert_any_order([])


def test_one_event_alone_and_a_whole_view_will_do():
    told = given(STORY[:-1]).when(STORY[-1]).view
    assert_any_order(STORY, told, samples=10)
    assert_any_order([poll("at_store", at=5)], {"status": "at_store"})


def test_few_events_come_in_every_order_and_many_in_a_seeded_sample():
    few = list(arrival_orders(4, 24, seed=0))
    assert set(permutations(range(4))) <= set(few)
    many = list(arrival_orders(9, 24, seed=0))
    assert many == list(arrival_orders(9, 24, seed=0)) != list(arrival_orders(9, 24, seed=1))
    for sample in (few, many):
        whole = len(set(sample[0]))
        assert any(len(delivery) > whole for delivery in sample), "repeats"
        assert any(len(set(delivery)) < whole for delivery in sample), "losses"
        assert () not in sample


def test_the_shortest_failing_delivery_is_found_even_where_leaving_out_one_does_not_help():
    def fails(delivery):
        return delivery in {(2, 1, 0, 3), (3, 2)}

    assert shortest((2, 1, 0, 3), 4, fails) == (3, 2)
    assert shortest((2, 1, 0, 3), 4, fails, tries=2) == (2, 1, 0, 3)
