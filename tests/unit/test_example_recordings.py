"""The example recordings tell the provider's how-to word for word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.core.event import Event
from lifecycle.core.fold import fold
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.view import OrderView
from lifecycle.log.jsonl import read_line
from lifecycle.providers.instacart import INSTACART
from lifecycle.registry import known_providers
from tests.how_to import BRAND_NEW, CLIENT_ERROR, REQUEST, RESPONSE

RECOGNIZER = Recognizer(INSTACART)

FOLDER = Path(__file__).parents[2] / "examples" / "recordings"


def lines(name: str) -> list[dict[str, Any]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def bodies(name: str) -> list[list[tuple[str, Any]]]:
    """Return the bodies of a recording with the order of their fields, as pairs."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    told = [json.loads(line, object_pairs_hook=list) for line in text.splitlines()]
    return [dict(line)["body"] for line in told]


def pairs(text: str, order_id: str = "xyz123456") -> list[tuple[str, Any]]:
    renamed = text.replace("xyz123456", order_id)
    return json.loads(renamed, object_pairs_hook=list)


def view(name: str) -> OrderView:
    events = []
    for line in (FOLDER / name).read_bytes().splitlines():
        read = read_line(
            line,
            received_at=datetime(1970, 1, 1, tzinfo=UTC),
            providers={"instacart": INSTACART},
            provider="instacart",
        )
        assert isinstance(read, tuple), read
        event = RECOGNIZER.recognize(read[1])
        assert isinstance(event, Event), event
        events.append(event)
    return fold(INSTACART.definition, events)


def test_the_happy_recording_holds_every_field_of_the_how_to_verbatim() -> None:
    assert bodies("happy.jsonl") == [pairs(REQUEST), pairs(RESPONSE), pairs(BRAND_NEW)]


def test_in_the_corrected_recording_only_the_order_id_differs() -> None:
    request, response, brand_new = (
        pairs(text, "xyz123457") for text in (REQUEST, RESPONSE, BRAND_NEW)
    )
    told = [request, pairs(CLIENT_ERROR), request, response, brand_new]
    assert bodies("corrected.jsonl") == told
    attempts = [line.get("attempt") for line in lines("corrected.jsonl")]
    assert attempts == [1, 1, 2, 2, None]


def test_in_the_canceled_recording_only_the_order_id_differs_up_to_the_cancellation() -> None:
    told = bodies("canceled.jsonl")
    assert told[:2] == [pairs(REQUEST, "xyz123458"), pairs(RESPONSE, "xyz123458")]
    assert dict(told[2])["status"] == "canceled"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("happy.jsonl", "requested created brand_new"),
        ("corrected.jsonl", "requested validation_failed resubmitted created brand_new"),
        ("canceled.jsonl", "requested created canceled"),
    ],
)
def test_each_recording_is_read_whole_and_takes_its_path(name: str, path: str) -> None:
    found = view(name)
    assert [step.status for step in found.path] == path.split()
    assert (found.anomalies, found.missing, found.errors) == ((), (), ())


def test_the_brand_new_callback_brings_what_the_response_left_out() -> None:
    told = view("happy.jsonl").model_dump(mode="json")
    assert told["order_url"] == "https://<instacart_development_domain>/s/dWl2N3U1d203"
    assert told["is_instacartplus"] is True
    assert told["fulfillment_details"]["store_location"] == "<location_code>"


def test_three_recordings_are_about_three_orders() -> None:
    names = ("happy.jsonl", "corrected.jsonl", "canceled.jsonl")
    assert [view(name).order_id for name in names] == ["xyz123456", "xyz123457", "xyz123458"]


def test_there_is_a_recording_of_every_other_provider() -> None:
    told = {"happy.jsonl", "corrected.jsonl", "canceled.jsonl"}
    others = {f"{name}.jsonl" for name in known_providers().keys() - {"instacart"}}
    assert {path.name for path in FOLDER.iterdir()} == told | others
