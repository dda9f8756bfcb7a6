"""Answers cases by the oracle: python -m tests.conformance.oracle_program [WRONG ...].

What it does wrong on purpose, if it is asked to, is what programs do that have no such rules.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

from tests.oracle import judging, recognition
from tests.oracle.recognition import Event, Recording

from .expectation import expected

by_the_rules = recognition.identify


def arrival_order() -> None:
    """Fold events as they come."""
    judging.place = lambda *_: ()


def last_writer() -> None:
    """Take the state of whatever came last, as a status column does."""
    arrival_order()

    def judge(event: Event, *_: object) -> tuple[str, str]:
        return ("noted", judging.MERGE) if event.state is None else ("applied", judging.MOVE)

    judging.judge = judge


def keys_of_bytes() -> None:
    """Take another spelling of a body for another event."""

    def identify(recording: Recording) -> Event | str:
        found = by_the_rules(recording)
        if isinstance(found, str):
            return found
        digest = hashlib.sha256(recognition.body_of(recording)[0]).hexdigest()
        return found._replace(digest=digest, key=found.key.replace(found.digest, digest))

    recognition.identify = identify


WRONG: dict[str, Callable[[], Any]] = {
    "arrival order": arrival_order,
    "last writer": last_writer,
    "keys of bytes": keys_of_bytes,
}


def main() -> None:
    for wrong in sys.argv[1:]:
        WRONG[wrong]()
    for line in sys.stdin:
        case = json.loads(line)
        answer = {"case": case["case"], **expected(case["recordings"])}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
