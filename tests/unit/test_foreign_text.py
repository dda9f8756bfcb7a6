"""What others sent is shown as text: it forges no line, turns no writing, steers no terminal."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator

import pytest

from lifecycle import (
    AsyncSubscription,
    InvalidArgumentError,
    LifecycleError,
    UnknownOrderError,
    errors,
)
from lifecycle.core.event import Event, Fault, Unreadable
from tests.without_rules import connect

LINES = "a\u0085ERROR forged line\u2028x\x9b31m\u202eb\u05d0\ufeffé"
WORD = "evil\x1b[31m\nname\u202e"

FOREIGN = {"order_id", "stream", "streams", "provider", "definition"}
SAMPLES = {"problems": ("p",), "found": 3, "expected": 2, "count": 2, "reached": 1, "version": 4}


def is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def classes() -> list[type[LifecycleError]]:
    """Return the errors that carry a text of somebody else's."""
    found = [each for each in vars(errors).values() if inspect.isclass(each)]
    return [each for each in found if issubclass(each, LifecycleError) and foreign_in(each)]


def foreign_in(cls: type) -> set[str]:
    return FOREIGN & set(inspect.signature(cls.__init__).parameters)


def sample(name: str) -> object:
    if name in FOREIGN:
        return (LINES, LINES) if name == "streams" else LINES
    return SAMPLES.get(name, "text")


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_an_error_shows_foreign_text_as_ascii_in_one_line_and_keeps_it_as_it_is(
    cls: type[LifecycleError],
) -> None:
    names = list(inspect.signature(cls.__init__).parameters)[1:]
    error = cls(**{name: sample(name) for name in names if name not in {"before", "written"}})
    assert is_plain(str(error))
    assert "\\u2028" in str(error)
    assert all(sample(name) == getattr(error, name) for name in foreign_in(cls))


def test_the_search_for_errors_that_carry_foreign_text_finds_them() -> None:
    assert {"UnknownOrderError", "VersionConflictError"} <= {each.__name__ for each in classes()}


def give_up(_: object) -> None:
    raise LookupError(WORD)


def shown() -> Iterator[object]:
    """Yield everything that a caller is likely to print or to log, of a hostile order."""
    with connect("memory:") as orders:
        body = json.dumps({"id": LINES, "status": "brand_new"})
        receipts = [
            orders.begin_request(LINES, {"order_id": LINES}).answered(201, {"status": "created"}),
            orders.record_callback(body),
            orders.record_callback(json.dumps({"id": LINES, "status": WORD})),
        ]
        view = receipts[-1].view
        assert view is not None
        yield from receipts
        yield from (receipt.event for receipt in receipts)
        yield from (view, *view.path, *view.anomalies, view.details, view.arrival)
        yield from orders.changes()
        yield receipts[1].change
        yield from orders.history(LINES)
        yield from orders.log.scan()
        orders.record_callback(json.dumps({"id": LINES}), order_id=LINES)
        yield from orders.quarantine()
        letters = orders.subscription("mail", give_up, attempts=1)
        letters.catch_up()
        assert len(list(letters.letters())) == 3
        yield from letters.letters()
        yield orders.letters.drop("mail", next(letters.letters()).position, reason="né")
        yield orders.letters
        with pytest.raises(UnknownOrderError) as unknown:
            orders.get(LINES + "?")
        yield unknown.value
        yield orders.subscription("né", print)
        yield AsyncSubscription(orders.subscription("né", print), print)  # type: ignore[arg-type]
        yield Unreadable(LINES, WORD, "", b"", view.arrival.last_received_at)
        yield Fault(code=WORD)  # type: ignore[arg-type]


def test_the_repr_of_a_value_is_one_line_that_steers_nothing() -> None:
    for value in shown():
        for text in (repr(value), str(value)):
            assert is_plain(text), ascii(text)


def test_the_repr_of_harmless_text_is_unchanged() -> None:
    """The positive control: nothing is quoted or escaped that needs not be."""
    with connect("memory:") as orders:
        view = orders.record_callback({"id": "o-1", "status": "brand_new"}).view
        assert repr(view) == str(view) == "<OrderView instacart:o-1 brand_new>"
        (change,) = orders.changes()
        assert repr(change) == "<OrderChange None to brand_new at 1>"


def test_a_name_in_another_writing_is_no_plain_word_of_an_event() -> None:
    with connect("memory:") as orders:
        event = orders.record_callback({"id": "o", "status": "אבג"}).event
    assert isinstance(event, Event)
    assert repr(event).startswith("<Event callback ? ")


def test_log_lines_about_a_hostile_order_are_escaped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        list(shown())
    assert all(is_plain(record.getMessage()) for record in caplog.records)


def test_a_word_that_had_to_be_one_of_a_few_is_quoted_and_no_other() -> None:
    with connect("memory:") as orders:
        with pytest.raises(InvalidArgumentError, match=r"^status 'typo' cannot be used; ") as wrong:
            list(orders.find(status="typo"))
        assert (wrong.value.argument, wrong.value.found) == ("status", "typo")
        with pytest.raises(InvalidArgumentError) as wrong:
            list(orders.find(status=WORD * 1000))
        assert is_plain(str(wrong.value).partition(";")[0])
        assert len(str(wrong.value)) < 1000
        with pytest.raises(InvalidArgumentError) as wrong:
            orders.record_callback({"id": "o"}, received_at="yesterday")  # type: ignore[arg-type]
        assert wrong.value.found is None
    with pytest.raises(InvalidArgumentError, match="provider 'instakart' cannot be used"):
        connect("memory:", provider="instakart")


@pytest.mark.parametrize("found", ["it is full", "it was replaced; put it back and start again"])
def test_the_advice_about_a_store_is_given_once(found: str) -> None:
    text = str(errors.StoreUnavailableError("sqlite:///orders.db", found))
    assert text.startswith(f"store 'sqlite:///orders.db' cannot be used: {found}")
    assert text.count(";") == 1
    assert text.endswith("again")
