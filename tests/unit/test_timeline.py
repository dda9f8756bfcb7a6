"""The terminal timeline: what it tells of each event, that it fits, and that nothing steers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.view import Anomaly, Arrivals, HistoryEntry, OrderError, OrderView, Verdict
from lifecycle.diagram.timeline import timeline
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.pictures import HOSTILE, MORNING, entry, view_of

MOVES = {Verdict.APPLIED, Verdict.SKIPPED_AHEAD, Verdict.REVERTED}
ANSI = re.compile(r"\x1b\[[0-9;]*m")

# One of everything: corrected once, a late step, a step back, quiet runs, and all that is odd.
HISTORY: tuple[HistoryEntry, ...] = (
    entry("requested", kind="request", to="requested", received=0),
    entry("rejected", kind="response", before="requested", to="validation_failed", received=0.5),
    entry("resubmitted", kind="request", before="validation_failed", to="resubmitted", received=90),
    entry("accepted", kind="response", before="resubmitted", to="created", received=91),
    entry("brand_new", before="created", to="brand_new", at=100, received=101),
    entry("order_location", Verdict.NOTED, to="brand_new", at=110, received=112),
    entry("order_location", Verdict.NOTED, to="brand_new", at=120, received=121),
    entry("order_location", Verdict.NOTED, to="brand_new", at=130, received=131),
    entry(
        "at_store", Verdict.SKIPPED_AHEAD, before="brand_new", to="at_store", at=300, received=902
    ),
    entry("waiting", Verdict.REVERTED, before="at_store", to="waiting", at=600, received=601),
    entry("brand_new", Verdict.REFUSED, to="waiting", at=660, received=661, reason="no way back"),
    entry("rained", Verdict.UNRECOGNIZED, to="waiting", at=700, received=701),
    entry("waiting", Verdict.REPEATED, kind="poll", to="waiting", at=720, received=720),
    entry("canceled", before="waiting", to="canceled", at=90_000, received=90_001),
    entry("acknowledged", Verdict.STALE, to="canceled", received=90_500),
    entry("canceled", Verdict.DIVERGENT, at=90_000, received=90_009),
)
PATH = tuple(event.to or "" for event in HISTORY if event.verdict in MOVES)
VIEW = view_of(
    LAST_MILE,
    *PATH,
    attempt=2,
    definition="0123abcd" * 8,
    events=len(HISTORY),
    missing=("acknowledged_for_delivery",),
    anomalies=(
        Anomaly(code="bad_time", detail="its time is none", events=(HISTORY[14].key,)),
        Anomaly(code="refused", detail="told elsewhere", events=(HISTORY[10].key,)),
    ),
    arrival=Arrivals(
        first_received_at=MORNING,
        last_received_at=MORNING,
        version=len(HISTORY),
        late=1,
        waiting_since=MORNING,
    ),
)

WIDE = """\
Order xyz123456 is canceled
instacart · 16 events · 8 steps · attempt 2 · 1 late · 2 anomalies · definition 0123abcd

 time     state                            stayed                                   arrived
── 2022-06-04 UTC ──────────────────────────────────────────────────────────────────────────────────
~10:00:00 ● requested                         <1s  ━                                #1
~10:00:00 ● validation_failed (rejected)    1m29s  ━                                #2
~10:01:30 ● resubmitted                        1s  ━                                #3
~10:01:31 ● created (accepted)                ~9s  ━                                #4
 10:01:40 ● brand_new                       3m20s  ━                                #5 +1s
 10:01:50 ├─· order_location              noted ×3 to 10:02:10                      #6-8
 10:05:00 » at_store                        5m00s  ━                                #13 +10m02s late
          │ skipped ahead from brand_new
 10:10:00 ↑ waiting                         1d00h  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   #9 +1s
          │ step back from at_store
 10:11:00 ├─× brand_new                   refused                                   #10 +1s
          │   no way back
 10:11:40 ├─? rained                      unrecognized                              #11 +1s
          │   the reason of 'rained'
 10:12:00 ├─= waiting (poll)              repeated                                  #12 +0s
