"""The create request: the how-to's own body goes through, and what is wrong is told by field."""

from __future__ import annotations

import json
import pickle
import traceback
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.pretty import pretty_repr

from lifecycle import InvalidRequestError, connect
from lifecycle.core.strict_json import parse
from lifecycle.providers.instacart.request import Address, CreateOrder
from tests.how_to import FIELDS

LEAST = {
    name: FIELDS[name]
    for name in (
        *("order_id", "service_option_hold_id", "location_code", "first_name", "last_name"),
        *("user_phone", "items_count", "items_weight"),
    )
}
CANARY = "Kamal-800-555-0101-Beale"


def problems(**fields):
    with pytest.raises(InvalidRequestError) as refused:
        CreateOrder(**fields)
    return dict(refused.value.problems)


def test_the_how_tos_own_request_is_sent_as_it_stands():
    request = CreateOrder(**FIELDS)
    assert list(parse(request.body()).items()) == list(FIELDS.items())


def test_fields_that_were_not_given_are_not_sent():
    assert parse(CreateOrder(**LEAST).body()) == LEAST


def test_everything_missing_is_reported_at_once():
    assert problems() == dict.fromkeys(LEAST, "is missing")


def test_the_further_fields_of_the_reference_are_sent():
    start = datetime(2026, 7, 7, 18, tzinfo=timezone(timedelta(hours=2)))
    request = CreateOrder(
        **LEAST,
        start_at=start,
        end_at=start + timedelta(hours=1),
        bag_label="A7",
        further={"retailer_note": [1, None]},
    )
    sent = parse(request.body())
    assert (sent["start_at"], sent["end_at"]) == ("2026-07-07T16:00:00Z", "2026-07-07T17:00:00Z")
    assert (sent["bag_label"], sent["retailer_note"]) == ("A7", [1, None])


@pytest.mark.parametrize("hold", [1201895966044343904, "hold-17", "7"])
def test_the_hold_may_be_an_integer_or_text_and_stays_what_it_is(hold):
    request = CreateOrder(**LEAST | {"service_option_hold_id": hold})
    assert parse(request.body())["service_option_hold_id"] == hold


@pytest.mark.parametrize(
    ("given", "sent"), [(15, 15), (1.5, 1.5), (Decimal("54.10"), 54.1), (Decimal("5.00"), 5)]
)
def test_a_number_is_sent_as_the_number_it_is(given, sent):
    told = parse(CreateOrder(**LEAST | {"items_weight": given, "cart_total": given}).body())
    assert told["items_weight"] == told["cart_total"] == sent
    assert type(told["cart_total"]) is type(sent)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", ""),
        ("order_id", "a\nb"),
        ("order_id", "x" * 256),
        ("order_id", 7),
        ("service_option_hold_id", 1.0),
        ("service_option_hold_id", True),
        ("service_option_hold_id", ""),
        ("service_option_hold_id", None),
        ("location_code", " "),
        ("locale", "english please"),
        ("first_name", b"Kamal"),
        ("first_name", "\ud800"),
        ("user_phone", None),
        ("user_phone", 8005550101),
        ("initial_tip_cents", -1),
        ("initial_tip_cents", 2.5),
        ("items_count", 0),
        ("items_count", "12"),
        ("items_count", True),
        ("bags_count", -1),
        ("items_weight", float("nan")),
        ("items_weight", float("inf")),
        ("items_weight", Decimal("NaN")),
        ("items_weight", "15"),
        ("items_weight", -0.1),
        ("cart_total", True),
        ("alcoholic", "no"),
        ("alcoholic", 0),
        ("start_at", datetime(2026, 7, 7)),  # noqa: DTZ001 - a zone is what is missing
        ("start_at", "2026-07-07T16:00:00Z"),
        ("address", "50 Beale St"),
        ("further", {"a": float("nan")}),
        ("further", {1: 2}),
        ("further", {"a": {1, 2}}),
        ("further", {"order_id": "other"}),
        ("further", 7),
        ("further", json.loads("[" * 200 + "]" * 200)),
    ],
)
def test_an_invalid_value_is_reported_by_its_field_only(field, value):
    assert list(problems(**LEAST | {field: value})) == [field]


