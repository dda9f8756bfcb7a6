"""Whatever a caller hands over: it works, or one of our own errors says which argument is wrong.

Every public function and every method of the orders is tried, one wrong argument at a time;
one that is added must be tried as well. A wrong number of arguments is Python's own matter.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

import lifecycle
from lifecycle import (
    AsyncOrders,
    DeadLetters,
    Definition,
    Folding,
    InvalidArgumentError,
    LifecycleError,
    Orders,
    StoredViews,
    Subscription,
    connect,
    connect_async,
    diagram,
    fold,
    history,
)
from lifecycle.providers.instacart.definition import LAST_MILE

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)


class Odd:
    """A value without a hash, of which a repr would quote what it holds."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "secret"


WRONG: list[Any] = [
    *(None, 0, -1, 1.5, float("nan"), 10**40, True, "", "text", "\ud800", "a\x00b", b"x"),
    *([], [1], (), {}, {1: 2}, {"a": object()}, {"a": float("nan")}, [[]], [None], [("a",)], set()),
    *(object(), Odd(), str, datetime(2026, 1, 1), timedelta.max, timedelta(-1)),  # noqa: DTZ001
    datetime.min.replace(tzinfo=UTC),
]

Call = tuple[Callable[..., Any], dict[str, Any]]


def stopped() -> threading.Event:
    signal = threading.Event()
    signal.set()
    return signal


def functions() -> list[Call]:
    """Return every public function with arguments that do."""
    event = recorded().record_callback({"id": "o", "status": "brand_new"}).event
    opened = {"url": "memory:", "provider": "instacart", "create": True, "telemetry": False}
    opened |= {"keys": None}
    folded: dict[str, Any] = {"definition": LAST_MILE, "events": [event]}
    return [
        (connect, opened | {"clock": lambda: NOON, "overdue_after": timedelta(1)}),
        (connect_async, opened | {"clock": lambda: NOON, "overdue_after": timedelta(1)}),
        (fold, folded),
        (history, folded),
        (Folding, {"definition": LAST_MILE}),
        (Folding.of, folded),
        (Folding(LAST_MILE).add, {"event": event}),
        (Definition.of, {"written": None}),
    ]


def recorded() -> Orders:
    orders = connect("memory:", clock=lambda: NOON)
    orders.begin_request("o", {"order_id": "o"}).answered(200, {"id": "o", "status": "created"})
    orders.record_callback(b"nonsense")
    return orders


def methods(orders: Orders) -> list[Call]:
    """Return every public method of the orders, and of what they make, with arguments that do."""
    came = {"headers": {}, "received_at": NOON}
    kept = {"client": "c", "context": "k"}
    exchange = {"order_id": "p", "body": {}, "attempt": 1, "exchange_id": "e", **came, **kept}
    back = {"order_id": "o", "as_at": None, "as_of": None, "log_at": None, "rules": None}
    sought = {"received_since": NOON, "received_before": NOON, "now": NOON}
    sought |= {
        "status": "created",
        "waiting_longer_than": timedelta(1),
        "anomalies": False,
        "log_at": 1,
    }
    followed = {"name": "n", "handler": print, "after": 0, "attempts": 3, "pause": 0.1}
    followed |= {"timeout": 1.0}
    sent, views = orders.begin_request("q", {}), orders.views
    subscription = orders.subscription("s", lambda _: None)
    return [
        (orders.begin_request, {"order_id": "r", "body": {}, "received_at": NOON, "context": "k"}),
        (orders.figures, {}),
        (orders.begin_operation, {"order_id": "r", "operation": "cancel", "body": {}}),
        (orders.record_request, exchange | {"operation": None, "number": None}),
        (orders.record_response, exchange | {"http_status": 200, "expected_version": None}),
        (orders.record_poll, exchange | {"http_status": 200, "operation": "cancel"}),
        (orders.record_callback, {"body": {}, "order_id": "p", "admit": print, **came, **kept}),
        (orders.record_many, {"recordings": [], "first_line": 1}),
        (orders.get, back),
        (orders.history, back),
        (orders.definition, {"rules": "now", "log_at": 1}),
        (orders.find, sought),
        (orders.stats, {"on_progress": None}),
        (orders.last_request, {"order_id": "o"}),
        (orders.review, {"subject": "order:instacart:o", "by": "me", "why": "seen"}),
        (orders.attention, {"all": True, "overdue_after": timedelta(1), "now": NOON}),
        (orders.changes, {"after": 0}),
        (orders.subscribe, {"after": 0, "stop": stopped(), "every": 1}),
        (orders.subscription, followed | {"exactly_once": False}),
        (orders.quarantine, {"all": False}),
        (orders.redrive, {}),
        (orders.erase, {"order_id": "o", "reason": "asked", "by": "me"}),
        (orders.erase_item, {"item": 1, "reason": "asked", "by": "me"}),
        (sent.answered, {"http_status": 200, "body": {}, **came}),
        (sent.unanswered, {"received_at": NOON}),
        (subscription.follow, {"stop": stopped(), "every": 1}),
        (subscription.catch_up, {}),
        (subscription.letters, {"all": False}),
        (subscription.redrive, {}),
        (orders.letters.list, {"subscription": "s", "all": True}),
        (orders.letters.get, {"subscription": "s", "position": 1}),
        (orders.letters.redrive, {"subscription": "s", "position": 1}),
        (orders.letters.drop, {"subscription": "s", "position": 1, "reason": "why"}),
        (orders.letters.prune, {"older_than": timedelta(days=1)}),
        (orders.letters.delivered, {"order_id": "o"}),
        (orders.letters.of_order, {"order_id": "o"}),
        (views.rebuild, {"progress": None}),
        (views.catch_up, {"progress": None}),
        (views.follow, {"stop": stopped(), "progress": None}),
        (views.wait, {"position": 0, "timeout": 0.001}),
        (views.redrive, {}),
        (views.status, {}),
        (views.poisoned, {}),
        (diagram.draw_definition, {"definition": LAST_MILE}),
        (
            diagram.draw_order,
            {"orders": orders, "order_id": "o", "view": "path", "as_at": None, "log_at": 1},
        ),
        (diagram.draw_stats, {"definition": LAST_MILE, "stats": orders.stats()}),
        (diagram.draw_bars, {"title": "orders", "rows": [("delivered", 3)], "unit": " h"}),
        (diagram.draw_order(orders, "o").svg, {"theme": "auto"}),
        (diagram.draw_order(orders, "o").png, {"theme": "light", "scale": 1}),
    ]


