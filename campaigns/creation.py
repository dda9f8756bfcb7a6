"""Creation: no order is made twice and none is forgotten, wherever a service is killed.

The creation dialogue is a sequence of effects: appends, calls of the provider, waits. A service
is killed before each of them, by each way the provider answers, sync and async; then one that
knows nothing but the log starts again and resumes. Every order that was begun must be made once,
and the service keeps nothing itself. The control sends again whatever has no answer.

    python -m campaigns.creation
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.testing import simulated
from tests.faults.test_resume_kills import (
    ALL_POINTS,
    begun_and_made,
    create,
    create_async,
    ended,
    killed_everywhere,
    send_anew,
    start_again,
    start_again_async,
)

ANSWERS: Final = (
    "delivered",
    "slow",
    "dropped-before",
    "dropped-after",
    "error-401",
    "error-429",
    "error-500",
    "error-503",
)
WAYS: Final[tuple[tuple[Callable[..., None], Callable[..., None]], ...]] = (
    (create, start_again),
    (create_async, start_again_async),
)
BAD: Final = ("made twice", "forgotten")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    sizes = {"answers": (len(ANSWERS), "how many ways in which the provider answers")}
    campaign = Campaign(__doc__ or "", sizes)
    options = campaign.parse(arguments)
    found, control = Figures(*BAD), Figures(*BAD)
    with scratch() as folder:
        for number, answer in enumerate(ANSWERS[: options.answers]):
            for first, again in WAYS:
                log = f"sqlite:///{folder}/{number}-{first.__name__}.db"
                kill_everywhere(found, log, first, again, answer)
                campaign.tell(found)
        kill_everywhere(control, f"sqlite:///{folder}/control.db", create, send_anew, "delivered")
    return campaign.verdict("creation", found, {"sends again what has no answer": control})


def kill_everywhere(
    figures: Figures,
    log: str,
    first: Callable[..., None],
    again: Callable[..., None],
    answer: str,
) -> None:
    """Kill a service before each effect of an order of its own, start again, and count."""
    with simulated(on_repeat="create", slow_seconds=0.3) as provider:
        codes = killed_everywhere(log, provider.url, first, answer)
        figures.count("services killed", codes.count(-signal.SIGKILL))
        figures.count("let end", ALL_POINTS - codes.count(-signal.SIGKILL))
        ended(partial(again, log, provider.url))
        _count(figures, begun_and_made(log, provider), answer)


def _count(figures: Figures, made: dict[str, Any], answer: str) -> None:
    figures.count("orders begun", len(made))
    for order_id, times in made.items():
        if times != 1:
            what = "forgotten" if times == 0 else "made twice"
            figures.find(what, f"{order_id}, {answer}: made {times} times")


if __name__ == "__main__":
    sys.exit(main())
