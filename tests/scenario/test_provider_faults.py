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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from lifecycle import (
    Event,
    InvalidArgumentError,
    Outcome,
    PoisonedOrdersError,
    ProviderFaultError,
    Unreadable,
    connect,
    connect_async,
)
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import known_providers
from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival, Fault
from lifecycle.core.guarded_provider import GuardedProvider
from lifecycle.providers.instacart import INSTACART
from lifecycle.providers.instacart.receiver import Request, SyncReceiver

SECRET = "Kamala 5 Main Street"
BAD = b'{"id":"bad","status":"brand_new","secret":"Kamala 5 Main Street"}'
GOOD = b'{"id":"good","status":"brand_new"}'


class Told(BaseModel):
    """Details that a body may contradict."""

    number: int | None = None


class Wrong:
    """Instacart's provider, but for what it does with a body that names the order `bad`."""

    name = "instacart"
    definition = INSTACART.definition
    kept_headers: Any = frozenset({"x-kept"})

    def __init__(
        self,
        recognize: Callable[[Any, Any], Any] | None = None,
        recall: Callable[[Any], Any] | None = None,
    ) -> None:
        self.mend_recognize, self.mend_recall = recognize, recall

    def recognize(self, arrival: Arrival) -> Any:
        found = INSTACART.recognize(arrival)
        if self.mend_recognize is None or b'"bad"' not in arrival.body:
            return found
        return self.mend_recognize(arrival, found)

    def recall(self, event: Event) -> Any:
        found = INSTACART.recall(event)
        if self.mend_recall is None or event.order_id != "bad":
            return found
        return self.mend_recall(found)


def raising(error: BaseException) -> Callable[..., Any]:
    def wrong(*_: object) -> Any:
        raise error

    return wrong


def changed(**fields: Any) -> Callable[[Any, Any], Any]:
    return lambda _, event: event._replace(**fields)


def endless(*_: object) -> Any:
    return endless()


