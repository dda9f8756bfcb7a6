"""What providers are put together from: fields, errors, requests, routes and scenarios."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from lifecycle.core.event import Arrival, Fault
from lifecycle.core.exchange_reader import ExchangeReader, fault_in
from lifecycle.core.identity import plain_text
from lifecycle.core.instant import read_event_time
from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client import FixedHeaders, HttpClient
from lifecycle.http.client.calls import Calls
from lifecycle.http.create_order import JsonRequest
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.simulator import Request, Route, Scenario, route_by, with_faults

AT = datetime(2026, 5, 25, 17, 26, 40, tzinfo=UTC)
MILLISECONDS = 1_779_730_000_000


@pytest.mark.parametrize(
    ("value", "per_second", "instant"),
    [
        ("2026-05-25T19:26:40+02:00", None, AT),
        (MILLISECONDS, 1000, AT),
        (MILLISECONDS + 250, 1000, AT.replace(microsecond=250_000)),
        (MILLISECONDS // 1000, 1, AT),
        (MILLISECONDS / 1000 + 0.25, 1, AT.replace(microsecond=250_000)),
    ],
)
def test_a_time_is_read_as_text_or_as_a_number_since_1970(value, per_second, instant):
    assert read_event_time(value, per_second=per_second) == (instant, ())


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("per_second", [None, 1, 1000])
def test_no_time_is_nothing_odd(nothing, per_second):
    assert read_event_time(nothing, per_second=per_second) == (None, ())


@pytest.mark.parametrize(
    ("value", "per_second"),
    [
        ("yesterday", None),
        ("2026-05-25T19:26:40", None),
        (MILLISECONDS, None),
        ("1779730000000", 1000),
        (0, 1000),
        (-1, 1),
        (MILLISECONDS, 1),
        (10**30, 1000),
        (10**400, 1000),
        (1e308, 1),
        (math.inf, 1),
        (math.nan, 1),
        (True, 1),
        ([MILLISECONDS], 1000),
        ({}, None),
    ],
)
def test_what_is_no_time_is_odd_and_harms_nothing(value, per_second):
    assert read_event_time(value, per_second=per_second) == (None, ("bad_time",))


@pytest.mark.parametrize("value", [None, "", 7, True, ["a"], {"a": "b"}])
def test_what_is_no_text_says_nothing(value):
    assert plain_text(value) is None
    assert fault_in("problem", code="code")({"problem": value, "code": 4}) == ()


def test_the_error_of_an_answer_is_read_by_the_names_of_its_fields():
    read = fault_in("problem", code="code", key="field")
    assert read({"problem": "too heavy", "code": 17, "field": "size"}) == (
        Fault("too heavy", "17", "size"),
    )
    assert read({"problem": "too heavy", "code": [], "field": 7}) == (Fault("too heavy"),)
    assert fault_in("problem")({"problem": "too heavy", "code": 17}) == (Fault("too heavy"),)


def test_a_reader_of_exchanges_needs_no_errors_and_no_details():
    read = ExchangeReader(
        LAST_MILE, order_id="id", status="status", rejected="validation_failed"
    ).read
    rejected = read(Arrival("response", b"", AT, "o-1", http_status=422), {"problem": "no"})
    assert (rejected.name, rejected.trigger, rejected.faults) == (
        "rejected",
        "validation_failed",
        (),
    )
    accepted = read(
        Arrival("response", b"", AT, http_status=200), {"id": "o-1", "status": "created"}
    )
    assert (accepted.name, accepted.order_id, dict(accepted.details)) == ("accepted", "o-1", {})


def test_a_status_that_is_no_text_is_read_by_a_function():
    def status_of(order):
        states = {1: "created", 2: "BRAND_NEW"}
        return states.get(order.get("state"), order.get("state"))

    read = ExchangeReader(LAST_MILE, "id", status_of, rejected="validation_failed").read
    shown = read(Arrival("poll", b"", AT, http_status=200), {"id": "o-1", "state": 2})
    assert (shown.name, shown.status, shown.order_id) == ("brand_new", "BRAND_NEW", "o-1")
    accepted = read(Arrival("response", b"", AT, http_status=201), {"id": "o-1", "state": 1})
    assert (accepted.name, accepted.trigger, accepted.status) == ("accepted", "created", "created")
    for nothing in (7, None, 0.5):
        told = {"id": "o-1", "state": nothing}
        assert read(Arrival("poll", b"", AT, http_status=200), told).name == "poll_failed"


def test_a_request_is_the_same_bytes_every_time_and_shows_nothing_of_whom_it_is_about():
    request = JsonRequest("o-1", {"order": "o-1", "name": "Kamal Singh"})
    assert request.body() == request.body()
    assert json.loads(request.body()) == {"order": "o-1", "name": "Kamal Singh"}
    assert "Kamal" not in repr(request)


class Shop(HttpClient, Calls):
    """A client without calls."""


def test_every_part_of_a_path_is_escaped():
    with Shop("https://shop.example/v1/", FixedHeaders({})) as shop:
        assert shop.url_of("orders", 7) == "https://shop.example/v1/orders/7"
        assert shop.url_of("orders", "../a?b#c/ü") == (
            "https://shop.example/v1/orders/..%2Fa%3Fb%23c%2F%C3%BC"
        )
        assert shop.url_of("orders", "..") == "https://shop.example/v1/orders/%2E%2E"


ROUTE = route_by(
    create="POST /shops/{account}/orders",
    get="GET /shops/{account}/orders/{order_id}",
    cancel="POST /shops/{account}/orders/{order_id}/cancel",
)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "shops/a/orders", Route("create", "", "a")),
        ("GET", "shops/a/orders/o-1", Route("get", "o-1", "a")),
        ("POST", "shops/a/orders/o-1/cancel", Route("cancel", "o-1", "a")),
        ("PUT", "shops/a/orders/o-1", Route("wrong_method")),
        ("GET", "shops/a/orders", Route("wrong_method")),
        ("GET", "shops/a", None),
        ("GET", "shops/a/orders/o-1/", None),
        ("GET", "stores/a/orders/o-1", None),
        ("GET", "", None),
    ],
)
def test_a_table_of_routes_tells_what_a_request_is_about(method, path, route):
    assert ROUTE(Request(method, tuple(path.split("/")), "", {}, b"")) == route


def test_a_way_that_is_called_as_a_fault_is_refused():
    with pytest.raises(InvalidArgumentError, match="'lost'"):
        with_faults(Scenario("lost", "way", "it never arrives"))
    assert with_faults(Scenario("gone", "way", "it never arrives"))["lost"].kind == "callbacks"
