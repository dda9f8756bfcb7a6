"""What the tests of diagrams share: definitions of every shape, and orders made by hand.

Nothing here uses the code that draws.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from lifecycle.core.definition import Definition
from lifecycle.core.view import Arrivals, HistoryEntry, OrderView, Step, Verdict

MORNING = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)

HOSTILE = (
    'quote " and \\ backslash',
    "<b>bold</b><img src=x onerror=alert(1)>",
    "x\n    [*] --> evil",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202eright to left\u2066",
    "\x9b2J",
    "tab\tand\rreturn",
    "end note",
    "%%{init: {}}%%",
    "a; b: c",
    "#quot;",
    "&lt;x&gt;",
    "\\N \\G \\l",
    '"]; evil [label="',
    "`code` **bold** __strong__",
    "1. list",
    "zero\u200bwidth\ufeff",
    "\u2028line\u2029paragraph",
    "שלום",
    "日本 é e\u0301",
    "\U000e0041\U0001f600",
    "",
    "  ",
)


def triples(definition: Definition) -> set[tuple[str, str, str]]:
    """Return every move that a definition declares."""
    return {(move.source, move.trigger, move.dest) for move in definition.moves}


def named(*names: str, ends: tuple[str, ...] = ("canceled",)) -> Definition:
    """Return a lifecycle that leads from name to name, and from each to each of `ends`."""
    onward = [{"trigger": dest, "source": source, "dest": dest} for source, dest in pairwise(names)]
    away = [{"trigger": end, "source": list(names), "dest": end} for end in ends]
    return Definition.write(
        "named", states=[*names, *ends], moves=onward + away, terminal=ends, aborts=ends
    )


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Return definitions of up to nine states with any moves, some by triggers of other names."""
    states = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    terminal = set(draw(st.lists(st.sampled_from(states), max_size=3)))
    triggers = {state: draw(st.sampled_from([state, f"to_{state}"])) for state in states}
    sources = [state for state in states if state not in terminal]
    pairs = [(source, dest) for source in sources for dest in states]
    chosen = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    if draw(st.booleans()):
        chosen |= {(source, dest) for source, dest in pairs if dest in terminal}
    if draw(st.booleans()):
        chosen |= {(source, dest) for source, dest in pairs if dest < source}
    moves = [
        {"trigger": triggers[dest], "source": source, "dest": dest}
        for source, dest in sorted(chosen)
    ]
    return Definition.write("any", states=states, moves=moves, terminal=terminal)


def entry(
    name: str,
    verdict: Verdict = Verdict.APPLIED,
    *,
    to: str | None = None,
    before: str | None = None,
    at: float | None = None,
    received: float = 0,
    **fields: Any,
) -> HistoryEntry:
    """Return an entry; times are seconds after `MORNING`, `at` None where the event tells none."""
    defaults = {
        "kind": "callback",
        "key": f"callback:{name}:{at}:{received}",
        "reason": f"the reason of {name!a}",
        "sha256": "0" * 64,
    }
    return HistoryEntry(
        name=name,
        verdict=verdict,
        from_=before,
        to=to,
        occurred_at=None if at is None else MORNING + timedelta(seconds=at),
        received_at=MORNING + timedelta(seconds=received),
        **(defaults | fields),
    )


def view_of(definition: Definition, /, *path: str, **fields: Any) -> OrderView:
    """Return a view whose order took this path, a minute a step."""
    steps = [
        Step(status=status, at=MORNING + timedelta(minutes=number), event=f"callback:{number}")
        for number, status in enumerate(path)
    ]
    status = path[-1] if path else definition.initial
    defaults: dict[str, Any] = {
        "order_id": "xyz123456",
        "provider": "instacart",
        "status": status,
        "terminal": status in definition.terminal,
        "attempt": 1,
        "errors": (),
        "awaiting": (),
        "path": tuple(steps),
        "missing": (),
        "milestones": (),
        "anomalies": (),
        "events": len(path),
        "definition": definition.fingerprint,
        "arrival": Arrivals(
            first_received_at=MORNING,
            last_received_at=MORNING,
            version=len(path),
            late=0,
            waiting_since=MORNING,
        ),
    }
    return OrderView(**(defaults | fields))


def big_definition() -> Definition:
    """Return a lifecycle of 30 states with ways back, ways around and three ends."""
    states = [f"stage_{number:02}" for number in range(27)]
    ends = ["done", "lost", "canceled"]
    moves = [{"trigger": dest, "source": source, "dest": dest} for source, dest in pairwise(states)]
    for near, far in ((2, 5), (3, 9), (7, 12), (11, 20), (14, 16), (19, 26)):
        moves.append({"trigger": "jump", "source": states[near], "dest": states[far]})
        moves.append({"trigger": states[near], "source": states[far], "dest": states[near]})
    for move in moves:
        if move["trigger"] == "jump":
            move["trigger"] = f"jump_to_{move['dest']}"
    moves.append({"trigger": "done", "source": states[-1], "dest": "done"})
    moves.append({"trigger": "lost", "source": states[8], "dest": "lost"})
    moves.append({"trigger": "canceled", "source": states, "dest": "canceled"})
    return Definition.write(
        "big",
        states=[*states, *ends],
        moves=moves,
        terminal=ends,
        aborts=("lost", "canceled"),
        main_line=[state for number, state in enumerate(states) if number % 3],
    )


def long_story(order_id: str, count: int) -> list[dict[str, Any]]:
    """Return so many recordings of one order: shoppers drop out, some callbacks are late."""
    day = ("acknowledged_for_delivery", "at_store", "bags_verified", "delivering")
    names = ["brand_new"]
    while len(names) < count - 4:
        names += [*day, *["order_location"] * 5, "rescheduled"]
    names = [*names[: count - 5], "delivered", "at_store", "unheard_of", "tip_adjustment"]
    recordings: list[dict[str, Any]] = [
        {
            "kind": "request",
            "order_id": order_id,
            "received_at": MORNING.isoformat(),
            "body": {"order_id": order_id},
        }
    ]
    at = MORNING
    for number, name in enumerate(names):
        at += timedelta(seconds=20 + number * 37 % 400)
        late = 900 if number % 11 == 5 else 1
        recordings.append(
            {
                "kind": "callback",
                "received_at": (at + timedelta(seconds=late)).isoformat(),
                "body": {
                    "event_id": f"{order_id}-{number}",
                    "event_name": f"fulfillment.{name}",
                    "event_timestamp": at.isoformat(),
                    "event_metadata": {"order_id": order_id},
                },
            }
        )
    return recordings