── 2022-06-05 UTC ──────────────────────────────────────────────────────────────────────────────────
 11:00:00 ■ canceled                                                             ━  #14 +1s
~11:08:20 ┊─◌ acknowledged                stale                                     #16
          ┊   the reason of 'acknowledged'
          ┊   bad_time: its time is none
── further contents, not counted ───────────────────────────────────────────────────────────────────
 11:00:00 ┊─≠ canceled                    divergent                                 #15 +9s
              the reason of 'canceled'

never seen: acknowledged_for_delivery
~ by our clock: the event tells no time
e.g. #2 +9s: the second to arrive, 9 s after it occurred
"""  # noqa: RUF001 - the sign that the timeline uses

NARROW = """\
Order xyz123456 is canceled
instacart, 16 events, 8 steps, attempt 2
1 late, 2 anomalies, definition 0123abcd

-- 2022-06-04 UTC --------------------------
~10:00:00 * requested
          | <1s, #1
~10:00:00 * validation_failed (rejected)
          | 1m29s, #2
~10:01:30 * resubmitted
          | 1s, #3
~10:01:31 * created (accepted)
          | ~9s, #4
 10:01:40 * brand_new
          | 3m20s, #5 +1s
 10:01:50 |-. order_location
          |   noted x3 to 10:02:10, #6-8
 10:05:00 > at_store
          | 5m00s, #13 +10m02s late
          | skipped ahead from brand_new
 10:10:00 ^ waiting
          | 1d00h, #9 +1s
          | step back from at_store
 10:11:00 |-x brand_new
          |   refused, #10 +1s
          |   no way back
 10:11:40 |-? rained
          |   unrecognized, #11 +1s
          |   the reason of 'rained'
 10:12:00 |-= waiting (poll)
          |   repeated, #12 +0s
-- 2022-06-05 UTC --------------------------
 11:00:00 # canceled
          : #14 +1s
~11:08:20 :-% acknowledged
          :   stale, #16
          :   the reason of 'acknowledged'
          :   bad_time: its time is none
-- further contents, not counted -----------
 11:00:00 :-! canceled
              divergent, #15 +9s
              the reason of 'canceled'

never seen: acknowledged_for_delivery
~ by our clock: the event tells no time
e.g. #2 +9s: the second to arrive, 9 s after
it occurred
"""


def told(width: int = 100, **options: bool) -> str:
    return timeline(VIEW, HISTORY, width=width, **options)


def cells(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in line)


def row(text: str, start: str) -> str:
    """Return the line that holds an event, by its time of day and its name."""
    found = [line for line in text.splitlines() if re.search(start, line)]
    assert len(found) == 1, found
    return found[0]


def test_a_wide_terminal_gets_one_line_an_event_with_bars() -> None:
    assert told(100) == WIDE


def test_a_narrow_terminal_gets_two_lines_an_event_in_ascii_where_asked() -> None:
    assert told(44, ascii_only=True) == NARROW


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_terminal_and_no_verdict_is_cut(
    full: bool, ascii_only: bool
) -> None:
    for width in range(40, 161):
        text = told(width, full=full, ascii_only=ascii_only)
        assert max(cells(line) for line in text.splitlines()) <= width
        assert text.isascii() or not ascii_only
        for event in HISTORY:
            assert event.verdict in MOVES or event.verdict.value in text


def test_a_terminal_of_no_width_gets_forty_columns() -> None:
    assert told(0) == told(40)


def test_color_changes_no_character_of_the_text() -> None:
    for width in (40, 72, 100):
        for ascii_only in (False, True):
            plain = told(width, ascii_only=ascii_only)
            colored = told(width, ascii_only=ascii_only, color=True)
            assert ANSI.sub("", colored) == plain
            assert "\x1b[31m" in colored
            assert "\x1b" not in plain


def test_color_never_runs_on_past_the_end_of_its_line() -> None:
    for line in told(color=True).splitlines():
        codes = ANSI.findall(line)
        assert codes[1::2] == ["\x1b[0m"] * (len(codes) // 2)
        assert "\x1b[0m" not in codes[::2]


def test_each_state_shows_its_time_and_how_long_the_order_stayed() -> None:
    assert re.search(r"10:01:40 ● brand_new +3m20s ", told())
    assert re.search(r"10:10:00 ↑ waiting +1d00h ", told())


def test_a_stay_between_two_clocks_is_marked_as_about() -> None:
    """From our clock at `created` to the provider's at `brand_new`."""
    assert re.search(r"~10:01:31 ● created \(accepted\) +~9s ", told())


