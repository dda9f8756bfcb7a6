"""Options for reading an order: as at, as of and log at a time, and by which rules."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from lifecycle.core.definition import Definition
from lifecycle.log.log_time import LogTime


class LookOptions(TypedDict, total=False):
    """The time as of which an order is read, and the rules; all may be combined.

    `as_at`: what was known then, by the time of receipt, which the recording service gave.
    `as_of`: what was so then, by the provider's clock. `log_at`: what the log held then by its
    own clock, or up to a position. Times need a zone. `rules`: "now" for today's (the default);
    "then" for the last recorded ones, up to `log_at` if that is given; the first 8 or more digits
    of the fingerprint of recorded rules; or a `Definition`. The provider reads the bodies as it
    does now: only states and moves are those of the rules.
    """

    as_at: datetime | None
    as_of: datetime | None
    log_at: LogTime | None
    rules: str | Definition | None
