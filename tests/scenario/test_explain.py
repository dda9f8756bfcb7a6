"""`lifecycle explain`: the story of one order, whoever wrote the words in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from lifecycle.audit.explain import explain_order
from lifecycle.registry import known_providers
from lifecycle.service.orders import Orders
from tests.scenario.command_line import run
from tests.without_rules import connect

ORDER = "xyz123456"
MORNING = datetime(2026, 7, 7, 10, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> *x* [a](javascript:b) \u202e`|`"


def minutes(count: float) -> datetime:
    return MORNING + timedelta(minutes=count)


def callback(event_id: object, name: str, minute: float, order: str = ORDER) -> dict:
    return {
        "event_id": event_id,
        "event_name": name,
        "event_timestamp": minutes(minute).isoformat(),
        "event_metadata": {"order_id": order},
    }


@pytest.fixture
def folder(tmp_path):
    """A log with an order that was canceled at 10:05, of which we heard at noon."""
    now = [MORNING]
    with connect(f"sqlite:///{tmp_path}/log.db", clock=lambda: now[0]) as orders:
        orders.record_callback(callback(1, "brand_new", 0))
        now[0] = minutes(30)
        orders.record_callback(callback(2, "delivering", 20))
        now[0] = minutes(120)
        orders.record_callback(callback(3, "canceled", 25), received_at=minutes(26))
        now[0] = minutes(130)
        orders.record_callback(callback(4, "delivered", 40))
        orders.subscription("mail", lambda change: None).catch_up()
        now[0] = minutes(140)
        orders.record_callback(callback(1, "brand_new", 0, "another"))
        orders.subscription("mail", lambda change: None).catch_up()
    return tmp_path


def told(folder, *arguments):
    return run("explain", ORDER, *arguments, "--db", "sqlite:///log.db", cwd=folder)


def test_the_story_says_what_happened_and_when_by_both_clocks(folder):
    said = told(folder)

    assert said.code == 0, said
    assert (
        'Order xyz123456 of instacart stands at "canceled" and has ended, after 4 events.'
        in said.out
    )
    assert (
        '3. 2026-07-07 10:25:00: the provider reported "canceled". The order went from '
        '"delivering" to "canceled". It reached us at 10:26:00, 1m00s later. The log recorded '
        "it at 12:00:00 (delayed), as position 3."
    ) in said.out
    assert "It was refused. The order had ended at 'canceled'; " in said.out


def test_the_story_says_what_is_missing_and_what_is_suspicious(folder):
    said = told(folder).out

    missing = said.partition("What is missing")[2].partition("What is suspicious")
    assert 'No event about "at store" is known, though the order got further.' in missing[0]
    assert "Event 4, refused: the order had ended at 'canceled'" in missing[2]
    assert "Event 3 (canceled) was recorded 1h34m after it is said to have come." in missing[2]


def test_the_story_says_what_subscribers_were_told_of_this_order_and_when(folder):
    def part(*arguments):
        said = told(folder, *arguments).out
        return said.partition("What subscribers were told")[2].partition("What is missing")[0]

    assert part().splitlines()[1:4] == [
        "- mail was told of event 1 (brand new) at 2026-07-07 12:10:00.",
        "- mail was told of event 2 (delivering) at 2026-07-07 12:10:00.",
        "- mail was told of event 3 (canceled) at 2026-07-07 12:10:00.",
    ]
    assert "There is no record that a subscriber was told" in part(
        "--log-at", "2026-07-07T12:05:00Z"
    )


def test_the_story_says_what_was_not_delivered_to_a_subscription(folder):
    def fails(change):
        raise OSError

    with connect(f"sqlite:///{folder}/log.db") as orders:
        orders.subscription("broken", fails, attempts=1).catch_up()

    assert (
        "broken was not told of event 1 (brand new): the message failed after 1 attempt."
        in told(folder).out
    )


def test_an_order_of_which_nothing_is_odd_is_said_to_be_so(folder):
    said = told(folder, "--log-at", "1").out

    assert "after 1 event." in said
    assert "- The reports do not contradict each other." in said
    assert 'Next we wait for "acknowledged for delivery", since 2026-07-07 10:00:00.' in said


def test_a_file_is_written_in_the_form_that_its_name_tells(folder):
    for name, start in (("s.md", "# Order"), ("s.html", "<!DOCTYPE html>"), ("s.txt", "Order")):
        assert told(folder, "-o", name).code == 0
        assert (folder / name).read_text().startswith(start)
    assert told(folder, "--format", "html").out.startswith("<!DOCTYPE html>")
    assert run("explain", "nobody", "--db", "sqlite:///log.db", cwd=folder).code == 1


def told_of(*record: Callable[[Orders, datetime], object]) -> str:
    """Return the story of an order to which one thing after the other happened, a minute apart."""
    now = [MORNING]
    with connect("memory:", clock=lambda: now[0]) as orders:
        for minute, happens in enumerate(record):
            now[0] = minutes(minute)
            happens(orders, now[0])
        return explain_order(orders.get(ORDER), orders.history(ORDER)).text()


def said(name: str, minute: float, event_id: object = None) -> Callable[[Orders, datetime], object]:
    body = callback(event_id or f"{name} {minute}", name, minute)
    return lambda orders, now: orders.record_callback(body, received_at=now)


def asked(attempt: int) -> Callable[[Orders, datetime], object]:
    return lambda orders, now: orders.record_request(
        ORDER, b'{"n":%d}' % attempt, attempt=attempt, received_at=now
    )


def answered(status: int | None, body: bytes, attempt: int) -> Callable[[Orders, datetime], object]:
    return lambda orders, now: orders.record_response(
        ORDER, status, body, attempt=attempt, received_at=now
    )


REJECTED = b'{"error":{"message":"no such number","code":1001},"meta":{"key":"user_phone"}}'


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ([asked(1)], 'we sent the create request. The order began at "requested".'),
        (
            [asked(1), answered(400, REJECTED, 1), asked(2)],
            (
                "we sent the create request again, as a further attempt. The order went from "
                '"validation failed" to "resubmitted".'
            ),
        ),
        (
            [asked(1), answered(400, REJECTED, 1)],
            (
                "An error of the last attempt that failed, which can be corrected: HTTP 400, "
                'code 1001, about user_phone. The provider said: "no such number".'
            ),
        ),
        (
            [asked(1), answered(None, b"", 1)],
            (
                "the create request failed. It did not move the order. No answer came: nobody "
                "knows yet what became of the request."
            ),
        ),
        (
            [asked(1), answered(200, b'{"id":"xyz123456","status":"created"}', 1)],
            'accepted the create request. The order went from "requested" to "created"',
        ),
        ([said("delivering", 0)], 'The order is first seen at "delivering".'),
        (
            [said("brand_new", 0), said("delivering", 1)],
            (
                'The order went ahead from "brand new" to "delivering". What lies between was not '
                "reported, or not in this order."
            ),
        ),
        (
            [said("brand_new", 0), said("at_store", 1), said("acknowledged_for_delivery", 2)],
            'The order went back from "at store" to "acknowledged for delivery", as it may.',
        ),
        ([said("delivered", 0), said("canceled", 1)], "It was refused. The order had ended at "),
        (
            [said("brand_new", 0), said("late_delivery", 1)],
            "It did not move the order. 'late_delivery' informs and never changes the state.",
        ),
        ([said("exploded", 0)], "The definition does not know 'exploded' from the provider."),
        (
            [said("brand_new", 0, 1), said("brand_new", 0.5, 1)],
            "Events 1, 2, divergent: several contents came under the key",
        ),
        (
            [said("brand_new", 5)],
            "It reached us at 10:00:00 by our clock, 5m00s before it occurred by the provider's.",
        ),
        (
            [said("delivering", 0), said("brand_new", -1)],
            (
                "Event 1 (brand new) came after later ones: before 2026-07-07 10:01:00 nobody here "
                "knew it."
            ),
        ),
        (
            [
                asked(1),
                lambda orders, now: orders.record_poll(ORDER, 502, b"no", received_at=now),
            ],
            (
                "we asked the provider for the order, and learned nothing. It did not move the "
                "order. HTTP 502: this look at the order shows no state."
            ),
        ),
        (
            [asked(1), lambda orders, now: orders.begin_operation(ORDER, "cancel", b"{}")],
            "we sent a request to cancel. It did not move the order. We asked for 'cancel'",
        ),
        (
            [
                said("brand_new", 0),
                lambda orders, now: orders.record_callback(
                    {"id": ORDER, "status": "delivering"}, received_at=now
                ),
            ],
            'the provider reported "delivering", in a message that tells no time.',
        ),
    ],
)
def test_each_kind_of_event_has_a_plain_sentence(record, sentence):
    assert sentence in told_of(*record)


@pytest.mark.parametrize("seed", range(4))
def test_every_sentence_is_whole_whatever_happened(seed):
    chance = random.Random(seed)
    names = [*known_providers()["instacart"].definition.states, "exploded", "order_location"]
    happens = [asked(1), answered(chance.choice([200, 400, 500, None]), b"{}", 1)]
    happens += [
        said(chance.choice(names), chance.randrange(9), chance.choice([1, None])) for _ in range(12)
    ]
    chance.shuffle(happens)

    for line in told_of(*happens).splitlines():
        assert not line.startswith(("- ", "1. ")) or line.endswith((".", "?", "!"))
        for odd in ("  ", "..", "None", "requested requested", "failed failed", ". .", " ,", "''"):
            assert odd not in line


class Tags(HTMLParser):
    """The tags of a page, and what it would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_that_others_wrote_is_taken_for_markup():
    with connect("memory:") as orders:
        orders.record_callback(callback(1, HOSTILE, 0, HOSTILE))
        story = explain_order(orders.get(HOSTILE), orders.history(HOSTILE))

    page = Tags()
    page.feed(story.html())
    assert page.tags == {"html", "meta", "title", "style", "h1", "h2", "ol", "ul", "li"}
    assert page.attributes == {"lang", "charset"}
    rendered = Tags()
    rendered.feed(MarkdownIt().render(story.markdown()))
    assert rendered.tags == {"h1", "h2", "ol", "ul", "li"}
    assert "\u202e" not in story.text()
    assert "<script>" in story.text()
