"""The options and the result of `resume`; its engine is passed in, as it calls the provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict


class ResumeOptions(TypedDict, total=False):
    """The options of `resume`.

    `settle_after`: how long a request may be on its way; 60 seconds by default, and never less
    than one exchange of the client takes. `begun_within`: requests begun longer ago are only
    looked up, never sent again; an hour by default. `at_once`: how many orders are handled at a
    time; 4 by default. `now`: the time, by default the current one. `on_result`: is called with
    the id and the `CreationOutcome` of each order, from any thread; what it raises is logged.
    """

    settle_after: timedelta
    begun_within: timedelta
    at_once: int
    now: datetime | None
    on_result: Callable[[str, Any], object] | None


@dataclass(frozen=True)
class Resumed:
    """The result of one pass over the create requests whose outcome is not known.

    Attributes:
        begun: orders of unknown outcome.
        created: of these, at the provider.
        correctable: rejected.
        refused: ended otherwise.
        unknown: still not known.
        waiting: left alone: something about them arrived lately, compared with how long ago they
            were begun.
        failed: met an error on our side.
        why: the type of that error.
    """

    begun: int = 0
    created: int = 0
    correctable: int = 0
    refused: int = 0
    unknown: int = 0
    waiting: int = 0
    failed: int = 0
    why: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the outcome of every request is known now."""
        return not (self.unknown or self.waiting or self.failed)
