"""Compares acknowledged events with stored ones: none lost, none doubled, no broken chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from campaigns.verdict import Figures
from campaigns.workload import label
from lifecycle.audit.verify import verify
from lifecycle.log.codec import decode
from lifecycle.log.contract import Log
from lifecycle.service.orders import Orders

BAD = ("lost", "doubled", "broken")
"""What an audit may find."""


def stored(log: Log) -> Counter[str]:
    """Return how often each thing is stored."""
    return Counter(label(decode(record)) for record in log.scan())


def audit(log: Log, acknowledged: Iterable[str], figures: Figures, where: str) -> None:
    """Look for what was acknowledged and is gone, what is there twice, and broken chains."""
    found = stored(log)
    lost = set(acknowledged) - set(found)
    doubled = [name for name, times in found.items() if times > 1]
    figures.find("lost", f"{where}: {sorted(lost)[:1]}", len(lost))
    figures.find("doubled", f"{where}: {doubled[:1]}", len(doubled))
    verification = verify(log)
    if not verification.ok:
        figures.find("broken", f"{where}: {verification.findings[0].sentence}", verification.found)


def streams_with_gaps(log: Log) -> int:
    """Return how many streams are not numbered 1, 2, 3, ..."""
    return sum(
        [record.version for record in records] != list(range(1, len(records) + 1))
        for records in log.read_many(list(log.streams())).values()
    )


def stale_views(orders: Orders) -> int:
    """Return how many views differ from a fold of all that is stored.

    `get` goes on from what it folded before, `find` folds from the start.
    """
    return sum(orders.get(view.order_id).digest != view.digest for view in orders.find())
