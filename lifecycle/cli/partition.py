"""What commands do on each partition of a log: the answers name it, and the worst one counts.

    one URL ─→ partitions ─→ work, at the same time ─→ an answer each ─→ their sum

In the name of a file, or of a log to copy to, `{partition}` becomes the number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Any, Final, NamedTuple, TypeVar

import typer

from lifecycle.cli.choice import keys_named
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.output import print_json, print_table, say
from lifecycle.composition import open_log
from lifecycle.errors import LostWorkerError
from lifecycle.log.contract import Log

PLACE: Final = "{partition}"
SMALL_LOG: Final = 20_000
"""Records: starting processes takes longer than looking at fewer."""

T = TypeVar("T")


class Answer(NamedTuple):
    """What a command found: as JSON, and how it is shown to people."""

    ok: bool
    as_json: dict[str, Any]
    show: Callable[[], None]


def numbered(log: Log) -> Iterator[tuple[int | None, Log]]:
    """Yield each partition of a log with its number; None where the log is one."""
    parts = log.partitions
    for number, part in enumerate(parts):
        yield (number if len(parts) > 1 else None), part


def end_of(log: Log) -> int:
    """Return the last position of a log, or the sum of those of its partitions."""
    return sum(part.last_position() for part in log.partitions)


def url_of(url: str, number: int | None) -> str:
    """Return the URL of one partition of a log, or of the log that `{partition}` stands in."""
    if number is None:
        return url
    return f"{url}&partition={number}" if url.startswith("nats:") else named(url, number)


def named(name: str, number: int | None) -> str:
    """Return the name of something that each partition has its own of.

    Raises:
        Refusal: the name is the same for all of them.
    """
    if number is not None and PLACE not in name:
        raise Refusal(f"each partition needs its own: write {PLACE} for its number in {name!a}")
    return name if number is None else name.replace(PLACE, str(number))


def heading(number: int | None) -> None:
    """Say which partition the next lines are about, where there are several."""
    if number is not None:
        say(f"partition {number}", "bold")


def in_json(number: int | None, told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told in JSON, with the number of its partition where there is one."""
    return told if number is None else {"partition": number, **told}


def print_parted(headings: Sequence[str], rows: Iterable[tuple[int | None, Iterable[Any]]]) -> bool:
    """Print a table, with the number of each row's partition where there is one."""
    waiting = iter(rows)
    first = next(waiting, None)
    if first is None:
        return False
    told = chain((first,), waiting)
    if first[0] is None:
        return print_table(headings, (row for _, row in told))
    return print_table(("partition", *headings), ((number, *row) for number, row in told))


def from_each(url: str, log: Log, work: Callable[[Log, int | None], T]) -> list[T]:
    """Return what `work` returns for each partition; of a large log in a process for each.

    Raises:
        LostWorkerError: one of the processes ended in the middle of its work.
    """
    parts = list(numbered(log))
    workers = min(len(parts), os.cpu_count() or 1)
    if workers == 1 or end_of(log) < SMALL_LOG:
        return [work(part, number) for number, part in parts]
    numbers = [number for number, _ in parts]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        try:
            return list(pool.map(partial(_opened, url, keys_named(), work), numbers))
        except BrokenProcessPool as broken:
            raise LostWorkerError("a partition", workers) from broken


def print_answers(answers: Sequence[Answer], sums: Iterable[str], *, json: bool) -> None:
    """Print the answer of a log, or those of its partitions and their sums.

    Raises:
        Exit: the answer is "no", or one of them is.
    """
    totals = {name: sum(each.as_json[name] for each in answers) for name in sums}
    ok = all(each.ok for each in answers)
    if json:
        parts = [in_json(number, each.as_json) for number, each in enumerate(answers)]
        whole = {"ok": ok, **totals, "partitions": parts}
        print_json(answers[0].as_json if len(answers) == 1 else whole)
    else:
        for number, each in enumerate(answers):
            heading(number if len(answers) > 1 else None)
            each.show()
        if len(answers) > 1:
            counts = ", ".join(f"{name} {total:,}" for name, total in totals.items())
            say(f"{len(answers)} partitions: {counts or 'done'}", "green" if ok else "bold red")
    if not ok:
        raise typer.Exit(NO)


def _opened(
    url: str, keys: str | None, work: Callable[[Log, int | None], T], number: int | None
) -> T:
    os.environ["TERM"] = "dumb"  # one bar would paint over another
    with closing(open_log(url_of(url, number), create=False, keys=keys, needs_keys=False)) as log:
        return work(log, number)
