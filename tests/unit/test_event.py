"""What comes and what it becomes: what it prints as, what it has unless told, and its limits."""

from __future__ import annotations

import pytest
from msgspec import structs

from lifecycle.core.event import (
    EXCHANGE_NAMES,
    MAX_ATTEMPT,
    MAX_BODY_BYTES,
    MAX_ID_BYTES,
    MAX_KEPT_BYTES,
    Arrival,
    Event,
    Fault,
    Unreadable,
    stream_of,
)
from tests.contract.entries import NOON

EVENT = Event(
    provider="instacart",
    order_id="order-1",
    kind="callback",
    name="brand_new",
    trigger="brand_new",
    key="snapshot:7",
    digest="7",
    received_at=NOON,
    body=b"{}",
    sha256="0123456789abcdef",
)


def test_nothing_prints_what_it_holds() -> None:
    arrival = Arrival("poll", b"Ann Lee", NOON, order_id="Ann Lee")
    assert repr(arrival) == "<Arrival poll of 7 bytes>"
    unreadable = Unreadable("instacart", "not_json", "Ann Lee", b"Ann Lee", NOON, arrival)
    assert repr(unreadable) == "<Unreadable not_json of 7 bytes>"
    assert repr(Fault("Ann Lee", 1001, "Ann Lee")) == "<Fault code=1001>"
    assert repr(EVENT) == "<Event callback brand_new 0123456789ab>"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("at_store", "at_store"), ("x" * 40, "x" * 40), ("x" * 41, "?"), ("Ann Lee", "?"), ("7", "?")],
)
def test_an_event_prints_no_name_that_is_not_a_plain_word(name: str, shown: str) -> None:
    assert repr(EVENT._replace(name=name)) == f"<Event callback {shown} 0123456789ab>"


def test_an_event_without_optional_fields_has_none_in_the_table() -> None:
    came = (*(None,) * 4, (), False, None, False)

    assert structs.astuple(EVENT)[10:] == (*(None,) * 6, {}, {}, (), (), *(None,) * 5, *came)
    assert EVENT.stream == stream_of("instacart", "order-1") == "order:instacart:order-1"
    arrival = structs.astuple(Arrival("callback", b"", NOON))
    assert arrival[3:] == (None, 1, None, None, {}, *(None,) * 3, False, None)
    item = Unreadable("instacart", "not_json", "", b"", NOON)
    assert structs.astuple(item)[5:] == (None, None, None)
    assert structs.astuple(Fault()) == (None, None, None)


def test_missing_fields_of_an_event_cannot_be_filled_in_for_all_events() -> None:
    for shared in (EVENT.headers, EVENT.details, Arrival("callback", b"", NOON).headers):
        with pytest.raises(TypeError):
            shared["date"] = "today"  # type: ignore[index]


def test_the_limits_are_those_on_the_pages() -> None:
    assert MAX_BODY_BYTES == 1_048_576
    assert MAX_KEPT_BYTES == 16_777_216
    assert (MAX_ID_BYTES, MAX_ATTEMPT) == (255, 1_000_000)


def test_only_we_give_these_names() -> None:
    ours = "requested resubmitted accepted rejected failed poll_failed"
    assert set(ours.split()) == EXCHANGE_NAMES