def endless(name: str, wrong: object) -> bool:
    """Tell whether this asks to wait, or to follow the log for ever, and rightly so."""
    return name == "stop" and wrong is None


def tried(call: Callable[..., Any], fitting: dict[str, Any]) -> Iterator[str]:
    """Yield what came of each wrong argument, where it is not as it should be."""
    for name in fitting:
        for wrong in (each for each in WRONG if not endless(name, each)):
            try:
                came = call(**(fitting | {name: wrong}))
                if inspect.isgenerator(came):
                    list(islice(came, 20))
            except LifecycleError as ours:
                if "secret" in f"{ours!r} {ours}":
                    yield f"{name}: {ours}"
            except Exception as other:  # noqa: BLE001 - that is what is looked for
                yield f"{name}={type(wrong).__name__}: {other!r}"


@pytest.mark.parametrize("call", functions(), ids=lambda call: call[0].__qualname__)
def test_a_function_refuses_a_wrong_argument_in_our_own_words(call: Call) -> None:
    assert list(tried(*call)) == []


@pytest.mark.parametrize("number", range(len(methods(recorded()))))
def test_a_method_refuses_a_wrong_argument_in_our_own_words(number: int) -> None:
    with recorded() as orders:
        assert list(tried(*methods(orders)[number])) == []


def test_every_public_function_and_method_is_tried() -> None:
    public = {name for name in lifecycle.__all__ if inspect.isfunction(getattr(lifecycle, name))}
    assert public == {call.__name__ for call, _ in functions()} & public
    names = {call.__qualname__ for call, _ in methods(recorded())}
    for cls in (Orders, DeadLetters, Subscription, StoredViews):
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            if not name.startswith("_") and name not in {"close", "resume"}:
                assert method.__qualname__ in names, method.__qualname__
    for call, fitting in functions() + methods(recorded()):
        asked = {name for name in inspect.signature(call).parameters if name != "as_of"}
        assert asked - set(fitting) <= {"kept", "how", "narrow", "theme", "scale"}, (
            call.__qualname__
        )


def test_the_search_notices_a_foreign_error() -> None:
    """The positive control: a function that lets Python fail is found out."""

    def careless(number: Any) -> int:
        return int(number + 1)

    assert any("TypeError" in found for found in tried(careless, {"number": 1}))


@pytest.mark.parametrize("one", ["text", b"{}", bytearray(b"{}"), {"kind": "callback"}])
def test_one_recording_is_no_list_of_them_and_leaves_no_letters_in_the_quarantine(one: Any) -> None:
    with recorded() as orders:
        with pytest.raises(InvalidArgumentError, match="a list of it"):
            orders.record_many(one)
        assert sum(1 for _ in orders.quarantine()) == 1


def test_a_handler_that_cannot_be_called_is_refused_before_it_costs_a_change() -> None:
    with recorded() as orders, pytest.raises(InvalidArgumentError, match=r"^handler "):
        orders.subscription("mail", "print")  # type: ignore[arg-type]


@pytest.mark.parametrize("told", [None, 7, "12:00", datetime(2026, 7, 7)])  # noqa: DTZ001
def test_a_clock_that_returns_no_time_with_a_zone_is_refused_when_it_is_read(told: Any) -> None:
    with (
        connect("memory:", clock=lambda: told) as orders,
        pytest.raises(InvalidArgumentError, match=r"^clock "),
    ):
        orders.record_callback({"id": "o", "status": "brand_new"})


def test_a_wrong_type_handed_to_a_coroutine_ends_in_an_error_of_ours_or_in_none() -> None:
    async def main() -> int:
        refused = 0
        async with connect_async("memory:") as orders:
            for wrong in WRONG:
                for call in (asked(orders, wrong) for asked in ASKED):
                    try:
                        came = call()
                        if inspect.isasyncgen(came):
                            await anext(came, None)
                        elif inspect.isawaitable(came):
                            await came
                    except LifecycleError:
                        refused += 1
        return refused

    assert asyncio.run(main()) > len(WRONG)


ASKED: list[Callable[[AsyncOrders, Any], Callable[[], Any]]] = [
    lambda orders, wrong: lambda: orders.begin_request(wrong, {}),
    lambda orders, wrong: lambda: orders.begin_request("o", wrong),
    lambda orders, wrong: lambda: orders.record_callback(wrong),
    lambda orders, wrong: lambda: orders.record_response("o", wrong, {}),
    lambda orders, wrong: lambda: orders.record_many(wrong),
    lambda orders, wrong: lambda: orders.get(wrong),
    lambda orders, wrong: lambda: orders.find(status=wrong),
    lambda orders, wrong: lambda: orders.changes(after=wrong),
    lambda orders, wrong: lambda: orders.stats(on_progress=wrong),
    lambda orders, wrong: lambda: orders.subscription("n", wrong),
    lambda orders, wrong: lambda: diagram.draw_order(orders, "o"),  # type: ignore[arg-type]
]
