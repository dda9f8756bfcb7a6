"""One row of `lifecycle doctor`: what was looked at, and how much it asks of people."""

from __future__ import annotations

from typing import NamedTuple

from lifecycle.log.contract import Level


class Check(NamedTuple):
    """One thing looked at, a row of `lifecycle doctor`.

    `level` alone decides the exit code: choose `attention` where facts or orders wait for a
    person, `fail` where something is not as it must be, `note` where nobody has to act.
    `advice` says what to do, with the command; `meaning` explains what was found. A store
    tells of itself by `Log.settings()`, whose rows become checks of the same level.
    """

    name: str
    level: Level
    found: str
    advice: str | None = None
    meaning: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nobody has to act."""
        return not self.level.needs_a_person
