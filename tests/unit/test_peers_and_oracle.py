"""Every provider's views as an independent oracle has them, after every step of a delivery.

Beside the peers there is one that counts the states of an order and tells several in one body;
all of them have operations. The oracle is written from the rules and from what the providers
document. The control folds by time where a provider counts, and must be told from the right one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from lifecycle import Definition, NoReading, Reading, connect
from lifecycle.core import verdict
from lifecycle.core.details import Details, leaves_of, read_leaves, whole_number
from lifecycle.core.event import Arrival
from lifecycle.core.exchange_reader import ExchangeReader
from lifecycle.core.identity import id_text, spoken_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.moves import move, moves_of
from tests import oracle
from tests.oracle.dialect import Dialect, identify_all
from tests.oracle.peers import COUNTER, PEERS
from tests.sample_events import peers

Recording = dict[str, Any]

SETS, SIZES = 40, (1, 2, 3, 4, 5, 8)
THEMES = (
    ("request", "response", "callback", "poll"),
    ("request", "response"),
    ("callback", "poll"),
    ("callback",),
)
APART = ("arrival", "definition", "digest", "provider")


class CountedDetails(Details):
    """What it tells of an order."""

    note: str | None = None
    count: int | None = None


NEW = ("requested", "validation_failed", "resubmitted")
ACTIVE = ("proposed", "reserved", "prepared")
COUNTED = Definition.write(
    "counter",
    states=(*NEW, *ACTIVE, "waiting", "completed", "canceled"),
    moves=[
        *moves_of({"requested": ["proposed", "validation_failed"]}),
        *moves_of({"validation_failed": ["resubmitted"], "proposed": ["reserved"]}),
        *moves_of({"reserved": ["prepared"], "prepared": ["completed", "reserved"]}),
        move(("requested", *ACTIVE), "canceled"),
    ],
    terminal=("completed", "canceled"),
    aborts=("canceled",),
    birth=("proposed",),
    side=("waiting",),
    main_line=("proposed", "reserved", "prepared"),
    informational=("failed", "poll_failed", "moved"),
    details=CountedDetails,
    numbered=True,
)


class Counter:
    """Reads `{"order", "state", "number", "id", "at"}`, or `{"events": [...]}` of several."""

    name = "counter"
    definition = COUNTED
    kept_headers: frozenset[str] = frozenset()
    exchanges = ExchangeReader(
        COUNTED,
        order_id="order",
        status="state",
        rejected="validation_failed",
        details=lambda said: read_leaves(LEAVES, said),
        sequence="number",
    )

    def read(self, arrival: Arrival, body: Any) -> Any:
        if arrival.kind != "callback":
            return self.exchanges.read(arrival, body)
        return tuple(map(_event, body.get("events") or [body]))


LEAVES = leaves_of(CountedDetails)


def _event(said: Any) -> Reading | NoReading:
    name = spoken_word(said.get("state"))
    if name is None:
        return NoReading("no_name", "no state")
    occurred_at, problems = read_event_time(said.get("at"))
    return Reading(
        name,
        order_id=id_text(said.get("order")),
        status=said["state"],
        event_id=id_text(said.get("id")),
        occurred_at=occurred_at,
        problems=problems,
        details=read_leaves(LEAVES, said),
        sequence=whole_number(said.get("number")),
    )


class Peer(NamedTuple):
    """A provider, how the oracle reads it, and what may be recorded of an order."""

    provider: Any
    dialect: Dialect
    letters: Sequence[Recording]


WORLD = {
    "doordash_drive": Peer("doordash_drive", PEERS["doordash_drive"], peers.drive()),
    "uber_direct": Peer("uber_direct", PEERS["uber_direct"], peers.direct()),
    "counter": Peer(Counter(), COUNTER, peers.counted()),
}


def plain(view: dict[str, Any]) -> dict[str, Any]:
    anomalies = [{"code": each["code"], "events": each["events"]} for each in view["anomalies"]]
    return {name: value for name, value in view.items() if name not in APART} | {
        "anomalies": anomalies
    }


def differences(peer: Peer, delivery: Sequence[Recording]) -> Iterator[str]:
    """Yield where a view after a step, or the history in the end, is not the oracle's."""
    lifecycle, known = peer.dialect.lifecycle, []
    with connect("memory:", provider=peer.provider) as orders:
        for recording in delivery:
            events, reason = identify_all(peer.dialect, recording)
            known += events
            receipt = orders.record_many([recording])[0]
            if (receipt.outcome == "quarantined") is bool(events):
                yield f"{recording} is {receipt.outcome}, expected {events or reason}"
            if known and (view := orders.get(peers.ORDER).model_dump(mode="json")):
                expected = oracle.view_of(known, lifecycle)
                yield from _unlike(plain(view), expected)
        if known:
            told = [entry.model_dump(mode="json") for entry in orders.history(peers.ORDER)]
            for line, wanted in zip(told, oracle.history_of(known, lifecycle), strict=True):
                yield from _unlike({name: line[name] for name in wanted}, wanted)


