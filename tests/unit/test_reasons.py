"""Reasons: for each verdict the sentence that tells a person why, on events made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.core.definition import Definition
from lifecycle.core.event import Event
from lifecycle.core.fold import fold, history
from lifecycle.core.reason import shown
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.testing import event


def response(name: str, **changes: Any) -> Event:
    trigger = {"accepted": "created", "rejected": "validation_failed"}.get(name, name)
    key = f"response:{name}:{changes}"
    made = {"trigger": trigger, "attempt": 1, "key": key} | changes
    return event(name, kind="response", **made)


def looked(**changes: Any) -> Event:
    return event("poll_failed", 5, kind="poll", **changes)


AHEAD = "lies ahead of"
UNSEEN = "steps between were not seen, or not in this order"
DELIVERED = event("delivered", 9)
AT_STORE = event("at_store", 5)


@pytest.mark.parametrize(
    ("told", "of", "sentence"),
    [
        (
            [event("requested", kind="request", attempt=1, key="request:1"), response("rejected")],
            "rejected",
            "the definition has the move from 'requested' to 'validation_failed'",
        ),
        ([AT_STORE], "at_store", f"'at_store' {AHEAD} the start: {UNSEEN}"),
        (
            [AT_STORE, event("delivered", 6)],
            "delivered",
            f"'delivered' {AHEAD} 'at_store': {UNSEEN}",
        ),
        (
            [AT_STORE, event("acknowledged", 6)],
            "acknowledged",
            "a declared step back from 'at_store' to 'acknowledged', by the provider's clock",
        ),
        (
            [event("brand_new", 1, key="a"), event("brand_new", 1, key="b")._replace(name="again")],
            "again",
            "the order already stood at 'brand_new'; this is another event that says so",
        ),
        (
            [response("failed", http_status=429, fate="not_reached")],
            "failed",
            "HTTP 429: the request never reached validation, and may be sent again",
        ),
        (
            [response("failed", http_status=503, fate="unknown")],
            "failed",
            "HTTP 503: nobody knows yet what became of the request",
        ),
        (
            [response("failed", fate="unknown")],
            "failed",
            "no answer came: nobody knows yet what became of the request",
        ),
        (
            [looked(http_status=404)],
            "poll_failed",
            "HTTP 404: this look at the order shows no state",
        ),
        ([looked()], "poll_failed", "no answer came: this look at the order shows no state"),
        (
            [event("order_location", 1)],
            "order_location",
            "'order_location' informs and never changes the state",
        ),
        (
            [AT_STORE, event("staged", 6)],
            "staged",
            "'staged' beside the way: the order was already at 'at_store'",
        ),
        (
            [
                response("accepted", trigger="brand_new"),
                event("requested", kind="request", attempt=2),
            ],
            "requested",
            "the provider already had the order, at 'brand_new'",
        ),
        (
            [DELIVERED, event("at_store")],
            "at_store",
            "the order had ended at 'delivered' and this says no more than an older state",
        ),
        (
            [AT_STORE, event("acknowledged")],
            "acknowledged",
            "an undated observation of 'acknowledged', which the order had already passed",
        ),
        (
            [response("accepted", trigger="brand_new"), event("created", key="z")],
            "created",
            "an undated observation of 'created', which the order had already passed",
        ),
        (
            [AT_STORE, event("brand_new", 6)],
            "brand_new",
            "an observation of 'brand_new' that lags behind 'at_store'",
        ),
        (
            [DELIVERED, event("canceled", 10)],
            "canceled",
            "the order had ended at 'delivered'; 'canceled' cannot follow",
        ),
        ([event("weird", 1)], "weird", "the definition does not know 'weird' from the provider"),
    ],
)
def test_the_reason_says_what_stood_against_what(told: list[Event], of: str, sentence: str) -> None:
    [reason] = [each.reason for each in history(LAST_MILE, told) if each.name == of]
    assert reason == sentence


def test_an_undeclared_move_back_is_refused_with_both_states_named() -> None:
    definition = Definition.write(
        "one way",
        states=["placed", "packed", "sent"],
        moves=[
            {"trigger": "packed", "source": "placed", "dest": "packed"},
            {"trigger": "sent", "source": "packed", "dest": "sent"},
        ],
        terminal=[],
    )
    told = [event("sent", 1), event("packed", 2)]
    assert history(definition, told)[1].reason == (
        "the definition has no move from 'sent' back to 'packed'"
    )


def test_evidence_names_the_key_that_it_lost() -> None:
    rivals = [event("at_store", 1, key="k"), event("at_store", 2, key="k")]
    assert history(LAST_MILE, rivals)[1].reason == "another content was counted under the key 'k'"
    [anomaly] = fold(LAST_MILE, rivals).anomalies
    assert anomaly.detail == "several contents came under the key 'k'; one of them counts"


def test_every_problem_of_an_event_is_one_sentence() -> None:
    odd = response("accepted", problems=("bad_time", "unreadable_body", "unrecognized"))
    assert {each.code: each.detail for each in fold(LAST_MILE, [odd]).anomalies} == {
        "bad_time": (
            "the event's time is no RFC 3339 time with a zone from 2000 to 2099, so it counts as "
            "undated"
        ),
        "unreadable_body": "the order was accepted, but the answer is no JSON object",
        "unrecognized": ("the order was accepted with a status that the definition does not know"),
    }


def test_a_word_is_shown_whole_up_to_48_characters_and_cut_beyond() -> None:
    assert shown("x" * 48) == repr("x" * 48)
    assert shown("x" * 49) == repr("x" * 48 + "...")
    assert shown(None) == "the start"
