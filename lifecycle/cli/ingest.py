"""`lifecycle ingest`: recordings in, counts out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

import typer

from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import print_fields, print_json, say
from lifecycle.cli.progress import progress
from lifecycle.cli.source import check_files, read_batches
from lifecycle.core.event import Event
from lifecycle.log.contract import Outcome
from lifecycle.service.receipt import Receipt


@dataclass
class Tally:
    """What became of the lines so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    orders: set[str] = field(default_factory=set)

    def count(self, receipts: list[Receipt]) -> None:
        """Count what became of some lines."""
        for receipt in receipts:
            self.outcomes[receipt.outcome] += 1
            if isinstance(receipt.event, Event):
                self.orders.add(receipt.event.stream)

    def counts(self) -> dict[str, int]:
        """Return the counts by outcome, and of distinct orders."""
        return {outcome.value: self.outcomes[outcome] for outcome in Outcome} | {
            "orders": len(self.orders)
        }


def ingest(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings; - is stdin.")],
    *,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Append recordings to the log; repeated events change nothing."""
    size = check_files(files)
    tally = Tally()
    with opened(db, provider, create=True) as orders, progress("ingest", size) as advance:
        for name in files:
            for batch in read_batches(name):
                tally.count(orders.record_many(batch.lines, first_line=batch.first_line))
                advance(batch.size)
    if json:
        print_json(tally.counts())
        return
    print_fields(tally.counts())
    if tally.outcomes[Outcome.QUARANTINED]:
        say("what could not be read, and why: lifecycle quarantine")
