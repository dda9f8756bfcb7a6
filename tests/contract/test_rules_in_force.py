"""The rules in force stand in the log before the first event that they judge, on every store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256

import pytest
from msgspec import structs
from pydantic import ConfigDict, create_model

from lifecycle.composition import initialize, open_log
from lifecycle.core.definition import Definition
from lifecycle.core.event import Redriven, Rules
from lifecycle.errors import InvalidArgumentError, StoreUnavailableError, VersionConflictError
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL, DeclaredRules, Log, Outcome
from lifecycle.log.recorded_rules import recorded_rules, returned_rules
from lifecycle.log.store_port import TryAgainError
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.contract.entries import NOON, event, stream, unreadable

OTHER = replace(LAST_MILE, moves=LAST_MILE.moves[:-1])
A, B = LAST_MILE.fingerprint, OTHER.fingerprint

Open = Callable[[], Log]


@pytest.fixture(params=["sqlite", "postgres", pytest.param("nats", marks=pytest.mark.long)])
def opened(request, tmp_path) -> Iterator[Open]:
    """Opens one log again and again; on PostgreSQL for a role that may read and append only."""
    url = f"sqlite:///{tmp_path}/orders.db"
    if request.param == "nats":
        url = request.getfixturevalue("nats").new_url()
    if request.param == "postgres":
        owned = request.getfixturevalue("postgres").new_url()
        initialize(owned, role="app")
        url = owned.replace("postgres@", "app@")
    logs: list[Log] = []

    def open_one() -> Log:
        logs.append(open_log(url))
        return logs[-1]

    yield open_one
    for log in logs:
        log.close()


def declare(log: Log, definition: Definition, provider: str = "instacart") -> Log:
    log.declare_rules({provider: DeclaredRules(definition, "a test")})
    return log


def fingerprints(log: Log, provider: str = "instacart") -> list[str]:
    return [each.rules.fingerprint for each in recorded_rules(log).get(provider, ())]


def streams(log: Log) -> list[str]:
    return [record.stream for record in log.scan()]


def test_the_rules_stand_just_before_the_first_event(opened):
    log = declare(opened(), LAST_MILE)

    first, second = log.append(event("a", 1)), log.append(event("a", 2))

    assert streams(log) == [CONTROL, first.stream, second.stream]
    assert (first.version, second.version) == (1, 2)
    (found,) = recorded_rules(log)["instacart"]
    assert found.rules.definition == LAST_MILE.to_json()
    assert sha256(found.rules.definition.encode()).hexdigest() == found.rules.fingerprint == A
    assert json.loads(found.rules.details or "") == LAST_MILE.details.model_json_schema()
    assert found.rules.release.startswith("order-lifecycle ")
    assert found.rules.origin == "a test"
    assert Definition.from_json(found.rules.definition).fingerprint == A


def test_the_same_rules_are_recorded_once_however_often_the_log_is_opened(opened):
    for number in range(1, 4):
        declare(opened(), LAST_MILE).append(event("a", number))

    assert fingerprints(opened()) == [A]


def test_other_rules_are_recorded_by_their_first_event_and_the_earlier_ones_when_they_return(
    opened,
):
    for number, rules in enumerate((LAST_MILE, OTHER, OTHER, LAST_MILE), 1):
        declare(opened(), rules).append(event("a", number))

    log = opened()
    assert fingerprints(log) == [A, B, A]
    assert [each.fingerprint for each in returned_rules(recorded_rules(log))] == [A]


def test_two_releases_that_take_turns_record_once_an_opening(opened):
    old, new = declare(opened(), LAST_MILE), declare(opened(), OTHER)

    for number in range(1, 20, 2):
        old.append(event("a", number))
        new.append(event("a", number + 1))

    assert fingerprints(old) == [A, B]


def test_what_an_opening_declares_again_is_recorded_no_second_time(opened):
    log = declare(opened(), LAST_MILE)
    log.append(event("a", 1))
    declare(opened(), OTHER).append(event("a", 2))

    declare(log, LAST_MILE).append(event("a", 3))

    assert fingerprints(log) == [A, B]


def test_an_opening_that_only_reads_or_quarantines_records_no_rules(opened):
    log = declare(opened(), LAST_MILE)
    log.append(unreadable())
    log.append(Redriven(1, "order:instacart:a", "k", NOON))

    assert (list(log.streams()), fingerprints(log)) == ([], [])
    assert log.last_position() == 2


def test_each_provider_has_its_own_rules(opened):
    log = opened()
    log.declare_rules(
        {name: DeclaredRules(LAST_MILE) for name in ("instacart", "instacart.2", "instacart.")}
    )
    log.append_many([event("a", 1), structs.replace(event("a", 1), provider="instacart.2")])

    assert list(recorded_rules(log)) == ["instacart", "instacart.2"]


def test_a_coroutine_records_them_too(opened):
    log = declare(opened(), LAST_MILE)

    async def append() -> None:
        await asyncio.gather(*[log.append_async(event("a", number)) for number in range(1, 9)])

    asyncio.run(append())

    assert streams(log) == [CONTROL, *[stream("a")] * 8]


def test_a_conflict_of_versions_is_that_of_the_order_alone(opened):
    log = declare(opened(), LAST_MILE)

    with pytest.raises(VersionConflictError):
        log.append(event("a", 1), expected_version=3)
    assert log.append(event("a", 1), expected_version=0).outcome is Outcome.APPENDED

    assert fingerprints(log) == [A]


def test_rules_that_could_not_be_committed_are_recorded_with_the_next_event(opened, monkeypatch):
    log = declare(opened(), LAST_MILE)
    writing = log._recorder.writing

    def failing(**_: object) -> None:
        raise StoreUnavailableError("here", "it failed")

    monkeypatch.setattr(log._recorder, "writing", failing)
    with pytest.raises(StoreUnavailableError):
        log.append(event("a", 1))
    monkeypatch.setattr(log._recorder, "writing", writing)

    log.append(event("a", 2))

    assert streams(log) == [CONTROL, stream("a")]


def test_a_commit_that_another_writer_forestalled_is_decided_again(opened, monkeypatch):
    log, other = declare(opened(), LAST_MILE), declare(opened(), LAST_MILE)
    writing, pending = log._recorder.writing, [True]

    def forestalled(**how: object) -> object:
        if pending:
            pending.clear()
            other.append(event("b", 1))
            raise TryAgainError("another writer was first")
        return writing(**how)

    monkeypatch.setattr(log._recorder, "writing", forestalled)
    log.append(event("a", 1))

    assert streams(log) == [CONTROL, stream("b"), stream("a")]


def test_details_without_a_schema_do_not_keep_events_from_being_recorded(opened):
    class Odd:
        pass

    odd = create_model(
        "Details", __config__=ConfigDict(arbitrary_types_allowed=True), x=(Odd, None)
    )
    log = declare(opened(), replace(LAST_MILE, details=odd))

    log.append(event("a", 1))

    assert recorded_rules(log)["instacart"][0].rules.details is None


def test_rules_that_cannot_be_written_do_not_keep_events_from_being_recorded(caplog):
    broken = replace(LAST_MILE, moves=((object(),),))  # made around `Definition.write`
    with closing(open_log("memory:")) as log:
        declare(log, broken).append(event("a", 1))
        log.append(event("a", 2))

        assert streams(log) == [stream("a")] * 2
    assert caplog.text.count("rules of 'instacart' are not recorded: TypeError") == 1


def test_the_memory_log_records_them_as_the_others_do():
    with closing(open_log("memory:")) as log:
        declare(log, LAST_MILE).append(event("a", 1))
        declare(log, OTHER).append(event("a", 2))
        assert streams(log) == [CONTROL, stream("a")] * 2
        assert fingerprints(log) == [A, B]
        assert [decode(record).fingerprint for record in log.read(CONTROL)] == [A, B]


@pytest.mark.parametrize(
    "wrong",
    [{"definition": "{}"}, {"fingerprint": B}, {"definition": None}, {"details": "{"}],
)
def test_rules_that_are_not_those_of_their_fingerprint_are_not_stored(wrong):
    rules = Rules("instacart", A, LAST_MILE.to_json(), "here")
    with closing(open_log("memory:")) as log, pytest.raises(InvalidArgumentError):
        log.append(structs.replace(rules, **wrong))
