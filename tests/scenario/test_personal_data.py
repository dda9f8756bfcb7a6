"""Personal data stays in the log: canaries never show in messages, reprs, logs or tracebacks."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from rich.pretty import pretty_repr

from lifecycle import InvalidArgumentError, JsonError, LifecycleError, Receipt, connect
from lifecycle.core.strict_json import parse
from tests.scenario.command_line import run

CANARY = "Kamal-800-555-0101-Beale"
REQUEST = {
    "order_id": "xyz",
    "first_name": CANARY,
    "user_phone": CANARY,
    "address": {"address_line_1": CANARY},
    CANARY: 1,
}
BODIES: list[bytes] = [
    json.dumps(REQUEST).encode(),
    json.dumps(
        {"id": "xyz", "status": "brand_new", "order_url": CANARY, "locale": CANARY}
    ).encode(),
    json.dumps({"id": "xyz", "status": "canceled", "cancellation_reason": CANARY}).encode(),
    json.dumps({"error": {"message": CANARY, "code": 1001}, "meta": {"key": CANARY}}).encode(),
    b'{"%s": 1, "%s": 2}' % (CANARY.encode(), CANARY.encode()),
    b'{"status": "%s", "x": NaN}' % CANARY.encode(),
    b'"%s"' % CANARY.encode(),
    CANARY.encode(),
    b'{"first_name": "%s"}' % CANARY.encode(),
    b"\xff" + CANARY.encode(),
]


def receipts() -> Iterator[Receipt]:
    with connect("memory:") as orders:
        headers = {"authorization": CANARY, "cookie": CANARY, "proxy-authorization": CANARY}
        for body in BODIES:
            yield orders.record_callback(body, headers=headers)
            yield orders.record_request("xyz", body)
            yield orders.record_response("xyz", 422, body, headers=headers)
            yield orders.record_response("xyz", 200, body)
            yield orders.record_poll("xyz", 200, body)
            yield from orders.record_many([body, {"kind": CANARY, "body": {CANARY: 1}}])


def test_no_repr_or_text_of_what_the_library_returns_shows_a_body() -> None:
    for receipt in receipts():
        shown = [receipt, receipt.event, receipt.change]
        if receipt.view is not None:
            shown += [receipt.view, receipt.view.details, *receipt.view.errors]
        shown.append(getattr(receipt.event, "arrival", None))
        for value in shown:
            assert CANARY not in f"{value!r} {value!s} {pretty_repr(value)}"


def test_a_printer_that_shows_fields_would_show_a_body() -> None:
    """The positive control: what our values do not let it do, it does to any other struct."""

    class Open(Struct):
        body: bytes

    assert CANARY in pretty_repr(Open(CANARY.encode()))


def test_the_quarantine_says_why_without_quoting_what() -> None:
    with connect("memory:") as orders:
        for body in BODIES:
            orders.record_callback(body)
        items = list(orders.quarantine())
        assert len(items) >= 6
        assert all(CANARY not in f"{item!r} {item!s} {item.model_dump_json()}" for item in items)


def test_secrets_are_not_in_the_log() -> None:
    with connect("memory:") as orders:
        orders.record_callback(b"{}", headers={"Authorization": CANARY, "Cookie": CANARY})
        assert all(CANARY.encode() not in record.state for record in orders.log.scan())


def test_errors_and_their_tracebacks_do_not_quote_what_was_passed() -> None:
    with connect("memory:") as orders:
        for call in (
            lambda: orders.begin_request("x" * 300 + CANARY, REQUEST),
            lambda: orders.begin_request("other", REQUEST),
            lambda: orders.record_callback({CANARY: float("nan")}),
            lambda: orders.record_callback({CANARY: object()}),
            lambda: parse(BODIES[4]),
        ):
            with pytest.raises((InvalidArgumentError, JsonError)) as refused:
                call()
            error: LifecycleError = refused.value
            lines = traceback.format_exception_only(error)
            assert CANARY not in "".join(lines)
            assert error.__cause__ is None


def test_nothing_is_logged_of_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        list(receipts())
    assert CANARY not in caplog.text


def test_the_command_line_never_prints_it_but_where_it_was_asked_to(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n".join(BODIES))
    for arguments in (
        ("ingest", str(file)),
        ("ingest", str(file), "--json"),
        ("quarantine",),
        ("quarantine", "--json"),
        ("quarantine", "--redrive"),
        ("doctor",),
        ("verify",),
        ("list",),
    ):
        answer = run(*arguments, cwd=tmp_path)
        # What waits in the quarantine needs a person, and the doctor says so.
        assert answer.code == (1 if arguments == ("doctor",) else 0)
        assert CANARY not in answer.out + answer.err