def test_a_stay_that_would_be_less_than_nothing_is_not_guessed() -> None:
    history = (
        entry("accepted", kind="response", to="created", received=60),
        entry("brand_new", before="created", to="brand_new", at=30, received=61),
    )
    text = timeline(view_of(LAST_MILE, "created", "brand_new"), history)
    assert re.search(r"~10:01:00 ● created \(accepted\) +\? ", text)


def test_an_event_that_came_after_one_that_it_precedes_is_late_and_says_by_how_much() -> None:
    assert "#13 +10m02s late" in row(told(), "10:05:00")
    assert [line for line in told().splitlines() if line.endswith(" late")] == [
        row(told(), "10:05:00")
    ]


def test_events_that_came_together_are_not_late() -> None:
    history = (
        entry("brand_new", to="brand_new", at=0, received=9),
        entry("staged", before="brand_new", to="staged", at=5, received=9),
    )
    text = timeline(view_of(LAST_MILE, "brand_new", "staged"), history)
    assert "late" not in text
    assert "#1 +9s" in row(text, "● brand_new")
    assert "#2 +4s" in row(text, "◆ staged")


def test_a_state_that_was_left_within_the_second_shows_no_stay() -> None:
    history = (
        entry("brand_new", to="brand_new", at=5, received=6),
        entry("staged", before="brand_new", to="staged", at=5, received=6),
    )
    text = timeline(view_of(LAST_MILE, "brand_new", "staged"), history)
    assert re.search(r"● brand_new +0s ", text)


def test_from_72_columns_on_each_event_takes_one_line() -> None:
    assert row(told(72), "● requested").endswith("#1")
    assert row(told(71), "● requested").endswith("requested")


def test_the_way_of_a_late_event_to_us_is_drawn_behind_its_bar() -> None:
    history = (
        entry("brand_new", to="brand_new", at=0, received=1),
        entry("at_store", before="brand_new", to="at_store", at=100, received=800),
        entry("delivering", before="at_store", to="delivering", at=200, received=201),
        entry("delivered", before="delivering", to="delivered", at=1000, received=1001),
    )
    text = timeline(view_of(LAST_MILE, *(e.to or "" for e in history)), history)
    assert re.search(r"at_store +1m40s +━+┄+○ +#3 \+11m40s late", text)
    assert text.count("○") == 1


def test_an_event_received_before_it_occurred_shows_a_negative_delay() -> None:
    history = (entry("brand_new", to="brand_new", at=30, received=20),)
    assert "#1 -10s" in timeline(view_of(LAST_MILE, "brand_new"), history)


def test_refused_stale_unknown_and_divergent_events_have_reasons() -> None:
    text = told()
    for name, verdict in (
        ("brand_new", "refused"),
        ("acknowledged", "stale"),
        ("rained", "unrecognized"),
        ("canceled", "divergent"),
    ):
        assert row(text, rf"{name} +{verdict}")
    assert "no way back" in text
    assert "the reason of 'rained'" in text
    assert "the reason of 'order_location'" not in text


def test_problems_of_an_event_are_reported_once() -> None:
    assert told().count("bad_time: its time is none") == 1
    assert "told elsewhere" not in told()


def test_divergent_evidence_stands_apart_at_the_end() -> None:
    before, after = told().split("further contents, not counted")
    assert "divergent" not in before
    assert "divergent" in after


def test_quiet_events_alike_in_a_row_are_one_line_and_in_full_a_line_each() -> None:
    assert "noted \N{MULTIPLICATION SIGN}3 to 10:02:10" in row(told(), "order_location")
    assert told(full=True).count("order_location  ") == 3
    assert told(full=True).count("the reason of 'order_location'") == 3