class Sly(str):
    """A text that is equal to every other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


RAISES = {
    "an exception": raising(ValueError(SECRET)),
    "an exit": raising(SystemExit(SECRET)),
    "a canceled task": raising(asyncio.CancelledError(SECRET)),
    "a closed generator": raising(GeneratorExit(SECRET)),
    "no memory": raising(MemoryError(SECRET)),
    "endless recursion": endless,
    "a group": raising(BaseExceptionGroup(SECRET, [SystemExit(SECRET)])),
    "a failed assertion": raising(AssertionError(SECRET)),
}

RETURNS: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda *_: None,
    "an object": lambda *_: {"secret": SECRET},
    "a text": lambda *_: SECRET,
    "a list of events": lambda _, event: [event],
    "a plain tuple": lambda _, event: tuple(event),
    "the arrival": lambda arrival, _: arrival,
    "something like an event": lambda _, event: SimpleNamespace(**event._asdict()),
    "an event's class": lambda *_: Event,
    "another provider's": changed(provider="kitchen"),
    "another body": changed(body=b"{}"),
    "a body that is no bytes": changed(body=SECRET),
    "a body of another type": changed(body=bytearray(BAD)),
    "another kind": changed(kind="poll"),
    "an unknown kind": changed(kind="rumor"),
    "no order": changed(order_id=None),
    "an empty order": changed(order_id=""),
    "an order that is a number": changed(order_id=7),
    "an order of control characters": changed(order_id="a\x00b"),
    "a huge order": changed(order_id="x" * 256),
    "a sly order": changed(order_id=Sly("other")),
    "another time of receipt": changed(received_at=datetime(2020, 1, 1, tzinfo=UTC)),
    "a time of receipt without a zone": changed(received_at=datetime(2020, 1, 1)),  # noqa: DTZ001
    "a forged hash": changed(sha256="0" * 64),
    "a forged digest": changed(digest="0" * 64),
    "a digest of another type": changed(digest=None),
    "a forged key": changed(key="callback:1"),
    "a key that cannot be hashed": changed(key=["callback"]),
    "no name": changed(name=None),
    "an empty name": changed(name=""),
    "a name that cannot be hashed": changed(name=["brand_new"]),
    "a huge name": changed(name="x" * 256),
    "a name that is huge in bytes": changed(name="ü" * 128),
    "a trigger that cannot be hashed": changed(trigger={"a": 1}),
    "a status that is no text": changed(status=7),
    "an event id that is no text": changed(event_id=7),
    "a huge event id": changed(event_id="x" * 256),
    "a time without a zone": changed(occurred_at=datetime(2026, 7, 7)),  # noqa: DTZ001
    "a time that is a text": changed(occurred_at="2026-07-07T12:00:00Z"),
    "a time beyond the calendar": changed(
        occurred_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    ),
    "details that are no mapping": changed(details=[SECRET]),
    "no details at all": changed(details=None),
    "faults that are a list": changed(faults=[Fault()]),
    "faults that are none": changed(faults=(SECRET,)),
    "a fault of wrong types": changed(faults=(Fault(message=7),)),  # type: ignore[arg-type]
    "problems that are a list": changed(problems=["bad_time"]),
    "a problem that nobody knows": changed(problems=("odd",)),
    "an unknown fate": changed(fate="eaten"),
    "an attempt of a callback": changed(attempt=2),
    "an exchange of a callback": changed(exchange_id="x"),
    "an HTTP status of a callback": changed(http_status=200),
    "a version": changed(version=7),
    "a position": changed(position=7),
    "a time of recording": changed(recorded_at=datetime(2026, 7, 7, tzinfo=UTC)),
    "an item that it was re-driven from": changed(redriven_from=7),
    "an unreadable without a reason": lambda arrival, _: Unreadable(
        "instacart", "", SECRET, arrival.body, arrival.received_at, arrival
    ),
    "an unreadable whose detail is no text": lambda arrival, _: Unreadable(
        "instacart",
        "odd",
        None,
        arrival.body,
        arrival.received_at,
        arrival,  # type: ignore[arg-type]
    ),
}

WAYS = RAISES | RETURNS

NONSENSE: dict[str, Callable[[Any], Any]] = {
    "an exception": raising(ValueError(SECRET)),
    "an exit": raising(SystemExit(SECRET)),
    "no memory": raising(MemoryError(SECRET)),
    "endless recursion": endless,
    "nothing": lambda _: None,
    "a text": lambda _: SECRET,
    "a plain tuple": tuple,
    "details that are no mapping": lambda event: event._replace(details=SECRET),
    "faults that are a list": lambda event: event._replace(faults=[Fault()]),
    "a fault of wrong types": lambda event: event._replace(faults=(Fault(code={}),)),
    "an unknown fate": lambda event: event._replace(fate=["eaten"]),
    "details that the model refuses": lambda event: event._replace(details={"is_express": SECRET}),
}


def ways(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", table.values(), ids=table.keys())


def only_item(orders: Any) -> Any:
    (item,) = orders.quarantine()
    return item


@ways(WAYS)
def test_a_callback_with_which_the_provider_fails_is_kept_and_can_be_redriven(way, caplog):
    provider = Wrong(recognize=way)
    with connect("memory:", provider=provider) as orders:
        caplog.set_level(logging.DEBUG)
        receipt = orders.record_callback(BAD, headers={"x-kept": "yes"})

        item = only_item(orders)
        assert (receipt.outcome, receipt.change, receipt.view) == (Outcome.QUARANTINED, None, None)
        assert (item.reason, item.kind, item.body) == ("provider_fault", "callback", BAD)
        assert SECRET not in item.detail + caplog.text + repr(item)
        assert list(orders.redrive()) == []

        provider.mend_recognize = None
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
    with connect("memory:", provider=Wrong(recognize=way)) as orders:
        receipts = orders.record_many(lines)

        outcomes = [receipt.outcome for receipt in receipts]
        assert outcomes == [Outcome.APPENDED, Outcome.QUARANTINED, Outcome.APPENDED]
        assert orders.get("good").status == "delivered"
        assert only_item(orders).reason == "provider_fault"


@ways(WAYS)
def test_a_receiver_acknowledges_a_callback_with_which_the_provider_fails(way):
    with connect("memory:", provider=Wrong(recognize=way)) as orders:
        receiver = SyncReceiver(
            orders, clients={"c": "a secret of thirty-two characters"}, signing_keys=["k" * 32]
        )
        token = receiver.rules.tokens.issue("c")
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
        async with connect_async("memory:", provider=Wrong(recognize=way)) as orders:
            receipts = await asyncio.gather(*map(orders.record_callback, (BAD, GOOD)))
            return [one.outcome for one in receipts], (await orders.get("good")).status

    assert asyncio.run(main()) == ([Outcome.QUARANTINED, Outcome.APPENDED], "brand_new")


@pytest.mark.parametrize("kind", ["request", "response", "poll"])
@ways(RETURNS)
def test_every_kind_of_arrival_is_kept(way, kind):
    arrival = Arrival(kind, BAD, datetime(2026, 7, 7, tzinfo=UTC), "bad", 2, "x1", 200)
    found = GuardedProvider(Wrong(recognize=way)).recognize(arrival)

    if isinstance(found, Event):  # what is wrong with a callback may be right here
        right = INSTACART.recognize(arrival)
        assert found._replace(details={}) == right._replace(details={})
    else:
        assert (found.reason, found.arrival, found.body) == ("provider_fault", arrival, BAD)


def test_a_request_with_which_the_provider_fails_is_refused_before_it_is_sent():
    with (
        connect("memory:", provider=Wrong(recognize=raising(ValueError(SECRET)))) as orders,
        pytest.raises(InvalidArgumentError, match="provider_fault") as refused,
    ):
        orders.begin_request("bad", {"order_id": "bad"})
    assert SECRET not in str(refused.value)


def test_an_interrupt_is_not_reported_as_a_provider_fault():
    with (
        connect("memory:", provider=Wrong(recognize=raising(KeyboardInterrupt()))) as orders,
        pytest.raises(KeyboardInterrupt),
    ):
        orders.record_callback(BAD)

    def terminated(*_: object) -> None:
        raise SystemExit(3)

    def struck(_: object, event: Event) -> Event:
        signal.raise_signal(signal.SIGUSR1)
        return event

    before = signal.signal(signal.SIGUSR1, terminated)
    try:
        with connect("memory:", provider=Wrong(recognize=struck)) as orders:
            with pytest.raises(SystemExit):
                orders.record_callback(BAD)
            assert list(orders.quarantine()) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_correct_provider_keeps_its_reading():
    """The positive control of the table: the frame around the ways is not what fails."""
    with connect("memory:", provider=Wrong(recognize=lambda _, event: event)) as orders:
        assert orders.record_callback(BAD).outcome is Outcome.APPENDED
        assert orders.record_poll("bad", 200, {"status": "delivered"}).outcome is Outcome.APPENDED
        assert orders.begin_request("o", {}).answered(500).outcome is Outcome.APPENDED
        assert list(orders.quarantine()) == []


def test_words_may_be_members_of_an_enumeration():
    words = StrEnum("words", {"BRAND_NEW": "brand_new"})
    word = words("brand_new")
    way = changed(name=word, trigger=word, status=word)
    with connect("memory:", provider=Wrong(recognize=way)) as orders:
        receipt = orders.record_callback(BAD)
        assert isinstance(receipt.event, Event)
        assert {type(receipt.event.name), type(receipt.event.trigger)} == {str}
        assert orders.get("bad").status == "brand_new"


@pytest.mark.parametrize("year", [1, 1970, 1999, 2100, 9999])
def test_a_placeholder_for_a_time_orders_nothing_whoever_reads_it(year):
    way = changed(occurred_at=datetime(year, 1, 1, tzinfo=UTC))
    with connect("memory:", provider=Wrong(recognize=way)) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert (event.occurred_at, event.problems) == (None, ("bad_time",))
        polled = orders.record_poll("bad", 200, {"id": "bad", "status": "brand_new"}).event
        assert isinstance(polled, Event)
        assert (polled.occurred_at, polled.problems) == (None, ())


def test_a_time_of_this_century_is_taken_as_the_provider_reads_it():
    """The positive control."""
    last = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with connect("memory:", provider=Wrong(recognize=changed(occurred_at=last))) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert (event.occurred_at, event.problems) == (last, ())


@pytest.mark.parametrize(
    ("status", "kept"),
    [("x" * 255, "x" * 255), ("x" * 256, None), ("", None), ("x".ljust(100_000), "x")],
)
def test_a_status_is_no_longer_than_a_word_whoever_reads_it(status, kept):
    with connect("memory:", provider=Wrong(recognize=changed(status=status))) as orders:
        event = orders.record_callback(BAD).event
        assert isinstance(event, Event)
        assert event.status == kept


def test_headers_are_kept_although_the_provider_forgets_them():
    way = changed(headers={})
    with connect("memory:", provider=Wrong(recognize=way)) as orders:
        receipt = orders.record_callback(BAD, headers={"x-kept": "yes"})
        assert isinstance(receipt.event, Event)
        assert receipt.event.headers == {"x-kept": "yes"}


def test_a_bad_order_id_comes_back_as_the_provider_said():
    def refusing(arrival: Any, _: object) -> Unreadable:
        return Unreadable("kitchen", "odd_thing", "x" * 5000, b"", arrival.received_at)

    with connect("memory:", provider=Wrong(recognize=refusing)) as orders:
        orders.record_callback(BAD)
        item = only_item(orders)
        assert (item.provider, item.reason, len(item.detail), item.body) == (
            "instacart",
            "odd_thing",
            1000,
            BAD,
        )


# Reading what is stored


@ways(NONSENSE)
def test_an_order_that_the_provider_cannot_read_is_no_other_orders_trouble(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_many([{"kind": "callback", "body": body} for body in (BAD, GOOD)])
        provider.mend_recall = way

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

        provider.mend_recall = None
        assert orders.get("bad").status == "brand_new"
        assert orders.views.redrive() == 1


@ways(NONSENSE)
def test_callbacks_about_an_unreadable_order_are_recorded(way):
    provider = Wrong(recall=way)
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(BAD)
        receipt = orders.record_poll("bad", 200, {"id": "bad", "status": "delivered"})
        sent = orders.begin_request("bad", {"order_id": "bad"})

        assert (receipt.outcome, sent.attempt) == (Outcome.APPENDED, 1)
        with pytest.raises(ProviderFaultError):
            _ = receipt.change
        provider.mend_recall = None
        assert receipt.change is not None


def test_a_providers_recall_cannot_change_who_an_event_is():
    forged = {
        "provider": "kitchen",
        "order_id": "good",
        "kind": "poll",
        "name": "delivered",
        "trigger": "delivered",
        "key": "poll:1",
        "digest": "0" * 64,
        "received_at": datetime(2000, 1, 1, tzinfo=UTC),
        "body": b"",
        "sha256": "0" * 64,
        "occurred_at": datetime(2000, 1, 1, tzinfo=UTC),
        "status": "delivered",
        "problems": ("bad_time",),
        "version": 9,
        "position": 9,
    }
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(BAD)
        right, history = orders.get("bad"), orders.history("bad")
        provider.mend_recall = lambda event: event._replace(**forged)

        for _ in range(2):
            assert orders.get("bad") == right
            assert orders.history("bad") == history
    with connect("memory:", provider=provider) as orders:
        assert orders.record_callback(BAD).view.digest == right.digest


@ways(WAYS)
def test_replay_names_the_record_on_which_the_provider_fails(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_many([{"kind": "callback", "body": body} for body in (BAD, GOOD)])
        assert replay(orders.log, {"instacart": provider}).ok
        provider.mend_recognize = way

        found = replay(orders.log, {"instacart": provider})

        assert {one.stream for one in found.differences} <= {"order:instacart:bad"}
        assert SECRET not in repr(found)
        if way in RAISES.values():
            assert not found.ok


# The provider itself


@dataclass
class Attributes:
    """Something that may be a provider."""

    name: Any = "kitchen"
    definition: Any = INSTACART.definition
    kept_headers: Any = frozenset()
    recognize: Any = INSTACART.recognize
    recall: Any = INSTACART.recall


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
        Attributes(recognize=None),
        Attributes(recall="recall"),
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
    monkeypatch.setattr(sys.modules["lifecycle.composition"], "known_providers", lambda: known)
    with connect("memory:") as orders:
        assert orders.record_callback(GOOD).outcome is Outcome.APPENDED
        (receipt,) = orders.record_many([{"kind": "callback", "provider": "broken", "body": {}}])
        assert receipt.outcome is Outcome.QUARANTINED
    assert "provider 'broken' is left out" in caplog.text


def test_threads_are_served_by_one_provider_that_fails_now_and_then():
    def by_turns(_: object, event: Event) -> Event:
        if event.received_at.microsecond % 2:
            raise ValueError(SECRET)
        return event

    at = datetime(2026, 7, 7, tzinfo=UTC)
    with connect("memory:", provider=Wrong(recognize=by_turns)) as orders:

        def record(start: int) -> None:
            for number in range(start, start + 100):
                body = b'{"id":"bad","status":"brand_new","n":%d}' % number
                orders.record_callback(body, received_at=at + timedelta(microseconds=number))

        threads = [threading.Thread(target=record, args=(start,)) for start in range(0, 400, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert orders.get("bad").events == 200
        assert sum(1 for _ in orders.quarantine()) == 200
