"""A batch whose reply is lost, and what its caller is told all the same, whatever the store."""

from __future__ import annotations

from collections.abc import Callable

from lifecycle.audit.verify import verify
from lifecycle.log.contract import Append, Log, Outcome
from tests.contract.entries import event, unreadable


def settle_a_batch_whose_reply_is_lost(log: Log, lose_reply: Callable[[], None]) -> list[Append]:
    """Append one batch of everything that can become of an entry, and return how it was settled."""
    log.append(event("a", 1))
    lose_reply()

    done = log.append_many(
        [event("a", 1), event("a", 2), unreadable(), event("b", 3), event("a", 1, body=b"[]")]
    )

    assert [(one.outcome, one.version) for one in done] == [
        (Outcome.DUPLICATE, 1),
        (Outcome.APPENDED, 2),
        (Outcome.QUARANTINED, 1),
        (Outcome.APPENDED, 1),
        (Outcome.DIVERGENT, 3),
    ]
    assert log.append(event("a", 3)).version == 4
    assert verify(log).ok
    return done
