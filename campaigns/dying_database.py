"""A dying database: acknowledged events are stored once, and followers see all of them.

Writers record into one PostgreSQL log, half of them through a proxy that loses the replies to
some commits, while sessions are terminated at random and the server is stopped and restarted.
Commits are slow, and some are rolled back at the last moment. Followers continue from their
last position. Nobody may see an error. The controls: inserts without the lock, so that
followers miss events; and a writer that does not look for its event after a lost reply, so
that items are quarantined twice.

    python -m campaigns.dying_database --terminated 200 --stops 20
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple
from unittest.mock import patch

import psycopg

from campaigns.record_audit import BAD, audit, streams_with_gaps
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import Acknowledge, acknowledged, label, record_one
from lifecycle.composition import connect, open_log
from lifecycle.log.codec import decode
from lifecycle.log.stores.postgres import log as postgres
from lifecycle.log.stores.postgres.tables import LogTables
from lifecycle.log.stores.sql.records import RecordStatements
from lifecycle.log.writer import Writer
from lifecycle.service.orders import Orders
from tests.faults.children import Child
from tests.postgres_programs import NoServerError
from tests.postgres_server import Server, running
from tests.proxy import Proxy, proxied

BAD_HERE: Final = (*BAD, "missed", "errors", "gaps", "too few")
FOLLOWERS: Final = 2
POOL: Final = 4000
SECONDS: Final = 120
LAST_CHANCE: Final = 0.5

# Runs when everything is inserted, just before the commit.
SLOW_COMMITS: Final = """
CREATE FUNCTION {schema}.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(random() * 0.004);
    IF random() < 0.02 THEN RAISE EXCEPTION 'rolled back' USING ERRCODE = '40001'; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.originator_version % 3 = 0) EXECUTE FUNCTION {schema}.slowly();