def test_the_state_of_an_open_order_lasts_until_now_and_what_it_waits_for_is_said() -> None:
    view = view_of(LAST_MILE, "brand_new", awaiting=("acknowledged_for_delivery",))
    text = timeline(view, (entry("brand_new", to="brand_new", at=0, received=1),))
    assert re.search(r"◆ brand_new +now ", text)
    assert "waiting for: acknowledged_for_delivery\n" in text


def test_the_errors_of_the_newest_attempt_are_shown() -> None:
    told_of = {"message": "Bad \x1b[2J address", "code": 1001, "key": "address"}
    errors = (
        OrderError(**told_of, http_status=400, correctable=True),
        OrderError(message=None, code=None, key=None, http_status=None, correctable=False),
    )
    text = timeline(view_of(LAST_MILE, "requested", errors=errors), ())
    assert "error (HTTP 400, code 1001, key address): Bad \\x1b[2J address\n" in text
    assert "error (no answer): no message\n" in text


def test_an_order_without_a_path_is_described_by_its_events() -> None:
    history = (entry("rained", Verdict.UNRECOGNIZED, at=5, received=6),)
    text = timeline(view_of(LAST_MILE), history)
    assert row(text, r"├─\? rained +unrecognized +#1 \+1s")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_ids_and_names_show_as_text(hostile: str) -> None:
    view = view_of(LAST_MILE, "brand_new", order_id=hostile, provider=hostile, missing=(hostile,))
    history = (
        entry("brand_new", to="brand_new", at=0, received=1),
        entry(hostile, Verdict.UNRECOGNIZED, to=hostile, at=5, received=6, reason=hostile),
        entry(hostile, Verdict.REVERTED, before=hostile, to=hostile, at=7, received=8),
    )
    usual = timeline(view, (history[0],), width=60)
    for width in (40, 60, 100):
        text = timeline(view, history, width=width)
        assert all(character.isprintable() for character in text if character != "\n")
        assert {unicodedata.bidirectional(c) for c in text}.isdisjoint({"R", "AL", "AN"})
        assert max(cells(line) for line in text.splitlines()) <= width
        assert timeline(view, history, width=width, ascii_only=True).isascii()
        assert ANSI.sub("", timeline(view, history, width=width, color=True)) == text
    assert usual.splitlines()[0].startswith("Order ")


def test_two_order_ids_that_differ_never_look_the_same() -> None:
    ids = (
        *HOSTILE,
        "\\x1b[31mred\\x1b]0;title\\x07",
        "a\\",
        "a\\\\",
        "e\u0301",
        "é",
        "a b",
        "a  b",
    )
    heads = {timeline(view_of(LAST_MILE, order_id=i), (), width=200).splitlines()[0] for i in ids}
    assert len(heads) == len(ids)


_TEXTS = st.text(max_size=60)
_TIMES = st.floats(-1e7, 1e7) | st.just(0.0)


@st.composite
def _orders(draw: st.DrawFn) -> tuple[OrderView, Sequence[HistoryEntry]]:
    entries = draw(
        st.lists(
            st.builds(
                entry,
                _TEXTS,
                st.sampled_from(Verdict),
                to=st.none() | _TEXTS,
                before=st.none() | _TEXTS,
                at=st.none() | _TIMES,
                received=_TIMES,
                kind=st.sampled_from(["request", "response", "callback", "poll"]),
                reason=_TEXTS,
            ),
            max_size=12,
        )
    )
    status = draw(st.sampled_from(["requested", "brand_new", "canceled"]))
    return view_of(LAST_MILE, status, order_id=draw(_TEXTS)), entries


@settings(max_examples=150, deadline=None)
@given(_orders(), st.integers(40, 140), st.booleans(), st.booleans())
def test_any_order_fits_any_terminal_and_steers_none(
    order: tuple[OrderView, Sequence[HistoryEntry]], width: int, ascii_only: bool, full: bool
) -> None:
    text = timeline(*order, width=width, ascii_only=ascii_only, full=full)
    assert text.endswith("\n")
    for line in text.split("\n"):
        assert line.isprintable()
        assert cells(line) <= width
        assert line == line.rstrip(" ")
    assert text.isascii() or not ascii_only
