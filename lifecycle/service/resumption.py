"""What `resume` takes and returns; the engine is handed in, as it talks to the provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict


class ResumeOptions(TypedDict, total=False):
    """How `resume` goes about it.

    `settle_after`: how long a request may be on its way; 60 seconds, never less than one
    exchange of the client takes. `begun_within`: what was begun longer ago is only looked up,
    never sent again; an hour. `at_once`: how many orders at a time; 4. `now`: the time; the
    current one. `on_result`: is called with each order's id and `CreationOutcome`, from any
    thread; what it raises is logged.
    """

    settle_after: timedelta
    begun_within: timedelta
    at_once: int
    now: datetime | None
    on_result: Callable[[str, Any], object] | None


@dataclass(frozen=True)
class Resumed:
    """The result of one pass over the create requests whose outcome is not known.

    Of those `begun`, `created` are at the provider, `correctable` were rejected, `refused`
    ended otherwise, `unknown` still are so. `waiting` were left: something was heard of them
    lately, measured by how long ago they were begun. `failed`: an error on our side, told by
    `why`.
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
        """Whether the outcome of all is known now."""
        return not (self.unknown or self.waiting or self.failed)