def test_errors_in_the_address_name_its_own_fields():
    found = problems(**LEAST | {"address": {"address_line_1": "", "zip": "94105"}})
    assert found == {
        "address.address_line_1": "is blank",
        "address.postal_code": "is missing",
        "address.zip": "is no field of this request",
    }
    with pytest.raises(InvalidRequestError):
        Address(address_line_1="50 Beale St")


def test_a_window_must_end_after_it_starts():
    start = datetime(2026, 7, 7, 16, tzinfo=UTC)
    assert problems(**LEAST, start_at=start, end_at=start) == {"end_at": "is not after start_at"}


def test_a_phone_that_is_not_e164_is_a_warning_and_no_error():
    [warning] = CreateOrder(**LEAST).warnings()
    assert warning.startswith("user_phone is not in the form E.164")
    assert "800-555" not in warning
    assert CreateOrder(**LEAST | {"user_phone": "+18005550101"}).warnings() == ()


def test_a_field_that_the_provider_will_change_is_a_warning():
    told = LEAST | {"user_phone": "+18005550101"}
    risky = CreateOrder(**told, alcoholic=True, leave_unattended=True)
    assert [warning.split()[0] for warning in risky.warnings()] == ["leave_unattended"]
    half = CreateOrder(**told, start_at=datetime(2026, 7, 7, 16, tzinfo=UTC))
    assert [warning.split()[0] for warning in half.warnings()] == ["start_at"]


def test_nothing_personal_is_shown():
    fields = dict.fromkeys(("first_name", "last_name", "user_phone", "bag_label"), CANARY)
    address = Address(address_line_1=CANARY, postal_code=CANARY)
    request = CreateOrder(**LEAST | fields, address=address, further={"note": CANARY})
    for shown in (repr(request), str(request), pretty_repr(request), repr(address), f"{[request]}"):
        assert CANARY not in shown
    assert "user_phone" in repr(request)


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_name": [CANARY]},
        {"locale": CANARY},
        {CANARY: 1},
        {"address": {"address_line_1": [CANARY], CANARY: CANARY}},
        {"address": CANARY},
        {"order_id": CANARY * 20},
        {"further": {"a": CANARY, "b": float("nan")}},
        {"start_at": CANARY},
    ],
    ids=range(8),
)
def test_an_error_quotes_nothing_of_what_was_passed(wrong):
    with pytest.raises(InvalidRequestError) as refused:
        CreateOrder(**LEAST | wrong)
    error = refused.value
    assert error.__cause__ is None
    assert error.__context__ is None
    told = "".join(traceback.format_exception(error))
    assert CANARY not in f"{told} {error!r} {error.problems}"


def test_pydantics_own_entrance_quotes_nothing_either():
    with pytest.raises(ValidationError) as refused:
        CreateOrder.model_validate(LEAST | {"first_name": [CANARY], "address": {"zip": CANARY}})
    assert CANARY not in str(refused.value)


def test_a_request_is_a_value():
    request = CreateOrder(**FIELDS)
    assert request == CreateOrder(**FIELDS)
    assert pickle.loads(pickle.dumps(request)) == request
    with pytest.raises(ValidationError):
        request.first_name = "Ann"


def test_the_body_is_the_same_each_time_and_can_be_begun():
    request = CreateOrder(**FIELDS)
    assert request.body() == CreateOrder(**dict(reversed(FIELDS.items()))).body()
    with connect("memory:") as orders:
        first = orders.begin_request(request.order_id, request.body())
        assert (first.attempt, first.resumed) == (1, False)
        assert orders.begin_request(request.order_id, request.body()).resumed


ANYTHING = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(), st.binary(), st.dates()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


# A busy machine is slow to draw, and that is no finding.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), ANYTHING))
def test_any_value_is_either_sent_as_json_or_reported_by_field(fields):
    told = set()
    try:
        sent = set(parse(CreateOrder(**FIELDS | fields).body()))
    except InvalidRequestError as refused:
        told, sent = {field.partition(".")[0] for field, _ in refused.problems}, set()
    assert told or sent == set(FIELDS)
    assert told <= set(fields)
