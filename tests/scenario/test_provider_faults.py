"""A provider whose code is wrong, in every way that we could think of, wherever it is called.

It costs one item in the quarantine, or the reading of one order: never a fact, and never
what belongs to others.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from itertools import count
from math import inf, nan
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from pydantic import BaseModel

from lifecycle import (
    Event,
    InvalidArgumentError,
    NoReading,
    Outcome,
    PoisonedOrdersError,
    ProviderFaultError,
    Reading,
    Unreadable,
    connect,
    connect_async,
)
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival, Fault
from lifecycle.core.recognizer import Recognizer
from lifecycle.http.receiver import BearerTokens, Request, SyncReceiver
from lifecycle.providers.instacart import INSTACART
from lifecycle.registry import known_providers

SECRET = "Kamala 5 Main Street"
BAD = b'{"id":"bad","status":"brand_new","secret":"Kamala 5 Main Street"}'
GOOD = b'{"id":"good","status":"brand_new"}'
AT = datetime(2026, 7, 7, tzinfo=UTC)
_turns = count()
YEAR_1 = datetime(1, 1, 2, tzinfo=timezone(timedelta(hours=1)))


class Told(BaseModel):
    """Details that a body may contradict."""

    number: int | None = None


class Wrong:
    """Instacart's provider, but for what it does with a body that names the order `bad`."""

    name = "instacart"
    definition = INSTACART.definition
    kept_headers: Any = frozenset({"x-kept"})

    def __init__(self, way: Callable[[Any, Any, Any], Any] | None = None) -> None:
        self.way = way

    def read(self, arrival: Arrival, body: Any) -> Any:
        said = INSTACART.read(arrival, body)
        if self.way is None or b'"bad"' not in arrival.body:
            return said
        return self.way(said, arrival, body)


def raising(error: BaseException) -> Callable[..., Any]:
    def wrong(*_: object) -> Any:
        raise error

    return wrong


def changed(**fields: Any) -> Callable[..., Any]:
    return lambda said, *_: structs.replace(said, **fields)


def deeper() -> Any:
    return deeper()


def endless(*_: object) -> Any:
    return deeper()  # CPython 3.13.0 counts no calls of a function that takes any number of values


class Sly(str):
    """A text that is equal to every other, and trips whoever asks it for more."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("bad_time")

    def encode(self, *_: Any) -> bytes:
        raise ValueError(SECRET)

    strip = lower = isascii = encode


class Restless(Mapping[str, Any]):
    """Details that say something else whenever they are read."""

    def __init__(self, *values: object) -> None:
        self.values_to_come = list(values)

    def __getitem__(self, key: str) -> Any:
        return self.values_to_come.pop(0)

    def __iter__(self) -> Iterator[str]:
        return iter(["locale"])

    def __len__(self) -> int:
        return 1


class Nameless(type):
    """A class that will not say what it is called."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError(SECRET)


class Unspeakable(Exception, metaclass=Nameless):  # noqa: N818
    """It tells nothing of itself, not even its traceback or its class."""

    @property
    def __traceback__(self) -> Any:
        raise RuntimeError(SECRET)

    @property
    def __class__(self) -> Any:
        raise RuntimeError(SECRET)


