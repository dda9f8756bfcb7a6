"""The fold on hand-made events: what the oracle's stories cannot say, and what it never compares.

Verdicts and views are held against an independent oracle elsewhere; here is what is
outside the promise (`arrival`), the digest, the errors, and a definition that is not the
shipped one. The events are those of the testing kit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, permutations
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from lifecycle import (
    Awaits,
    Change,
    Definition,
    Event,
    Folding,
    MixedOrdersError,
    Verdict,
    fold,
    history,
)
from lifecycle.core.awaiting import awaiting, missing
from lifecycle.core.event import Fault
from lifecycle.core.fold import merged
from lifecycle.core.summary import Entered
from lifecycle.core.verdict import Taken, sort_key
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import OrderDetails
from lifecycle.testing import STARTS_AT, HandMade, assert_any_order, event, given


def response(name: str, attempt: int, **changes: Any) -> Event:
    trigger = {"accepted": "created", "rejected": "validation_failed"}.get(name, name)
    key = f"response:{attempt}:{name}:{changes}"
    return event(name, kind="response", trigger=trigger, attempt=attempt, key=key, **changes)


def request(attempt: int) -> Event:
    name = "requested" if attempt == 1 else "resubmitted"
    return event(name, kind="request", attempt=attempt, key=f"request:{attempt}")


def test_every_permutation_and_the_incremental_path_give_the_same_digest() -> None:
    events = [
        request(1),
        event("brand_new", 1),
        event("at_store", 2),
        event("acknowledged", 2),
        event("weird"),
    ]
    expected = fold(LAST_MILE, events).digest
    for order in permutations(events):
        folding = Folding(LAST_MILE)
        for one in (*order, *order):
            folding.add(one)
        assert folding.view().digest == fold(LAST_MILE, order).digest == expected
        assert folding.history() == history(LAST_MILE, events)


def test_the_digest_covers_what_the_view_says_and_not_when_it_came() -> None:
    events = [request(1), event("brand_new", 1)]
    digest = fold(LAST_MILE, events).digest
    later = [
        e._replace(received_at=STARTS_AT + timedelta(days=1), version=n)
        for n, e in enumerate(events, 1)
    ]
    assert fold(LAST_MILE, later).digest == digest
    assert fold(LAST_MILE, [request(1), event("brand_new", 2)]).digest != digest


def test_the_digest_does_not_cover_texts_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [event("weird", 1)]
    view = fold(LAST_MILE, events)
    monkeypatch.setattr("lifecycle.core.summary.reason", lambda *_: "in other words")
    reworded = fold(LAST_MILE, events)
    assert reworded.anomalies[0].detail == "in other words" != view.anomalies[0].detail
    assert reworded.digest == view.digest


def test_events_of_two_orders_or_none_are_refused() -> None:
    both = "order:instacart:xyz123456.*order:instacart:other"
    with pytest.raises(MixedOrdersError, match=both):
        fold(LAST_MILE, [event("brand_new"), event("brand_new", order_id="other", key="b")])
    one = Folding.of(LAST_MILE, [event("brand_new")])
    with pytest.raises(MixedOrdersError, match=both):
        one.add(event("brand_new", order_id="other"))  # of the same key and digest
    with pytest.raises(MixedOrdersError, match="no event at all"):
        fold(LAST_MILE, [])


def test_the_earliest_then_the_smallest_digest_counts_among_three_contents_of_one_key() -> None:
    rivals = [
        event("delivered", 9, key="callback:1", digest="a"),
        event("canceled", 3, key="callback:1", digest="z"),
        event("at_store", 3, key="callback:1", digest="y"),
        event("staged", None, key="callback:1", digest="0"),
    ]
    for order in permutations(rivals):
        folding = Folding(LAST_MILE)
        for one in order:
            folding.add(one)
        view = folding.view()
        assert view.status == "at_store"
        assert view.events == 4
        assert [(a.code, a.events) for a in view.anomalies] == [("divergent", ("callback:1",))]
        assert [h.verdict for h in folding.history()] == ["skipped_ahead", *["divergent"] * 3]
        assert {(h.from_, h.to) for h in folding.history()[1:]} == {(None, None)}


def test_late_counts_events_recorded_after_a_later_one() -> None:
    names = ["brand_new", "acknowledged", "acknowledged_for_delivery", "at_store", "delivering"]
    in_time = [event(name, second) for second, name in enumerate(names)]

    def late(*versions: int | None) -> int:
        return fold(
            LAST_MILE, [e._replace(version=v) for e, v in zip(in_time, versions, strict=True)]
        ).arrival.late

    assert late(1, 2, 3, 4, 5) == 0
    assert late(2, 1, 3, 4, 5) == 1
    assert late(5, 4, 3, 2, 1) == 4
    assert late(5, 1, 2, 3, 4) == 1
    assert late(1, 2, 3, 5, 4) == 1
    assert late(2, 3, 1, 4, 5) == 2
    assert late(3, None, 1, 2, None) == 1


def test_arrival_has_first_last_version_and_since_when_the_order_waits() -> None:
    events = [
        event("brand_new", 5, version=1, received_at=STARTS_AT + timedelta(hours=2)),
        event("order_location", 60, version=2, received_at=STARTS_AT + timedelta(hours=1)),
    ]
    arrival = fold(LAST_MILE, events).arrival
    assert arrival.first_received_at == STARTS_AT + timedelta(hours=1)
    assert arrival.last_received_at == STARTS_AT + timedelta(hours=2)
    assert arrival.version == 2
    assert arrival.waiting_since == STARTS_AT + timedelta(seconds=5)
    assert fold(LAST_MILE, [event("brand_new", 5)]).arrival.version == 0
    undated = event("brand_new", received_at=STARTS_AT + timedelta(hours=3))
    assert fold(LAST_MILE, [undated]).arrival.waiting_since == STARTS_AT + timedelta(hours=3)


def test_an_order_that_no_event_has_placed_yet_stands_at_the_initial_state_with_an_empty_path() -> (
    None
):
    view = fold(LAST_MILE, [event("order_location", 1)])
    assert (view.status, view.path, view.attempt, view.terminal) == ("requested", (), 0, False)
    assert view.awaiting == ("response",)
    [entry] = history(LAST_MILE, [event("order_location", 1)])
    assert (entry.verdict, entry.from_, entry.to) == (Verdict.NOTED, None, None)


@pytest.mark.parametrize(
    ("earlier", "awaited"),
    [
        ([request(1)], True),
        ([response("failed", 1, fate="unknown", http_status=None)], True),
        ([response("failed", 1, fate="unknown", http_status=503)], True),
        ([response("failed", 1, fate="not_reached", http_status=429)], False),
        (
            [
                response("failed", 1, fate="not_reached", http_status=429),
                response("failed", 1, fate="unknown"),
            ],
            True,
        ),
        ([request(1), response("rejected", 1)], False),
        ([request(1), response("rejected", 1), event("order_location", 1)], False),
        ([], False),
    ],
)
def test_a_correction_is_awaited_beside_the_callbacks_of_an_earlier_attempt_of_unknown_fate(
    earlier: list[Event], awaited: bool
) -> None:
    given(earlier, request(2)).when(response("rejected", 2)).then(
        status="validation_failed",
        awaiting=["correction", "brand_new", "canceled"] if awaited else ["correction"],
    )


def test_any_definition_can_be_folded_not_just_the_shipped_one() -> None:
    def move(source: str, dest: str) -> dict[str, str]:
        return {"trigger": dest, "source": source, "dest": dest}

    definition = Definition.write(
        "kitchen",
        states=["ordered", "cooking", "served", "binned"],
        moves=[move("ordered", "cooking"), move("cooking", "served"), move("cooking", "binned")],
        terminal=["served", "binned"],
        aborts=["binned"],
        main_line=["ordered", "cooking"],
        informational=["smell"],
        awaits={"ordered": Awaits(("a free stove",))},
    )
    kitchen = HandMade("kitchen", definition)
    given(event("cooking", 1), provider=kitchen).when(event("smell", 2)).then(
        status="cooking", awaiting=["served"], missing=["ordered"], verdict="noted"
    )
    given(provider=kitchen).when(event("ordered", 1)).then(awaiting=["a free stove"])
    given(event("binned", 2), provider=kitchen).when(event("served", 1)).then(status="served")
    told = [event("ordered", 1), event("cooking", 2), event("smell", 2), event("binned", 2)]
    assert_any_order(told, {"status": "binned"}, provider=kitchen)


def test_every_verdict_carries_a_reason_in_a_plain_sentence() -> None:
    rng = random.Random(7)
    names = [*LAST_MILE.states, *LAST_MILE.informational, "weird"]
    seen: dict[str, str] = {}
    for _ in range(400):
        events = [
            event(
                rng.choice(names),
                rng.choice([None, rng.randrange(5)]),
                key=f"callback:{n}",
                kind=rng.choice(["callback", "poll"]),
            )
            for n in range(6)
        ]
        events.append(event("at_store", 1, key="callback:0", digest="another"))
        for entry in history(LAST_MILE, events):
            assert entry.reason
            assert "None" not in entry.reason
            seen[entry.verdict] = entry.reason
    assert set(seen) == set(Verdict)


def test_a_hostile_name_is_shown_harmless_and_short_in_a_reason() -> None:
    [entry] = history(LAST_MILE, [event("\x1b[31m" + "x" * 10_000 + "\u202e")])
    assert len(entry.reason) < 200
    assert entry.reason.isprintable()
    assert entry.name.startswith("\x1b")


def order_of(*events: Event, definition: Definition = LAST_MILE) -> list[str]:
    """Return the digests of events in canonical order, then those of the divergent evidence."""
    return [entry.sha256 for entry in history(definition, reversed(events))]


@pytest.mark.parametrize(
    "of",
    [
        lambda digest: event("requested", kind="request", attempt=1, key="k", digest=digest),
        lambda digest: event("created", key="k", digest=digest),
        lambda digest: event("at_store", 1, key="k", digest=digest),
        lambda digest: event("at_store", key="k", digest=digest),
        lambda digest: response("accepted", 1, digest=digest)._replace(trigger="at_store", key="k"),
    ],
    ids=["a request", "an undated birth", "a dated callback", "a snapshot", "an answer ahead"],
)
def test_evidence_under_one_key_stands_in_the_order_of_its_digests(of: Any) -> None:
    rivals = [of(digest)._replace(sha256=digest) for digest in "dbca"]
    assert order_of(*rivals) == order_of(*reversed(rivals)) == ["a", "b", "c", "d"]


def test_a_request_stands_before_all_answers_of_its_attempt_whatever_their_keys() -> None:
    asked = event("requested", kind="request", attempt=1, key="z", sha256="asked")
    answers = [
        response(name, 1, sha256=name)._replace(key=key)
        for name, key in (("failed", "y"), ("accepted", "b"), ("rejected", "a"))
    ]
    assert order_of(*answers, asked) == ["asked", "failed", "accepted", "rejected"]


def test_a_response_without_an_attempt_stands_before_those_of_the_first() -> None:
    lost = response("failed", 1, sha256="lost")._replace(attempt=None, key="z")
    asked = event("requested", kind="request", attempt=1, key="a", sha256="asked")
    assert order_of(asked, lost) == ["lost", "asked"]


def test_requests_stand_before_births_even_where_the_order_is_born_at_once() -> None:
    definition = Definition.write(
        "kiosk",
        states=["paid", "handed_over"],
        moves=[{"trigger": "handed_over", "source": "paid", "dest": "handed_over"}],
        terminal=["handed_over"],
        birth=["paid", "handed_over"],
    )
    asked = event("asked", kind="request", attempt=1, key="z", sha256="asked")
    births = [event(name, key="a", sha256=name)._replace(key=name) for name in definition.states]
    assert order_of(*births, asked, definition=definition) == ["asked", "paid", "handed_over"]


def test_an_undated_look_at_an_older_birth_is_stale_where_a_response_is_noted() -> None:
    ahead = response("accepted", 1)._replace(trigger="brand_new")
    verdicts = {
        kind: history(LAST_MILE, [ahead, event("created", kind=kind, key="z", attempt=2)])[
            1
        ].verdict
        for kind in ("callback", "poll")
    }
    assert verdicts == {"callback": "stale", "poll": "stale"}
    again = response("accepted", 2)
    assert history(LAST_MILE, [ahead, again])[1].verdict == "noted"


def test_a_snapshot_of_the_furthest_state_ever_entered_is_stale_after_a_step_back() -> None:
    told = [event("at_store", 1), event("acknowledged", 2), event("at_store")]
    assert [each.verdict for each in history(LAST_MILE, told)] == [
        "skipped_ahead",
        "reverted",
        "stale",
    ]
    assert fold(LAST_MILE, told).status == "acknowledged"


def test_a_dated_look_at_an_older_state_lags_where_a_callback_is_refused() -> None:
    definition = Definition.write(
        "one way",
        states=["placed", "packed", "sent", "lost"],
        moves=[
            {"trigger": dest, "source": source, "dest": dest}
            for source, dest in (("placed", "packed"), ("packed", "sent"), ("packed", "lost"))
        ],
        terminal=["lost"],
        aborts=["lost"],
        birth=["placed"],
    )
    here = event("sent", 1)
    verdicts = {
        (name, kind): history(definition, [here, event(name, 2, kind=kind)])[1].verdict
        for name in ("placed", "packed")
        for kind in ("callback", "poll")
    }
    assert verdicts.pop(("packed", "callback")) == "refused"
    assert set(verdicts.values()) == {"stale"}
    assert fold(definition, [here]).awaiting == ()


def test_missing_is_what_lies_below_the_furthest_state_and_was_never_named() -> None:
    at_store = LAST_MILE.ranks["at_store"]
    told = [event("brand_new", 1), event("location", 2)._replace(trigger=None)]
    assert missing(LAST_MILE, at_store, told) == ("requested", "acknowledged_for_delivery")
    assert missing(LAST_MILE, at_store, [*told, event("requested", 2)]) == (
        "acknowledged_for_delivery",
    )


def test_an_answered_attempt_is_not_unanswered_and_the_newest_is_no_earlier_one() -> None:
    answered = [request(1), response("accepted", 1)]
    assert awaiting(LAST_MILE, "validation_failed", 2, answered) == ("correction",)
    given(request(1), response("rejected", 1)).when(response("failed", 2, fate="unknown")).then(
        status="validation_failed", awaiting=["correction"]
    )


class Counted(list[Taken]):
    """The steps of a folding, which counts how many were taken."""

    taken = 0

    def __setitem__(self, at: Any, taken: Any) -> None:
        self.taken += 1
        super().__setitem__(at, taken)


def counted(folding: Folding) -> Counted:
    """Return the steps of a new folding, to be counted from now on."""
    steps = vars(folding)["_steps"] = Counted()
    return steps


def test_a_newcomer_that_sorts_last_takes_one_step_and_what_changes_nothing_takes_none() -> None:
    names = ("brand_new", "acknowledged", "at_store", "delivering")
    told = [event(name, second) for second, name in enumerate(names, 1)]
    folding = Folding(LAST_MILE)
    steps = counted(folding)
    for one in told:
        folding.add(one)
        folding.add(one)
        folding.add(one._replace(occurred_at=one.occurred_at + timedelta(days=1), digest="z"))
    assert steps.taken == len(told)
    assert folding.view() is folding.view()


def test_a_newcomer_in_between_steps_on_only_to_where_nothing_changes_any_more() -> None:
    names = ("brand_new", "acknowledged", "at_store", "delivering")
    folding = Folding(LAST_MILE)
    steps = counted(folding)
    for second, name in enumerate(names, 1):
        folding.add(event(name, second))
    before = steps.taken
    folding.add(event("order_location", 0))
    assert steps.taken == before + 1
    folding.add(event("at_store", 2, key="again"))  # at_store is entered by this one now
    assert steps.taken == before + 1 + 2
    assert [entered.event for entered in folding.path][2] == "again"


@pytest.mark.parametrize(
    "told",
    [
        # The dated content takes the key over, and so moves behind what it was before.
        [event("created", key="k"), event("created", 9, key="k"), event("brand_new", 5)],
        [event("at_store", key="k"), event("at_store", 1, key="k"), event("acknowledged")],
        [event("at_store", 9, key="k"), event("staged", 1, key="k"), event("acknowledged", 5)],
    ],
    ids=["a birth", "a snapshot", "an earlier one"],
)
def test_a_content_that_takes_a_key_over_counts_from_then_on_wherever_it_sorts(
    told: list[Event],
) -> None:
    for arrival in permutations(told):
        folding = Folding(LAST_MILE)
        for number, one in enumerate(arrival, 1):
            folding.add(one)
            at_once = Folding.of(LAST_MILE, arrival[:number])
            assert folding.view() == at_once.view()
            assert folding.history() == at_once.history()
            assert folding.path == at_once.path
            assert folding.events == at_once.events


def test_a_fold_returns_its_path_and_all_its_events_with_evidence_last() -> None:
    first, second, beside = event("brand_new", 1), event("at_store", 2), event("order_location", 9)
    rival = event("delivered", 3, key=first.key)
    folding = Folding.of(LAST_MILE, [rival, second, beside, first])
    assert folding.path == (
        Entered("brand_new", first.occurred_at, first.key),
        Entered("at_store", second.occurred_at, second.key),
    )
    assert folding.events == (first, second, beside, rival)
    with pytest.raises(MixedOrdersError):
        Folding(LAST_MILE).history()
    with pytest.raises(MixedOrdersError):
        Folding(LAST_MILE).view()


def test_a_failure_of_no_attempt_has_no_part_in_the_errors() -> None:
    nobodys = response("failed", 1, faults=(Fault("nobody's"),))._replace(attempt=None)
    newest = response("rejected", 1, faults=(Fault("newest"),))
    assert [each.message for each in fold(LAST_MILE, [nobodys, newest]).errors] == ["newest"]
    assert fold(LAST_MILE, [nobodys]).errors == ()


class Tags(BaseModel):
    tags: tuple[str, ...] = ()
    inner: dict[str, Any] = {}


def test_a_detail_that_is_no_mapping_counts_whole_and_a_mapping_leaf_by_leaf() -> None:
    definition = replace(LAST_MILE, details=Tags)
    first = event("brand_new", 1, details={"tags": ["a"], "inner": {"x": 1, "y": 1}})
    second = event("acknowledged", 2, details={"tags": ["b"], "inner": {"x": 2, "z": [2]}})
    filled_in = event("picking", 3, details={"tags": ["c"], "inner": {"x": 3, "w": 3}})
    view = fold(definition, [first, second, filled_in])
    assert view.details == Tags(tags=("b",), inner={"x": 2, "y": 1, "z": [2], "w": 3})


def test_an_event_that_was_folded_changes_nothing_when_it_repeats() -> None:
    events = [request(1), event("brand_new", 1), event("acknowledged", 2)]
    folding = Folding.of(LAST_MILE, events)
    before = folding.view()
    for one in events:
        folding.add(one)
    assert folding.view() is before
    assert folding.events == tuple(events)


def test_divergent_evidence_counts_as_arrived() -> None:
    early, late = STARTS_AT - timedelta(days=1), STARTS_AT + timedelta(days=1)
    usual = event("brand_new", 1)
    one, other = (event("created", 2, key="callback:2", digest=digest) for digest in ("1", "2"))
    for first, last in permutations((one, other)):
        told = [
            first._replace(received_at=early, version=2),
            last._replace(received_at=late, version=3),
            usual._replace(received_at=STARTS_AT, version=1),
        ]
        arrival = fold(LAST_MILE, told).arrival
        assert (arrival.first_received_at, arrival.last_received_at) == (early, late)
        assert arrival.version == 3
    assert fold(LAST_MILE, told[:2]).arrival.last_received_at == late


def test_details_that_filled_gaps_count_in_full_when_they_are_repeated() -> None:
    first, told = {"locale": "en_US"}, {"locale": "fr_CA"}
    events = [
        event("brand_new", 1, details=first),
        event("picking", 2, details=told),
        event("acknowledged", 3, details=told),
    ]
    assert fold(LAST_MILE, events[:2]).details == OrderDetails(locale="en_US")
    assert fold(LAST_MILE, events).details == OrderDetails(locale="fr_CA")


def test_details_of_another_shape_count_whole_where_they_count_most() -> None:
    shapes = ({"store": "1003"}, {"store": {"name": "1003"}}, {"store": {"aisle": 7}}, {"store": 5})
    names_aisle = {"store": {"name": "1003", "aisle": 7}}
    assert [merged([(True, each) for each in shapes[:n]]) for n in range(5)] == [
        {},
        shapes[0],
        shapes[1],
        names_aisle,
        shapes[3],
    ]
    assert merged([(False, shapes[0]), (False, shapes[1])]) == shapes[0]
    assert merged([(False, shapes[1]), (True, shapes[2]), (None, shapes[3])]) == names_aisle


def test_what_an_event_says_stays_as_it_was_when_others_are_merged_with_it() -> None:
    first, second = {"store": {"name": "1003"}}, {"store": {"aisle": 7}}
    known = merged([(True, first), (True, MappingProxyType(second))])
    known["store"]["name"] = "another"
    assert (first, second) == ({"store": {"name": "1003"}}, {"store": {"aisle": 7}})


def test_an_order_waits_since_its_last_state_was_heard_of_and_not_since_the_first():
    told = [
        event("requested", kind="request", received_at=STARTS_AT),
        event("brand_new", received_at=STARTS_AT + timedelta(hours=1)),
    ]
    assert [step.status for step in fold(LAST_MILE, told).path] == ["requested", "brand_new"]
    assert fold(LAST_MILE, told).arrival.waiting_since == STARTS_AT + timedelta(hours=1)


def test_an_argument_that_is_no_event_is_refused_by_its_name():
    for events in ([event("created"), "created"], 7, None, event("created")):
        with pytest.raises(InvalidArgumentError) as refused:
            fold(LAST_MILE, events)  # type: ignore[arg-type]
        expected = ("events", "an iterable of Event")
        assert (refused.value.argument, refused.value.expected) == expected
    with pytest.raises(InvalidArgumentError) as refused:
        Folding("created")  # type: ignore[arg-type]
    assert refused.value.argument == "definition"
    with pytest.raises(InvalidArgumentError) as refused:
        Folding(LAST_MILE).add("created")  # type: ignore[arg-type]
    assert refused.value.argument == "event"
    # What is no fault of the caller's is raised as it is.
    with pytest.raises(TypeError, match="unhashable"):
        fold(LAST_MILE, [event("created", key=["callback"])])


def test_events_that_are_added_together_count_beside_those_that_were_there() -> None:
    events = [event("brand_new", 1), event("at_store", 2), event("acknowledged", 3)]
    folding = Folding.of(LAST_MILE, events[:1])
    folding.add_all(events[1:])
    assert folding.view().digest == fold(LAST_MILE, events).digest
    assert folding.events == Folding.of(LAST_MILE, events).events


def test_a_content_that_takes_the_place_of_another_tells_what_that_changes() -> None:
    folding = Folding.of(LAST_MILE, [event("brand_new", 1), event("at_store", 4, key="one")])
    change = folding.add(event("acknowledged", 3, key="one"))
    assert change == Change("at_store", "acknowledged", "one", corrected=True)
    assert folding.add(event("delivered", 5, key="one")) is None


def test_evidence_that_comes_again_changes_nothing() -> None:
    folding = Folding.of(LAST_MILE, [event("brand_new", 1, key="one", version=1)])
    assert folding.add(event("at_store", 2, key="one", digest="other", version=2)) is None
    before = folding.view()
    assert folding.add(event("at_store", 2, key="one", digest="other", version=9)) is None
    assert folding.view() is before
    assert folding.view().arrival.version == 2


def test_a_line_of_history_says_where_its_event_is_stored_and_how_it_was_recorded() -> None:
    late = STARTS_AT + timedelta(days=30)
    stored = event("brand_new", 1, position=7, recorded_at=late)
    (entry,) = history(LAST_MILE, [stored])
    assert (entry.position, entry.recorded_at, entry.recording) == (7, late, "delayed")


class Seen(Mapping[str, Any]):
    """Details in a class of their own, which `|` does not merge."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._said = said

    def __getitem__(self, name: str) -> Any:
        return self._said[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


def test_details_of_any_mapping_are_merged_and_those_of_a_refused_event_are_not() -> None:
    told = [
        (True, Seen({"a": 1, "b": {"c": 1}})),
        (None, {"refused": 1}),
        (True, {"a": 2, "b": Seen({"d": 2})}),
    ]
    assert merged(told) == {"a": 2, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize("place", [0, 1])
def test_an_order_of_which_one_event_was_erased_shows_no_text_of_the_providers(place: int) -> None:
    fault = Fault("Ann Lee is not at home", 7, "address")
    told = [
        response("rejected", 1, faults=(fault,)),
        event("weird", 1, details={"locale": "en_US"}),
    ]
    told[place] = told[place]._replace(erased=True)
    view = fold(LAST_MILE, told)
    assert (view.erased, view.status, len(view.errors)) == (True, "validation_failed", 1)
    assert "Ann" not in view.model_dump_json()
    assert "en_US" not in view.model_dump_json()
    whole = fold(LAST_MILE, [each._replace(erased=False) for each in told]).model_dump_json()
    assert "Ann" in whole
    assert "en_US" in whole


def test_the_place_of_an_event_is_its_lane_then_what_sorts_there_then_its_key_and_digest() -> None:
    ranks = LAST_MILE.ranks_named
    asked = event("cancel_requested", kind="request", trigger=None, operation="cancel")
    sent, refused = request(2), response("rejected", 2)
    confirmed = response("accepted", 1, occurred_at=STARTS_AT)._replace(trigger="at_store")
    dated, born, undated = event("at_store", 2), event("brand_new"), event("at_store")
    looked_for = event("at_store", kind="poll", operation="cancel")
    places = [
        (asked, (3, 1_000_000)),
        (sent, (1, 0, 2, 0)),
        (refused, (1, 0, 2, 3)),
        (confirmed, (3, ranks["at_store"])),
        (dated, (2, dated.occurred_at, ranks["at_store"])),
        (born, (1, 1, ranks["brand_new"])),
        (undated, (3, ranks["at_store"])),
        (looked_for, (3, ranks["at_store"])),
    ]
    for placed, place in places:
        assert sort_key(LAST_MILE, placed) == (*place, placed.key, placed.digest)


def test_what_was_a_milestone_or_odd_is_neither_once_a_late_event_makes_it_a_step() -> None:
    one_way = Definition.write(
        "one way",
        states=("placed", "packed", "sent", "stuck"),
        moves=[
            {"trigger": dest, "source": source, "dest": dest}
            for source, dest in pairwise(("placed", "packed", "sent", "stuck", "packed"))
        ],
        terminal=(),
        birth=("placed",),
    )
    for definition, first, late, last in (
        (LAST_MILE, "acknowledged", "rescheduled", "staged"),
        (one_way, "sent", "stuck", "packed"),
    ):
        folding = Folding.of(definition, [event(first, 1), event(last, 3)])
        before = folding.view()
        folding.add(event(late, 2))
        after = folding.view()
        assert len(before.milestones) + len(before.anomalies) == 1
        assert (after.milestones, after.anomalies, after.status) == ((), (), last)
