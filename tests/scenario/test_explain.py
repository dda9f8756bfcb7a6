"""`lifecycle explain`: the story of one order, whoever wrote the words in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from lifecycle import connect
from lifecycle.audit.explain import explain_order
from tests.scenario.command_line import run

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
    assert "Order xyz123456 of instacart stands at canceled and has ended, by 4 events." in said.out
    assert (
        "3. At 2026-07-07T10:25:00Z: callback canceled. It took the order from "
        "delivering to canceled: the definition has the move from 'delivering' to 'canceled'. "
        "It was received at 2026-07-07T10:26:00Z (1m00s later) and recorded at "
        "2026-07-07T12:00:00Z, delayed, position 3."
    ) in said.out
    assert "It did not move the order (refused): the order had ended at 'canceled'" in said.out


def test_the_story_says_what_is_missing_and_what_is_suspicious(folder):
    said = told(folder).out

    missing = said.partition("What is missing")[2].partition("What is suspicious")
    assert "No event about at store ever came" in missing[0]
    assert "refused, callback:delivered:4" in missing[2]
    assert "Event 3 (canceled) was recorded 1h34m after it claims to have come." in missing[2]


def test_the_story_says_what_subscribers_were_told_of_this_order_and_when(folder):
    def part(*arguments):
        said = told(folder, *arguments).out
        return said.partition("What subscribers were told")[2].partition("What is missing")[0]

    assert part().splitlines()[1:4] == [
        "- mail was told of position 1 at 2026-07-07T12:10:00Z, in 1 attempt.",
        "- mail was told of position 2 at 2026-07-07T12:10:00Z, in 1 attempt.",
        "- mail was told of position 3 at 2026-07-07T12:10:00Z, in 1 attempt.",
    ]
    assert "No subscription noted" in part("--log-at", "2026-07-07T12:05:00Z")


def test_the_story_says_what_was_not_delivered_to_a_subscription(folder):
    def fails(change):
        raise OSError

    with connect(f"sqlite:///{folder}/log.db") as orders:
        orders.subscription("broken", fails, attempts=1).catch_up()

    assert (
        "broken was not told of position 1: its delivery is dead, after 1 attempt"
        in told(folder).out
    )


def test_an_order_of_which_nothing_is_odd_is_said_to_be_so(folder):
    said = told(folder, "--log-at", "1").out

    assert "by 1 event." in said
    assert "- Nothing is suspicious." in said
    assert "Awaited next, since 2026-07-07T10:00:00Z: acknowledged for delivery." in said


def test_a_file_is_written_in_the_form_that_its_name_tells(folder):
    for name, start in (("s.md", "# Order"), ("s.html", "<!DOCTYPE html>"), ("s.txt", "Order")):
        assert told(folder, "-o", name).code == 0
        assert (folder / name).read_text().startswith(start)
    assert told(folder, "--format", "html").out.startswith("<!DOCTYPE html>")
    assert run("explain", "nobody", "--db", "sqlite:///log.db", cwd=folder).code == 1


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
