"""Scenario tests: given recordings, when one more arrives, then the order is as expected.

    given(request(), accepted()).when(callback("packed", at=9)).then(
        status="packed", change=("created", "packed"), verdict="applied"
    )

Each step returns a new value, so that one start can continue in many ways. All recordings
go through a memory log and its receipts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.change import Change
from lifecycle.core.event import Unreadable
from lifecycle.core.provider import Provider
from lifecycle.core.reason import shown
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.receipt import Receipt
from lifecycle.testing.expectation import Mismatch, as_json, check_names, mismatches
from lifecycle.testing.handmade import as_recordings
from lifecycle.testing.recordings import described, flattened, memory_orders


def given(*recorded: Any, provider: str | Provider = DEFAULT_PROVIDER) -> Given:
    """Return the start of a scenario: recordings, lines, hand-made events, or lists of these."""
    return Given(tuple(flattened(recorded)), provider)


@dataclass(frozen=True)
class Given:
    """The recordings before; made by `given`."""

    recorded: tuple[Any, ...]
    provider: str | Provider = DEFAULT_PROVIDER

    def when(self, *arriving: Any) -> When:
        """Return the scenario after one more arrival; of several, the last counts."""
        arrived = flattened(arriving)
        if not arrived:
            raise InvalidArgumentError("when", "a recording, a line or an event that arrives")
        return When((*self.recorded, *arrived), self.provider)

    def __repr__(self) -> str:
        return f"<Given {len(self.recorded)} recorded>"


class _Run(NamedTuple):
    receipt: Receipt
    view: OrderView | None
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True)
class When:
    """The recordings up to the last arrival; they are recorded when a result is read."""

    recorded: tuple[Any, ...]
    provider: str | Provider = DEFAULT_PROVIDER

    def when(self, *arriving: Any) -> When:
        """Return the scenario after another arrival."""
        return Given(self.recorded, self.provider).when(*arriving)

    def then(self, **expected: Any) -> When:
        """Check the named fields, and return this.

        Any field of `show --json`, and of the last arrival: `outcome`, `verdict`, `change`
        (None, or before and after) and `quarantined` (the reason, None if it was read).

        Raises:
            AssertionError: a field differs; the message shows it and the history.
            InvalidArgumentError: a field does not exist.
        """
        __tracebackhide__ = True
        found = self._found()
        if self.view is not None:
            check_names(expected, found)
        wrong = list(mismatches(as_json(_with_named_change(expected)), found))
        if wrong:
            raise AssertionError(self._failure_message(wrong))
        return self

    @property
    def receipt(self) -> Receipt:
        """The receipt of the last arrival."""
        return self._run.receipt

    @property
    def view(self) -> OrderView | None:
        """The view of the last arrival's order; None if it was quarantined."""
        return self._run.view

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """The history of that order; empty if the last arrival was quarantined."""
        return self._run.history

    @cached_property
    def _run(self) -> _Run:
        recordings, provider = as_recordings(self.recorded, self.provider)
        with memory_orders(provider) as orders:
            receipts = orders.record_many(recordings)
            last = receipts[-1]
            if isinstance(last.event, Unreadable):
                return _Run(last, None, ())
            return _Run(last, last.view, orders.history(last.event.order_id))

    def _found(self) -> dict[str, Any]:
        receipt, view, _ = self._run
        event, change = receipt.event, receipt.change
        return {
            "outcome": receipt.outcome.value,
            "verdict": self._verdict(),
            "change": None if change is None else change._asdict(),
            "quarantined": event.reason if isinstance(event, Unreadable) else None,
            **({} if view is None else view.model_dump(mode="json")),
        }

    def _verdict(self) -> str | None:
        """Return the verdict on the last arrival; of several contents of its key, on its own."""
        event = self.receipt.event
        if isinstance(event, Unreadable):
            return None
        same = [entry for entry in self.history if entry.key == event.key]
        own = [entry for entry in same if entry.sha256 == event.sha256]
        return (own or same)[0].verdict.value

    def _failure_message(self, wrong: list[Mismatch]) -> str:
        came = described(self.receipt.event)
        return "\n".join(
            (
                f"after {len(self.recorded) - 1} recorded, {came} did something else:",
                *(f"  {mismatch}" for mismatch in wrong),
                *(("the order's history:",) if self.history else ()),
                *(f"  {_line(entry)}" for entry in self.history),
            )
        )

    def __repr__(self) -> str:
        return f"<When after {len(self.recorded) - 1} recorded>"


def _with_named_change(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the expected fields, with a change's pair of statuses as named fields."""
    change = expected.get("change")
    if isinstance(change, tuple) and not hasattr(change, "_asdict"):
        return {**expected, "change": dict(zip(Change._fields, change, strict=False))}
    return dict(expected)


def _line(entry: HistoryEntry) -> str:
    move = f"{entry.from_} → {entry.to}" if entry.from_ != entry.to else f"at {entry.to}"
    return f"{entry.verdict.value:<13} {shown(entry.name)[1:-1]:<26} {move}: {entry.reason}"
