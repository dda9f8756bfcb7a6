"""A provider that numbers the states of an order: the number sorts, and the time does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from lifecycle import Arrival, Event, Reading, connect, fold, history
from lifecycle.audit.replay import replay
from lifecycle.core.definition import Definition
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.verdict import Progress, judge, sort_key
from lifecycle.proof import certify
from lifecycle.proof.sorting import Rules, Scope

AT = datetime(2026, 7, 7, 12, tzinfo=UTC)
LAST = (1 << 63) - 1


def written(*, numbered):
    return Definition.write(
        "shop.fulfillment",
        states=("proposed", "reserved", "prepared", "completed", "canceled"),
        moves=[
            {"trigger": "reserved", "source": ["proposed", "prepared"], "dest": "reserved"},
            {"trigger": "prepared", "source": "reserved", "dest": "prepared"},
            {"trigger": "completed", "source": "prepared", "dest": "completed"},
            {
                "trigger": "canceled",
                "source": ["proposed", "reserved", "prepared"],
                "dest": "canceled",
            },
        ],
        terminal=("completed", "canceled"),
        aborts=("canceled",),
        birth=("proposed",),
        main_line=("proposed", "reserved", "prepared"),
        informational=("failed", "poll_failed"),
        numbered=numbered,
    )


NUMBERED, TIMED = written(numbered=True), written(numbered=False)


class Shop:
    """Reads `{"order", "state", "number", "minute"}`."""

    name = "shop"
    kept_headers: frozenset[str] = frozenset()

    def __init__(self, definition=NUMBERED):
        self.definition = definition

    def read(self, arrival, body):
        if arrival.kind == "response":
            return Reading("accepted", body["state"], sequence=body.get("number"))
        minute = body.get("minute")
        return Reading(
            body["state"],
            order_id="o-1",
            status=body["state"],
            event_id=body.get("id"),
            occurred_at=None if minute is None else AT + timedelta(minutes=minute),
            sequence=body.get("number"),
        )


def event(state, number=None, minute=None, kind="callback", **more):
    body = json.dumps({"state": state, "number": number, "minute": minute, **more}).encode()
    status = None if kind == "callback" else 200
    arrival = Arrival(kind, body, AT, "o-1", http_status=status)
    found = Recognizer(Shop()).recognize(arrival)
    assert isinstance(found, Event)
    return found


# The clock of the provider runs backwards; its numbers say what came first.
DAY = [
    event("proposed", 1, 9),
    event("reserved", 2, 8),
    event("prepared", 3, 7),
    event("reserved", 4, 6),
    event("prepared", 5, 5),
]


def test_numbered_events_go_by_their_number_in_whatever_order_they_arrive():
    views = [fold(NUMBERED, arriving) for arriving in permutations(DAY)]
    assert len({view.digest for view in views}) == 1
    assert [step.status for step in views[0].path] == [
        "proposed",
        "reserved",
        "prepared",
        "reserved",
        "prepared",
    ]
    assert views[0].anomalies == ()


def test_without_numbers_the_same_events_go_by_their_time():
    """The control: the clock alone tells another story."""
    assert [step.status for step in fold(TIMED, DAY).path] != [
        step.status for step in fold(NUMBERED, DAY).path
    ]


def test_a_step_back_that_is_numbered_is_a_declared_one():
    verdicts = {each.key: each.verdict for each in history(NUMBERED, DAY)}
    assert verdicts[DAY[3].key] == "reverted"
    undated = [event("prepared", 3), event("reserved", 4)]
    assert history(NUMBERED, undated)[1].verdict == "reverted"


def test_one_number_for_two_states_is_decided_by_rank():
    view = fold(NUMBERED, [event("proposed", 1), event("prepared", 2), event("reserved", 2)])
    assert [step.status for step in view.path] == ["proposed", "reserved", "prepared"]


def test_whether_a_step_back_is_one_is_judged_by_its_number():
    stood = Progress("prepared", NUMBERED.ranks["prepared"], NUMBERED.ranks["prepared"])
    numbered, dated = event("reserved", 4), event("reserved", None, 4)
    assert judge(NUMBERED, stood, numbered, 2) == "reverted"
    assert judge(NUMBERED, stood, dated, 2) == "applied"
    assert judge(TIMED, stood, numbered, 2) == "applied"
    assert judge(TIMED, stood, dated, 2) == "reverted"


def test_an_answer_of_a_later_state_stands_where_its_number_says():
    numbered = event("prepared", 4, kind="response")
    rank, identity = NUMBERED.ranks["prepared"], (numbered.key, numbered.digest)
    assert sort_key(NUMBERED, numbered) == (2, 4, rank, *identity)
    assert sort_key(TIMED, numbered._replace(occurred_at=AT)) == (3, rank, *identity)
    assert sort_key(NUMBERED, numbered._replace(sequence=None)) == (3, rank, *identity)


def test_the_largest_number_is_the_last():
    view = fold(NUMBERED, [event("completed", LAST), event("prepared", LAST - 1)])
    assert view.status == "completed"


def test_an_event_that_is_dated_and_not_numbered_is_a_snapshot():
    assert fold(NUMBERED, [*DAY, event("reserved", None, 99)]).status == "prepared"
    entries = history(NUMBERED, [*DAY, event("reserved", None, 99)])
    assert (entries[-1].name, entries[-1].verdict) == ("reserved", "stale")


def test_a_birth_that_is_dated_and_not_numbered_belongs_to_the_creation():
    entries = history(NUMBERED, [*DAY[1:], event("proposed", None, 99)])
    assert (entries[0].name, entries[0].verdict) == ("proposed", "applied")


@pytest.mark.parametrize("kind", ["poll", "response"])
def test_a_numbered_answer_beyond_birth_takes_its_place_among_the_numbers(kind):
    entries = history(NUMBERED, [*DAY[:2], event("canceled", 4), event("prepared", 3, kind=kind)])
    assert [each.to for each in entries] == ["proposed", "reserved", "prepared", "canceled"]


def test_of_two_contents_under_one_key_the_lower_number_counts():
    sooner, later = event("reserved", 2, 9, id="e"), event("reserved", 3, 1, id="e")
    for arriving in ([sooner, later], [later, sooner]):
        entries = history(NUMBERED, arriving)
        assert [each.sha256 for each in entries] == [sooner.sha256, later.sha256]
    assert history(TIMED, [sooner, later])[0].sha256 == later.sha256, "the control"


def test_of_two_contents_of_one_number_the_smaller_digest_counts_and_one_without_comes_last():
    alike = [event("reserved", 2, minute, id="e") for minute in (7, 8, 9)]
    least = min(alike, key=lambda each: each.digest)
    for arriving in permutations([*alike, event("reserved", None, 1, id="e")]):
        assert history(NUMBERED, arriving)[0].sha256 == least.sha256


def test_a_service_folds_numbered_events_one_by_one_as_all_at_once():
    numbers = {"proposed": 1, "reserved": 2, "prepared": 3, "completed": 4}
    for arriving in permutations(numbers):
        with connect("memory:", provider=Shop()) as orders:
            for state in arriving:
                body = {"state": state, "number": numbers[state], "minute": -numbers[state]}
                orders.record_callback(body)
            view = orders.get("o-1")
            assert [step.status for step in view.path] == list(numbers)
            assert replay(orders.log, {"shop": Shop()}).ok


def test_the_check_proves_a_definition_whose_provider_numbers():
    certificate = certify(NUMBERED, scope=Scope(size=2, workers=1))
    assert certificate.ok, certificate.obligations


def test_the_check_refutes_numbers_of_which_whatever_came_last_counts():
    """The control: a content that always takes the key over depends on arrival."""
    rules = Rules(supersedes=lambda _event, _other: True)
    assert not certify(NUMBERED, scope=Scope(size=2, workers=1), rules=rules).ok