"""


class Size(NamedTuple):
    """How much dies, and how many write."""

    writers: int
    terminated: int
    stops: int
    replies: int
    chance: float
    only_items: bool = False


class Run(NamedTuple):
    """One log, the files that the processes of a run leave, and how they are told to end."""

    folder: Path
    server: Server
    place: LogTables

    def url(self, proxy: Proxy | None = None) -> str:
        """Return the URL of the log, straight or through a proxy."""
        if proxy is not None:
            return proxy.url(self.place.schema, retry_timeout=SECONDS)
        return self.server.url(schema=self.place.schema, retry_timeout=SECONDS)

    def lines(self, kind: str) -> list[str]:
        """Return what all processes of a kind left."""
        files = self.folder.glob(f"{kind}-*")
        return [line for file in files for line in file.read_text().splitlines()]

    def tell(self, what: str) -> None:
        """Tell all processes something."""
        (self.folder / what).touch()

    def is_told(self, what: str) -> bool:
        """Tell whether that was told."""
        return (self.folder / what).exists()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "terminated": (200, "how many sessions are terminated"),
            "stops": (20, "how many times the server is stopped at once"),
            "replies": (60, "how many replies to commits are lost, at least"),
            "writers": (8, "how many processes write"),
            "control-terminated": (20, "how many sessions of each control are terminated"),
            "control-replies": (20, "how many replies are lost to the control that never looks"),
        },
    )
    options = campaign.parse(arguments)
    size = Size(options.writers, options.terminated, options.stops, options.replies, 0.03)
    few = size._replace(terminated=options.control_terminated, stops=0, replies=0)
    # Events have an identity, which saves them from being doubled: items have none. Two
    # writers, as more of them mostly lose races, and a race that is lost is no commit.
    deaf = few._replace(writers=2, replies=options.control_replies, chance=0.5, only_items=True)
    try:
        subject = die("subject", size, options.seed, campaign)
        few_lost = size.replies - subject.counts["replies lost"]
        subject.find("too few", "fewer replies were lost than asked for", max(0, few_lost))
        with without_the_lock():
            unlocked = die("unlocked", few, options.seed, campaign)
        with never_looking():
            blind = die("blind", deaf, options.seed, campaign)
    except NoServerError as why:
        return skipped("a dying database", str(why))
    controls = {"inserts without the lock": unlocked, "never looks for what it wrote": blind}
    return campaign.verdict("a dying database", subject, controls)


def die(name: str, size: Size, seed: int, campaign: Campaign) -> Figures:
    """Let writers write and followers follow while the database dies; look at what is left."""
    figures = Figures(*BAD_HERE)
    with scratch() as folder, running() as server, proxied(server) as proxy:
        run = Run(folder, server, LogTables(name))
        open_log(run.url()).close()
        with server.connect() as owner:
            names = {"schema": run.place.quoted_schema, "table": run.place.log}
            owner.execute(SLOW_COMMITS.format(**names).encode())
        writers = [
            Child(
                partial(
                    write,
                    run,
                    run.url(proxy if number % 2 else None),
                    number,
                    seed,
                    record_item if size.only_items else record_one,
                )
            )
            for number in range(size.writers)
        ]
        followers = [Child(partial(follow, run, number)) for number in range(FOLLOWERS)]
        for child in (*writers, *followers):
            child.first_bytes()
        proxy.lose_some(size.chance, Random(seed))
        try:
            kill(run, size, Random(f"{seed} {name}"), figures, campaign)
            wait_for_losses(proxy, size.replies)
        finally:
            run.tell("stop")
            collect(writers, figures)
            run.tell("finish")
            collect(followers, figures)
        figures.count("replies lost", proxy.cut)
        inspect(run, figures)
    return figures


def record_item(
    orders: Orders, number: int, _: Random, acknowledge: Acknowledge, *, once: str = ""
) -> None:
    """Record something that cannot be read."""
    acknowledged(orders.record_callback(f"<html>{number} {once}".encode()), acknowledge)


def write(  # noqa: PLR0917 - it runs in a process of its own
    run: Run, url: str, number: int, seed: int, record: Callable[..., None], pipe: int
) -> None:
    """Record until told to stop; what was told and what went wrong is a line each."""
    random = Random(f"{seed} {number}")
    calls = 0
    with (
        (run.folder / f"told-{number}").open("w") as told,
        (run.folder / f"error-{number}").open("w") as wrong,
        closing(connect(url)) as orders,
    ):
        os.write(pipe, b"opened")
        while not run.is_told("stop"):
            calls += 1
            try:
                record(
                    orders,
                    random.randrange(POOL),
                    random,
                    lambda name: told.write(f"{name}\n"),
                    once=f"{number} {calls}",
                )
            except Exception as error:  # noqa: BLE001 - to be found is what it is caught for
                wrong.write(f"{error!r:.300}\n")


def follow(run: Run, number: int, pipe: int) -> None:
    """Read on from the last position seen, until all is written and read."""
    last = 0
    with (run.folder / f"seen{number}-0").open("w") as seen, closing(open_log(run.url())) as log:
        os.write(pipe, b"opened")
        while True:
            ends = run.is_told("finish")
            before = last
            for record in log.scan(after=last):
                seen.write(f"{label(decode(record))}\n")
                last = record.position
            if ends and last == before:
                return
            time.sleep(0.005)


def kill(run: Run, size: Size, random: Random, figures: Figures, campaign: Campaign) -> None:
    """Terminate sessions and stop the server, so often and in a drawn order."""
    todo = [True] * size.stops + [False] * size.terminated
    random.shuffle(todo)
    for stops in todo:
        time.sleep(random.uniform(0.01, 0.05))
        if stops:
            run.server.stop()
            time.sleep(random.uniform(0, 0.2))
            run.server.start()
            figures.count("immediate stops")
        else:
            figures.count("terminated", terminate_one(run.server))
        campaign.tell(figures)


def wait_for_losses(proxy: Proxy, replies: int) -> None:
    """Have more replies lost until they are as many as asked for, which takes writers alive."""
    deadline = time.monotonic() + SECONDS
    proxy.lose_more(LAST_CHANCE)
    while proxy.cut < replies and time.monotonic() < deadline:
        time.sleep(0.01)


def terminate_one(server: Server) -> int:
    """Terminate one session of a writer or a follower, rather one that is busy."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            done = server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
                "'lifecycle' ORDER BY state = 'active' DESC, random() LIMIT 1"
            )
        except psycopg.OperationalError:
            done = []
        if done == [(True,)]:
            return 1
        time.sleep(0.01)
    return 0


def collect(children: Sequence[Child], figures: Figures) -> None:
    """Wait for the end of some processes."""
    for child in children:
        code, written = child.collect(SECONDS)
        if code:
            figures.find("errors", f"a process ended with {code}: {written.decode()[-300:]}")


def inspect(run: Run, figures: Figures) -> None:
    """Look at what is stored, what was told, and what the followers saw."""
    told = run.lines("told")
    wrong = run.lines("error")
    figures.count("acknowledged", len(told))
    figures.find("errors", str(wrong[:1]), len(wrong))
    with closing(open_log(run.url(), create=False)) as log:
        audit(log, told, figures, "after all")
        figures.find("gaps", "versions have gaps", streams_with_gaps(log))
        stored = [label(decode(record)) for record in log.scan()]
    figures.count("stored", len(stored))
    for number in range(FOLLOWERS):
        missed = set(stored) - set(run.lines(f"seen{number}"))
        figures.find("missed", f"follower {number}: {sorted(missed)[:1]}", len(missed))


@contextmanager
def without_the_lock() -> Iterator[None]:
    """Have the insert draw positions without waiting for who drew before."""
    locked = postgres.record_statements

    def unlocked(tables: LogTables) -> RecordStatements:
        statements = locked(tables)
        return statements._replace(
            insert=statements.insert.replace("pg_advisory_xact_lock", "abs"),
        )

    with patch.object(postgres, "record_statements", unlocked):
        yield


@contextmanager
def never_looking() -> Iterator[None]:
    """Have writers decide anew after a lost reply, whatever became of the commit."""
    with patch.object(Writer, "_find", lambda *_: None):
        yield


if __name__ == "__main__":
    sys.exit(main())
