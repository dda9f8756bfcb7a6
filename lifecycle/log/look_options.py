"""How an order is looked at: as at, as of and log at a time, and by which rules."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from lifecycle.core.definition import Definition
from lifecycle.log.log_time import LogTime


class LookOptions(TypedDict, total=False):
    """As when an order is looked at, and by which rules; all may be combined.

    `as_at`: what was known then: received by that time, which whoever recorded an event gave.
    `as_of`: what was so then, by the provider's clock. `log_at`: what the log held then by its
    own clock, or up to a position. Times need a zone. `rules`: "now", those of today, by
    default; "then", the last ones recorded, up to `log_at` if that is given; how the fingerprint
    of recorded ones begins, in 8 digits or more; or a `Definition`. Bodies are read by the
    provider as it is now: the states and moves alone are those of the rules.
    """

    as_at: datetime | None
    as_of: datetime | None
    log_at: LogTime | None
    rules: str | Definition | None