class Zone(tzinfo):
    """A zone that knows nothing."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        raise RuntimeError(SECRET)


class OtherReading(Reading):
    """A reading with something more."""


async def later(*_: object) -> Reading:
    return Reading("delivered")


def nested(depth: int) -> Any:
    return {"inner": nested(depth - 1)} if depth else 1


def endless_details() -> dict[str, Any]:
    details: dict[str, Any] = {}
    details["again"] = details
    return details


RAISES = {
    "an exception": raising(ValueError(SECRET)),
    "an exit": raising(SystemExit(SECRET)),
    "a canceled task": raising(asyncio.CancelledError(SECRET)),
    "a closed generator": raising(GeneratorExit(SECRET)),
    "no memory": raising(MemoryError(SECRET)),
    "endless recursion": endless,
    "a group": raising(BaseExceptionGroup(SECRET, [SystemExit(SECRET)])),
    "a failed assertion": raising(AssertionError(SECRET)),
    "what cannot be named": raising(Unspeakable()),
}

RETURNS: dict[str, Callable[..., Any]] = {
    "nothing": lambda *_: None,
    "an object": lambda *_: {"secret": SECRET},
    "a text": lambda *_: SECRET,
    "a list of readings": lambda said, *_: [said],
    "no readings at all": lambda *_: (),
    "more readings than a body can hold": lambda said, *_: (said,) * 10_001,
    "a reading beside nothing": lambda said, *_: (said, None),
    "readings within readings": lambda said, *_: (said, (said,)),
    "a sequence that is a text": changed(sequence="7"),
    "a sequence that is true": changed(sequence=True),
    "a sequence below zero": changed(sequence=-1),
    "a sequence that no store holds": changed(sequence=1 << 63),
    "a mark of a test that is a text": changed(is_test="yes"),
    "a mark of a test that is nothing": changed(is_test=None),
    "links that are a list": changed(links=["d-1"]),
    "links that are nothing": changed(links=None),
    "a link that is a number": changed(links=(7,)),
    "an empty link": changed(links=("",)),
    "a huge link": changed(links=("x" * 256,)),
    "a link with a lone surrogate": changed(links=("\ud800",)),
    "a link that cannot be hashed": changed(links=(["d-1"],)),
    "too many links": changed(links=tuple(map(str, range(17)))),
    "a reference that is a number": changed(refers_to=7),
    "an empty reference": changed(refers_to=""),
    "the arrival": lambda _, arrival, __: arrival,
    "an event": lambda _, arrival, __: Recognizer(INSTACART).recognize(arrival),
    "an unreadable": lambda _, arrival, __: Unreadable(
        "instacart", "odd", "odd", arrival.body, arrival.received_at, arrival
    ),
    "something like a reading": lambda said, *_: SimpleNamespace(**structs.asdict(said)),
    "a reading's class": lambda *_: Reading,
    "a reading of a class of its own": lambda said, *_: OtherReading(**structs.asdict(said)),
    "something without a name": lambda *_: Nameless("x", (), {})(),
    "an order that is a number": changed(order_id=7),
    "an order with a lone surrogate": changed(order_id="a\ud800"),
    "no name": changed(name=None),
    "an empty name": changed(name=""),
    "a name that cannot be hashed": changed(name=["brand_new"]),
    "a name in bytes": changed(name=b"brand_new"),
    "a huge name": changed(name="x" * 256),
    "a name that is huge in bytes": changed(name="ü" * 128),
    "a name with a lone surrogate": changed(name="\udfff"),
    "a trigger that cannot be hashed": changed(trigger={"a": 1}),
    "an empty trigger": changed(trigger=""),
    "a status that is no text": changed(status=7),
    "a status with a lone surrogate": changed(status="\ud800"),
    "an event id that is no text": changed(event_id=7),
    "an empty event id": changed(event_id=""),
    "a huge event id": changed(event_id="x" * 256),
    "an event id with a lone surrogate": changed(event_id="\ud800"),
    "a time without a zone": changed(occurred_at=datetime(2026, 7, 7)),  # noqa: DTZ001
    "a time in a zone that raises": changed(occurred_at=datetime(2026, 7, 7, tzinfo=Zone())),
    "a time that is a text": changed(occurred_at="2026-07-07T12:00:00Z"),
    "a time beyond the calendar": changed(
        occurred_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    ),
    "problems that are a list": changed(problems=["bad_time"]),
    "problems that are nothing": changed(problems=None),
    "a problem that nobody knows": changed(problems=("odd",)),
    "a problem that cannot be hashed": changed(problems=(["bad_time"],)),
    "a problem that is nothing": changed(problems=(None,)),
    "no reason": lambda *_: NoReading("", SECRET),
    "a reason that is no short name": lambda *_: NoReading(SECRET, SECRET),
    "a reason that is no text": lambda *_: NoReading(7, SECRET),  # type: ignore[arg-type]
    "a detail that is no text": lambda *_: NoReading("odd", None),  # type: ignore[arg-type]
    "a detail with a lone surrogate": lambda *_: NoReading("odd", "\ud800"),
}

TOLD: dict[str, Callable[..., Any]] = {
    "details that are no mapping": changed(details=[SECRET]),
    "no details at all": changed(details=None),
    "details with a number as a name": changed(details={7: SECRET}),
    "details with a lone surrogate": changed(details={"locale": "\ud800"}),
    "details named by a lone surrogate": changed(details={"\ud800": 1}),
    "details that are not a number": changed(details={"locale": nan}),
    "details without end": changed(details={"locale": inf}),
    "details of a huge number": changed(details={"locale": 10**400}),
    "details in bytes": changed(details={"locale": SECRET.encode()}),
    "details of a set": changed(details={"locale": {SECRET}}),
    "details that nest in themselves": changed(details=endless_details()),
    "details that nest too deep": changed(details=nested(65)),
    "details that raise": changed(details=Restless()),
    "faults that are a list": changed(faults=[Fault()]),
    "faults that are none": changed(faults=(SECRET,)),
    "a fault of wrong types": changed(faults=(Fault(message=7),)),  # type: ignore[arg-type]
    "a fault with a code that is no number": changed(faults=(Fault(code=1.5),)),  # type: ignore[arg-type]
    "a fault with a lone surrogate": changed(faults=(Fault(key="\ud800"),)),
    "an unknown fate": changed(fate="eaten"),
    "a fate that cannot be hashed": changed(fate=["eaten"]),
}

WAYS = RAISES | RETURNS | TOLD

# Where what is stored is read again, only what is told of its details and errors is looked at,
# and by then a model may refuse it.
NONSENSE = WAYS | {"details that the model refuses": changed(details={"is_express": SECRET})}


def ways(table: dict[str, Any]) -> pytest.MarkDecorator:
    """Try a third of a table, another one each time this is used; all of it in the long run."""
    turn = next(_turns)
    return pytest.mark.parametrize(
        "way",
        [
            pytest.param(way, id=name, marks=[pytest.mark.long] * bool((place + turn) % 3))
            for place, (name, way) in enumerate(table.items())
        ],
    )


def only_item(orders: Any) -> Any:
    (item,) = orders.quarantine()
    return item


@ways(WAYS)
def test_a_callback_with_which_the_provider_fails_is_kept_and_can_be_redriven(way, caplog):
    provider = Wrong(way)
    with connect("memory:", provider=provider) as orders:
        caplog.set_level(logging.DEBUG)
        receipt = orders.record_callback(BAD, headers={"x-kept": "yes"})

        item = only_item(orders)
        assert (receipt.outcome, receipt.change, receipt.view) == (Outcome.QUARANTINED, None, None)
        assert (item.reason, item.kind, item.body) == ("provider_fault", "callback", BAD)
        assert SECRET not in item.detail + caplog.text + repr(item)
        assert list(orders.redrive()) == []

        provider.way = None
        (mended,) = orders.redrive()

        assert (mended.outcome, mended.event.headers) == (Outcome.APPENDED, {"x-kept": "yes"})
        assert orders.get("bad").status == "brand_new"
        assert list(orders.quarantine()) == []
        assert list(orders.redrive()) == []
        assert verify(orders.log).ok


@ways(WAYS)
def test_a_batch_in_which_the_provider_fails_keeps_all_others(way):
    lines = [{"kind": "callback", "body": GOOD}, {"kind": "callback", "body": BAD}]
    lines += [
        {"kind": "poll", "order_id": "good", "http_status": 200, "body": {"status": "delivered"}}
    ]
    with connect("memory:", provider=Wrong(way)) as orders:
        receipts = orders.record_many(lines)

        outcomes = [receipt.outcome for receipt in receipts]
        assert outcomes == [Outcome.APPENDED, Outcome.QUARANTINED, Outcome.APPENDED]
        assert orders.get("good").status == "delivered"
        assert only_item(orders).reason == "provider_fault"


@ways(WAYS)
def test_a_receiver_acknowledges_a_callback_with_which_the_provider_fails(way):
    with connect("memory:", provider=Wrong(way)) as orders:
        receiver = SyncReceiver(
            orders, BearerTokens({"c": "a secret of thirty-two characters"}, ["k" * 32])
        )
        token = receiver.gate.tokens.issue("c")
        headers = {"authorization": f"Bearer {token}"}

        answers = [
            receiver.handle(Request("POST", "/callbacks", headers, body))
            for body in (BAD, GOOD, BAD)
        ]

        assert [answer.status for answer in answers] == [200, 200, 200]
        assert orders.get("good").status == "brand_new"
        assert [item.reason for item in orders.quarantine()] == ["provider_fault"] * 2


@ways(WAYS)
def test_async_orders_keep_what_the_provider_fails_with(way):
    async def main() -> tuple[list[Outcome], str]:
        async with connect_async("memory:", provider=Wrong(way)) as orders:
            receipts = await asyncio.gather(*map(orders.record_callback, (BAD, GOOD)))
            return [one.outcome for one in receipts], (await orders.get("good")).status

    assert asyncio.run(main()) == ([Outcome.QUARANTINED, Outcome.APPENDED], "brand_new")


@pytest.mark.parametrize("kind", ["request", "response", "poll"])
@ways(WAYS)
def test_every_kind_of_arrival_is_kept(way, kind):
    arrival = Arrival(kind, BAD, AT, "bad", 2, "x1", 200)
    found = Recognizer(Wrong(way)).recognize(arrival)

    if isinstance(found, Event):  # what is wrong with a callback may say nothing here
        right = Recognizer(INSTACART).recognize(arrival)
        assert found == right
    else:
        assert (found.reason, found.arrival, found.body) == ("provider_fault", arrival, BAD)


def test_a_request_with_which_the_provider_fails_is_refused_before_it_is_sent():
    with (
        connect("memory:", provider=Wrong(raising(ValueError(SECRET)))) as orders,
        pytest.raises(InvalidArgumentError, match="provider_fault") as refused,
    ):
        orders.begin_request("bad", {"order_id": "bad"})
    assert SECRET not in str(refused.value)


def test_an_interrupt_is_not_reported_as_a_provider_fault():
    with (
        connect("memory:", provider=Wrong(raising(KeyboardInterrupt()))) as orders,
        pytest.raises(KeyboardInterrupt),
    ):
        orders.record_callback(BAD)

    def terminated(*_: object) -> None:
        raise SystemExit(3)

    def struck(said: Reading, *_: object) -> Reading:
        signal.raise_signal(signal.SIGUSR1)
        return said

    before = signal.signal(signal.SIGUSR1, terminated)
    try:
        with connect("memory:", provider=Wrong(struck)) as orders:
            with pytest.raises(SystemExit):
                orders.record_callback(BAD)
            assert list(orders.quarantine()) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_correct_provider_keeps_its_reading():
    """The positive control of the table: the frame around the ways is not what fails."""
    with connect("memory:", provider=Wrong(lambda said, *_: said)) as orders:
        assert orders.record_callback(BAD).outcome is Outcome.APPENDED
        assert orders.record_poll("bad", 200, {"status": "delivered"}).outcome is Outcome.APPENDED
        assert orders.begin_request("o", {}).answered(500).outcome is Outcome.APPENDED
        assert list(orders.quarantine()) == []


def test_words_may_be_members_of_an_enumeration():
    words = StrEnum("words", {"BRAND_NEW": "brand_new"})
    word = words("brand_new")
    way = changed(name=word, trigger=word, status=word)
    with connect("memory:", provider=Wrong(way)) as orders:
        receipt = orders.record_callback(BAD)
        assert isinstance(receipt.event, Event)
        assert {type(receipt.event.name), type(receipt.event.trigger)} == {str}
        assert orders.get("bad").status == "brand_new"


@pytest.mark.parametrize("year", [1, 1970, 1999, 2100, 9999])
def test_a_placeholder_for_a_time_orders_nothing_whoever_reads_it(year):
    way = changed(occurred_at=datetime(year, 1, 1, tzinfo=UTC))
    with connect("memory:", provider=Wrong(way)) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert (event.occurred_at, event.problems) == (None, ("bad_time",))
        polled = orders.record_poll("bad", 200, {"id": "bad", "status": "brand_new"}).event
        assert isinstance(polled, Event)
        assert (polled.occurred_at, polled.problems) == (None, ())


def test_a_time_of_this_century_is_taken_as_the_provider_reads_it():
    """The positive control."""
    last = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with connect("memory:", provider=Wrong(changed(occurred_at=last))) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert (event.occurred_at, event.problems) == (last, ())


@pytest.mark.parametrize(
    ("status", "kept"),
    [("x" * 255, "x" * 255), ("x" * 256, None), ("", None), ("x".ljust(100_000), "x")],
)
def test_a_status_is_no_longer_than_a_word_whoever_reads_it(status, kept):
    with connect("memory:", provider=Wrong(changed(status=status))) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert event.status == kept


def test_a_reason_comes_back_as_the_provider_said_with_a_detail_of_moderate_length():
    with connect(
        "memory:", provider=Wrong(lambda *_: NoReading("odd_thing", "x" * 5000))
    ) as orders:
        orders.record_callback(BAD)
        item = only_item(orders)
        assert (item.provider, item.reason, item.body) == ("instacart", "odd_thing", BAD)
        assert len(item.detail) == 1000


def only_event(way: Any = None) -> Event:
    found = Recognizer(Wrong(way)).recognize(Arrival("callback", BAD, AT))
    assert isinstance(found, Event)
    return found


def test_a_reading_has_no_field_for_what_a_provider_must_not_forge():
    decided = {*Event.__struct_fields__} - {*Reading.__struct_fields__}
    assert decided >= {"provider", "kind", "body", "key", "digest", "sha256", "received_at"}
    assert decided >= {"headers", "attempt", "exchange_id", "http_status"}
    assert decided >= {"recorded_at", "version", "position", "redriven_from"}


def test_a_provider_that_changes_the_body_changes_no_digest():
    def spoiling(said: Reading, _: object, body: dict[str, Any]) -> Reading:
        body.clear()
        body["forged"] = True
        return said

    assert only_event(spoiling) == only_event()


@pytest.mark.parametrize("headers", [{"date": "then"}, MappingProxyType({"date": "then"})])
def test_a_provider_that_changes_the_headers_changes_none(headers):
    def spoiling(said: Reading, arrival: Any, _: object) -> Reading:
        arrival.headers["x-kept"] = "forged"
        return said

    found = Recognizer(Wrong(spoiling)).recognize(Arrival("callback", BAD, AT, headers=headers))
    assert isinstance(found, Unreadable)
    assert found.arrival is not None
    assert found.arrival.headers == {"date": "then"}
    with connect("memory:", provider=Wrong(spoiling)) as orders:
        orders.record_callback(BAD, headers={"x-kept": "yes"})
        assert only_item(orders).reason == "provider_fault"


def test_every_text_of_a_reading_becomes_the_plain_text_that_it_is():
    def texts(name: str) -> Any:
        return {"order_id": Sly("bad"), "event_id": Sly("7"), "status": Sly("odd"), "name": name}

    plain = changed(order_id="bad", event_id="7", status="odd", name="odd", trigger="odd")
    sly = changed(**texts(Sly("odd")), trigger=Sly("odd"))
    event = only_event(sly)
    assert event == only_event(plain)
    fields = (event.order_id, event.event_id, event.status, event.name, event.trigger)
    assert {type(text) for text in fields} == {str}


def test_details_are_read_once_and_are_nobody_elses():
    kept = {"locale": "en_US", "fulfillment_details": {"store_location": Sly("here")}}
    event = only_event(changed(details=kept))
    kept["fulfillment_details"]["store_location"] = "elsewhere"  # type: ignore[index]
    assert event.details["fulfillment_details"] == {"store_location": "here"}
    assert type(event.details["fulfillment_details"]["store_location"]) is str

    restless = only_event(changed(details=Restless("en_US", "fr_CA")))
    assert [restless.details["locale"] for _ in range(2)] == ["en_US"] * 2


def test_details_may_be_any_json_that_a_body_can_hold():
    told = {"a": None, "b": [1, 2.5, True, {"c": ()}], "d": 10**399, "e": nested(60), "f": {}}
    event = only_event(changed(details=MappingProxyType(told)))
    assert event.details == told | {"b": [1, 2.5, True, {"c": []}]}
    assert type(event.details["b"][3]) is dict


def test_problems_become_plain_and_stand_once():
    event = only_event(changed(problems=(Sly("bad_time"), "bad_time"), occurred_at=YEAR_1))
    assert event.problems == ("bad_time",)
    assert type(event.problems[0]) is str


def test_errors_belong_to_a_response_that_was_not_accepted():
    way = changed(faults=(Fault("no", "7", "key"),), fate="unknown")
    assert (only_event(way).faults, only_event(way).fate) == ((), None)
    arrival = Arrival("response", BAD, AT, "bad", 1, None, 500)
    failed = Recognizer(Wrong(way)).recognize(arrival)
    assert isinstance(failed, Event)
    assert (failed.faults, failed.fate) == ((Fault("no", "7", "key"),), "unknown")


# Reading what is stored


@ways(NONSENSE)
def test_an_order_that_the_provider_cannot_read_is_no_other_orders_trouble(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_many([{"kind": "callback", "body": body} for body in (BAD, GOOD)])
        provider.way = way

        for read in (orders.get, orders.history):
            with pytest.raises(ProviderFaultError) as failed:
                read("bad")
            assert failed.value.order_id == "bad"
            assert SECRET not in str(failed.value)
            assert failed.value.__cause__ is None
        assert orders.get("good").status == "brand_new"

        found = orders.find()
        assert next(found).order_id == "good"
        with pytest.raises(PoisonedOrdersError) as poisoned:
            next(found)
        assert (poisoned.value.count, poisoned.value.order_id) == (1, "bad")
        assert [change.order_id for change in orders.changes()] == ["good"]
        figures = orders.stats()
        # They show no details, so a model that refuses some is no trouble of theirs.
        unfoldable = int(way is not NONSENSE["details that the model refuses"])
        assert (figures.orders, figures.unfoldable) == (2 - unfoldable, unfoldable)
        orders.views.rebuild()
        assert [one.order_id for one in orders.views.poisoned()] == ["bad"]

        provider.way = None
        assert orders.get("bad").status == "brand_new"
        assert orders.views.redrive() == 1


@ways(NONSENSE)
def test_callbacks_about_an_unreadable_order_are_recorded(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(BAD)
        provider.way = way
        receipt = orders.record_poll("bad", 200, {"status": "delivered"})
        sent = orders.begin_request("bad", {})

        assert (receipt.outcome, sent.attempt) == (Outcome.APPENDED, 1)
        with pytest.raises(ProviderFaultError):
            _ = receipt.view
        provider.way = None
        assert receipt.change is not None


def test_a_change_is_told_where_the_model_of_the_details_makes_no_view():
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        provider.way = NONSENSE["details that the model refuses"]
        receipt = orders.record_callback(BAD)

        assert receipt.change is not None
        assert (receipt.change.before, receipt.change.after) == (None, "brand_new")
        with pytest.raises(ProviderFaultError):
            _ = receipt.view


@pytest.mark.parametrize(
    "way",
    [
        changed(
            order_id="good",
            name="delivered",
            trigger="delivered",
            status="delivered",
            event_id="7",
            occurred_at=datetime(2000, 1, 1, tzinfo=UTC),
            problems=("bad_time",),
        ),
        lambda *_: NoReading("odd", "it says nothing any more"),
    ],
)
def test_a_second_reading_cannot_change_who_an_event_is(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(BAD)
        right, history = orders.get("bad"), orders.history("bad")
        provider.way = way
        with connect("memory:", provider=provider) as other:
            other.log.restore(orders.log.scan())  # type: ignore[attr-defined]
            for _ in range(2):
                assert other.get("bad") == right
                assert other.history("bad") == history


@ways(WAYS)
def test_replay_names_the_record_on_which_the_provider_fails(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_many([{"kind": "callback", "body": body} for body in (BAD, GOOD)])
        assert replay(orders.log, {"instacart": provider}).ok
        provider.way = way

        found = replay(orders.log, {"instacart": provider})

        assert {one.stream for one in found.differences} <= {"order:instacart:bad"}
        assert SECRET not in repr(found)
        assert not found.ok


# The provider itself


@dataclass
class Attributes:
    """Something that may be a provider."""

    name: Any = "kitchen"
    definition: Any = INSTACART.definition
    kept_headers: Any = frozenset()
    read: Any = INSTACART.read


class Refusing(Attributes):
    """It cannot even tell its name."""

    @property
    def definition(self) -> Definition:
        raise RuntimeError(SECRET)

    @definition.setter
    def definition(self, _: object) -> None:
        return


@pytest.mark.parametrize(
    "wrong",
    [
        Attributes(name=None),
        Attributes(name=""),
        Attributes(name="a:b"),
        Attributes(name="a b"),
        Attributes(name="x" * 65),
        Attributes(name=b"kitchen"),
        Attributes(definition=None),
        Attributes(definition="kitchen"),
        Attributes(kept_headers=None),
        Attributes(kept_headers="date"),
        Attributes(kept_headers=frozenset({"X-Signature"})),
        Attributes(kept_headers=frozenset({7})),
        Attributes(kept_headers=["date"]),
        Attributes(read=None),
        Attributes(read="read"),
        Refusing(),
        object(),
        7,
        None,
    ],
)
@pytest.mark.parametrize("connecting", [connect, connect_async])
def test_a_value_that_is_no_provider_is_refused_by_connect(connecting, wrong):
    with pytest.raises(InvalidArgumentError) as refused:
        connecting("memory:", provider=wrong)
    assert SECRET not in str(refused.value)


def test_a_provider_of_the_package_that_is_broken_harms_no_other(monkeypatch, caplog):
    known = {**known_providers(), "broken": Attributes(name="broken", definition=None)}
    monkeypatch.setattr(sys.modules["lifecycle.registry"], "known_providers", lambda: known)
    with connect("memory:") as orders:
        assert orders.record_callback(GOOD).outcome is Outcome.APPENDED
        (receipt,) = orders.record_many([{"kind": "callback", "provider": "broken", "body": {}}])
        assert receipt.outcome is Outcome.QUARANTINED
    assert "provider 'broken' is left out" in caplog.text


def test_threads_are_served_by_one_provider_that_fails_now_and_then():
    def by_turns(said: Reading, arrival: Arrival, _: object) -> Reading:
        if arrival.received_at.microsecond % 2:
            raise ValueError(SECRET)
        return said

    with connect("memory:", provider=Wrong(by_turns)) as orders:

        def record(start: int) -> None:
            for number in range(start, start + 100):
                body = b'{"id":"bad","status":"brand_new","n":%d}' % number
                orders.record_callback(body, received_at=AT + timedelta(microseconds=number))

        threads = [threading.Thread(target=record, args=(start,)) for start in range(0, 400, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert orders.get("bad").events == 200
        assert sum(1 for _ in orders.quarantine()) == 200


class DetailsAlone(Wrong):
    """A provider that offers to read details alone, and does it in a `way` of its own."""

    def __init__(self, details: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.details = details

    def read(self, arrival: Arrival, body: Any) -> Any:
        return INSTACART.read(arrival, body)

    def read_details(self, kind: Any, body: Any) -> Any:
        return self.details(kind, body)


def _raises(*_: Any) -> Any:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    "details",
    [
        _raises,
        lambda *_: None,
        lambda *_: [("locale", "en")],
        lambda *_: {"locale": {1, 2}},
        lambda *_: {"locale": "\ud800"},
    ],
)
def test_what_reads_details_alone_costs_one_order_where_it_is_wrong(details, caplog):
    with connect("memory:", provider=DetailsAlone(details)) as orders:
        orders.record_callback(BAD)

        with pytest.raises(ProviderFaultError) as failed:
            orders.get("bad")
        assert SECRET not in str(failed.value) + caplog.text


def test_details_are_read_again_by_what_reads_them_alone():
    told = {"locale": "xx"}
    with connect("memory:", provider=DetailsAlone(lambda *_: told)) as orders:
        orders.record_callback(BAD)
        orders.record_response("bad", 422, {"error": {"message": "no"}})

        view = orders.get("bad")
        told["locale"] = "changed afterwards"
        assert view.details.locale == "xx"
        assert orders.get("bad").details.locale == "xx"


def test_inherited_details_are_not_asked_where_the_reading_is_another():
    class Otherwise(DetailsAlone):
        def read(self, arrival: Arrival, body: Any) -> Any:
            said = INSTACART.read(arrival, body)
            return said._replace(details={"locale": "its own"})

    with connect("memory:", provider=Otherwise(_raises)) as orders:
        orders.record_callback(BAD)

        assert orders.get("bad").details.locale == "its own"
