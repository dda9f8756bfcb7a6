"""Given what was recorded, when one more thing arrives, then the order is so.

    given(request(), accepted()).when(callback("brand_new", at=9)).then(
        status="brand_new", change=("created", "brand_new"), verdict="applied"
    )

Each step gives a new value and changes none, so a story may be told once and continued in
many ways. Everything goes through the front door: a memory log and its receipts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.change import Change
from lifecycle.core.event import Unreadable
from lifecycle.core.provider import Provider
from lifecycle.core.reason import shown
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.receipt import Receipt
from lifecycle.testing.expectation import Difference, as_json, check_names, differences
from lifecycle.testing.handmade import as_recordings
from lifecycle.testing.recordings import described, flattened, memory_orders

_BESIDE: Final = ("outcome", "verdict", "change", "quarantined")


def given(*recorded: Any, provider: str | Provider = DEFAULT_PROVIDER) -> Given:
    """Return the start of a scenario: recordings, lines, hand-made events, or lists of these."""
    return Given(tuple(flattened(recorded)), provider)


@dataclass(frozen=True)
class Given:
    """What was recorded before; make one with `given`."""

    recorded: tuple[Any, ...]
    provider: str | Provider = DEFAULT_PROVIDER

    def when(self, *arriving: Any) -> When:
        """Return what happens when one more thing arrives; of several, the last counts."""
        arrived = flattened(arriving)
        if not arrived:
            raise InvalidArgumentError("when", "a recording, a line or an event that arrives")
        return When((*self.recorded, *arrived), self.provider)

    def __repr__(self) -> str:
        return f"<Given {len(self.recorded)} recorded>"


class _Played(NamedTuple):
    receipt: Receipt
    view: OrderView | None
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True)
class When:
    """What was recorded, the last of it just now; it is played when something is asked."""

    recorded: tuple[Any, ...]
    provider: str | Provider = DEFAULT_PROVIDER

    def when(self, *arriving: Any) -> When:
        """Return what happens when yet another thing arrives."""
        return Given(self.recorded, self.provider).when(*arriving)

    def then(self, **expected: Any) -> When:
        """Return this, having checked what is expected; only what is named is compared.

        Any field of `show --json`, and of the last arrival: `outcome`, `verdict`, `change`
        (None, or before and after) and `quarantined` (the reason, None if it was read).

        Raises:
            AssertionError: something else was found; the message says what, and the history.
            InvalidArgumentError: there is no field of that name.
        """
        __tracebackhide__ = True
        found = self._found()
        if self.view is not None:
            check_names(expected, found)
        wrong = list(differences(as_json(_spelled(expected)), found))
        if wrong:
            raise AssertionError(self._told(wrong))
        return self

    @property
    def receipt(self) -> Receipt:
        """The receipt of the last arrival."""
        return self._played.receipt

    @property
    def view(self) -> OrderView | None:
        """The view of the order that the last arrival is about; None if it was quarantined."""
        return self._played.view

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """The history of that order; empty if the last arrival was quarantined."""
        return self._played.history

    @cached_property
    def _played(self) -> _Played:
        recordings, provider = as_recordings(self.recorded, self.provider)
        with memory_orders(provider) as orders:
            receipts = orders.record_many(recordings)
            last = receipts[-1]
            if isinstance(last.event, Unreadable):
                return _Played(last, None, ())
            return _Played(last, last.view, orders.history(last.event.order_id))

    def _found(self) -> dict[str, Any]:
        receipt, view, _ = self._played
        event, change = receipt.event, receipt.change
        return {
            "outcome": receipt.outcome.value,
            "verdict": self._verdict(),
            "change": None if change is None else change._asdict(),
            "quarantined": event.reason if isinstance(event, Unreadable) else None,
            **({} if view is None else view.model_dump(mode="json")),
        }

    def _verdict(self) -> str | None:
        """Return the verdict on what arrived last; of several contents of its key, on its own."""
        event = self.receipt.event
        if isinstance(event, Unreadable):
            return None
        same = [entry for entry in self.history if entry.key == event.key]
        own = [entry for entry in same if entry.sha256 == event.sha256]
        return (own or same)[0].verdict.value

    def _told(self, wrong: list[Difference]) -> str:
        came = described(self.receipt.event)
        return "\n".join(
            (
                f"after {len(self.recorded) - 1} recorded, {came} did something else:",
                *(f"  {difference}" for difference in wrong),
                *(("the order's history:",) if self.history else ()),
                *(f"  {_line(entry)}" for entry in self.history),
            )
        )

    def __repr__(self) -> str:
        return f"<When after {len(self.recorded) - 1} recorded>"


def _spelled(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is expected with a change's pair of statuses under their names."""
    change = expected.get("change")
    if isinstance(change, tuple) and not hasattr(change, "_asdict"):
        return {**expected, "change": dict(zip(Change._fields, change, strict=False))}
    return dict(expected)


def _line(entry: HistoryEntry) -> str:
    move = f"{entry.from_} → {entry.to}" if entry.from_ != entry.to else f"at {entry.to}"
    return f"{entry.verdict.value:<13} {shown(entry.name)[1:-1]:<26} {move}: {entry.reason}"