def _unlike(found: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for name in {**found, **expected}:
        if found.get(name, "nothing") != expected.get(name, "nothing"):
            yield f"{name} is {found.get(name)}, expected {expected.get(name)}"


def delivered(rng: random.Random, letters: Sequence[Recording]) -> list[Recording]:
    """Return some of the recordings, some of them twice, in any order."""
    kinds = rng.choice(THEMES)
    chosen = rng.sample([each for each in letters if each["kind"] in kinds], rng.choice(SIZES))
    copies = chosen + [each for each in chosen if rng.random() < 0.4]
    rng.shuffle(copies)
    return copies


def walked(name: str, part: int, sets: int = SETS) -> list[str]:
    rng = random.Random(f"{name} {part}")
    peer = WORLD[name]
    return [
        f"{each} in {delivery}"
        for delivery in (delivered(rng, peer.letters) for _ in range(sets))
        for each in differences(peer, delivery)
    ]


PARTS = [*range(2), *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 12))]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", WORLD)
def test_the_view_is_the_oracle_s_after_every_step(name: str, part: int) -> None:
    assert walked(name, part) == []


@pytest.mark.parametrize("name", WORLD)
def test_each_recording_alone_is_what_the_oracle_says(name: str) -> None:
    peer = WORLD[name]
    assert [each for one in peer.letters for each in differences(peer, [one])] == []


def met(name: str, what: Callable[[list[oracle.Event], Any], set[str]]) -> set[str]:
    rng, peer, found = random.Random(name), WORLD[name], set[str]()
    for _ in range(400):
        events = [
            event
            for recording in delivered(rng, peer.letters)
            for event in identify_all(peer.dialect, recording)[0]
        ]
        if events:
            found |= what(events, peer.dialect.lifecycle)
    return found


@pytest.mark.parametrize("name", WORLD)
def test_the_sets_hold_every_verdict(name: str) -> None:
    found = met(name, lambda *them: {line["verdict"] for line in oracle.history_of(*them)})
    assert found >= {"noted", "unrecognized", "repeated", "stale", "refused", "divergent"}
    assert found >= {"applied", "skipped_ahead", "reverted"}


def test_a_fold_by_time_where_the_provider_counts_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert walked("counter", 0, 20) == []
    lifecycle = COUNTER.lifecycle
    timed = replace(lifecycle, numbered=False)
    monkeypatch.setitem(
        WORLD, "counter", WORLD["counter"]._replace(dialect=COUNTER._replace(lifecycle=timed))
    )
    assert walked("counter", 0, 20) != []


def test_a_fold_that_sorts_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(10**9))
    monkeypatch.setattr("lifecycle.core.fold.sort_key", lambda *_: (verdict.TIMED, next(numbers)))
    for name in WORLD:
        assert walked(name, 1, 20) != []
