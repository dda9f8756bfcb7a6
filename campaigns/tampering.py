"""Tampering: whatever somebody with the database in hand changes under a held checkpoint is found.

Fourteen kinds of change, each with random instances on each store: `verify` has to find all of
them, and the standalone verifier what was done to records. Logs that nobody touched must raise
no alarm. The control holds no checkpoint, and the tree beside the log was thrown away.

    python -m campaigns.tampering --instances 100 --clean 1000
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.audit.verify import verify
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.insider import (
    RECORDS,
    RawPostgres,
    RawSQLite,
    Scene,
    back_date,
    forge_a_mark,
    move_a_feed,
    scene,
    tamper,
)
from tests.postgres_server import Server, server_if_any

BAD: Final = ("missed", "missed by the standalone verifier", "false alarms")
BESIDE: Final[dict[str, Callable[[Scene], None]]] = {
    "forged mark": forge_a_mark,
    "feed positions": move_a_feed,
    "back-dated record": back_date,
}

Make = Callable[[int], AbstractContextManager[Scene]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "instances": (100, "how many of each kind on each store"),
            "clean": (1000, "how many logs that nobody touched, on all stores"),
        },
    )
    options = campaign.parse(arguments)
    figures, control = Figures(*BAD), Figures(*BAD)
    with ExitStack() as stack:
        folder, server = stack.enter_context(scratch()), stack.enter_context(server_if_any())
        stores: dict[str, Make] = {"sqlite": partial(on_sqlite, folder)}
        if server is not None:
            raw = stack.enter_context(server.connect())
            stores["postgres"] = partial(on_postgres, server, raw)
        seed = options.seed
        for name, make in stores.items():
            for _ in range(options.instances):
                seed = each_kind(make, seed, figures)
                figures.count(f"rounds on {name}")
                campaign.tell(figures)
            for _ in range(options.clean // len(stores)):
                seed = clean(make, seed, figures)
                campaign.tell(figures)
        for kind in ("rehash", "cut the tail", "restore a backup"):
            for more in range(5):
                without_a_checkpoint(stores["sqlite"], seed + more, kind, control)
    return campaign.verdict("tampering", figures, {"no checkpoint is held": control})


@contextmanager
def on_sqlite(folder: Path, seed: int) -> Iterator[Scene]:
    """Yield a scene in a file, which is removed at the end."""
    path = folder / f"{seed}.db"
    with closing(SQLiteLog(path)) as log:
        yield scene(log, RawSQLite(path), seed)
    path.unlink()


@contextmanager
def on_postgres(server: Server, raw: psycopg.Connection, seed: int) -> Iterator[Scene]:
    """Yield a scene in a schema of its own."""
    url = server.new_url()
    with closing(PostgresLog(url)) as log:
        yield scene(log, RawPostgres(raw, url), seed)


def each_kind(make: Make, seed: int, figures: Figures) -> int:
    """Try one instance of each kind; return the next seed."""
    for kind in RECORDS:
        seed += 1
        with make(seed) as seen:
            tamper(seen, kind)
            figures.count("changes")
            if seen.verified().ok:
                figures.find("missed", f"{kind}, seed {seed}")
            if seen.standalone() is None:
                figures.find("missed by the standalone verifier", f"{kind}, seed {seed}")
    for kind, change in BESIDE.items():
        seed += 1
        with make(seed) as seen:
            change(seen)
            figures.count("changes")
            told = seen.verified()
            if not (told.notes if change is back_date else told.findings):
                figures.find("missed", f"{kind}, seed {seed}")
    return seed


def clean(make: Make, seed: int, figures: Figures) -> int:
    """Look at a log that nobody touched; return the next seed."""
    with make(seed + 1) as seen:
        figures.count("clean logs")
        told = seen.verified()
        if told.findings or told.notes or seen.standalone() is not None:
            figures.find("false alarms", f"seed {seed + 1}: {[*told.findings, *told.notes][:1]}")
    return seed + 1


def without_a_checkpoint(make: Make, seed: int, kind: str, figures: Figures) -> None:
    """Try a kind that only a checkpoint shows, where there is none."""
    with make(seed + 1) as seen:
        tamper(seen, kind)
        seen.raw.forget_the_tree()
        figures.count("changes")
        if verify(seen.log).ok:
            figures.find("missed", kind)


if __name__ == "__main__":
    sys.exit(main())
