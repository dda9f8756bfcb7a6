"""Commands with the one URL of a log in partitions: each answers, the worst one counts."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.verify import verify
from lifecycle.cli import partition
from lifecycle.composition import connect, open_log
from lifecycle.errors import InvalidArgumentError, PartitionedLogError
from lifecycle.log.partitioned import partition_of
from tests.contract.entries import stream
from tests.nats_server import NatsServer, new_name
from tests.polling import wait_until
from tests.scenario.command_line import SCRIPT, Answer, environment, run, story
from tests.scenario.command_line import lines as recordings
from tests.scenario.test_order_links import Parcels, body

PARTITIONS = 4
ORDERS = [f"order-{number}" for number in range(12)]
ALL = list(range(PARTITIONS))


class Parted(NamedTuple):
    """A log in partitions, and the folder where commands run."""

    url: str
    folder: Path
    server: NatsServer
    name: str

    def run(self, *arguments: str) -> Answer:
        return run(*arguments, "--db", self.url, cwd=self.folder)

    def ends(self) -> list[int]:
        with closing(open_log(self.url, create=False)) as log:
            return [part.last_position() for part in log.partitions]

    def publish(self, number: int, order: str) -> None:
        """Publish what is no record, as another hand may."""
        with closing(open_log(f"{self.url}&partition={number}")) as log:
            admin = log.recorder._connection
            subject = f"{self.name}-{number}.o.instacart.{order}"
            admin.run(admin.client.request(subject, b"forged"))


@pytest.fixture
def parted(nats: NatsServer, tmp_path: Path) -> Parted:
    name = new_name()
    beside = f"sqlite:///{tmp_path}/beside-{{partition}}.db"
    made = Parted(nats.url(name, partitions=PARTITIONS, beside=beside), tmp_path, nats, name)
    text = recordings(each for order in ORDERS for each in story(order))
    (tmp_path / "orders.jsonl").write_text(f"{text}no recording\n")
    assert made.run("ingest", "orders.jsonl").code == 0
    return made


def test_verify_answers_for_each_partition_and_the_sum_and_the_worst_counts(parted):
    found = parted.run("verify", "--json").value
    assert [each["partition"] for each in found["partitions"]] == ALL
    assert [each["records"] for each in found["partitions"]] == parted.ends()
    assert (found["ok"], found["records"], found["orders"]) == (True, sum(parted.ends()), 12)
    text = parted.run("verify")
    assert (text.code, text.out.count("\ncheckpoint ")) == (0, PARTITIONS)
    assert "\npartition 3\n" in text.out
    assert f"4 partitions: records {sum(parted.ends())}, orders 12, found 0" in text.out

    parted.publish(2, "forged")

    worst = parted.run("verify", "--json")
    assert worst.code == 1
    assert [each["ok"] for each in worst.value["partitions"]] == [True, True, False, True]


def test_a_large_log_is_verified_and_copied_in_a_process_for_each_partition(parted, monkeypatch):
    expected = parted.run("verify", "--json").value
    monkeypatch.setattr(partition, "SMALL_LOG", 1)
    monkeypatch.setattr(partition.os, "cpu_count", lambda: 2)

    assert parted.run("verify", "--json").value == expected
    parted.run("checkpoint", "--key", "signer.key", "--to", "held-{partition}.txt")
    held = ("--checkpoint", "held-{partition}.txt")
    assert parted.run("verify", "--json", *held).value == expected
    (parted.folder / "held-2.txt").write_text((parted.folder / "held-1.txt").read_text())
    assert parted.run("verify", *held).code == 1
    target = "sqlite:///copy-{partition}.db"
    copied = run("copy", "--from", parted.url, "--to", target, cwd=parted.folder)
    assert (copied.code, copied.out.count("holds together")) == (0, PARTITIONS)


def test_replay_derives_every_partition_again(parted):
    assert parted.run("views", "--rebuild").code == 0

    found = parted.run("replay", "--json").value
    assert (found["ok"], found["orders"], found["compared"]) == (True, 12, 12)
    assert [each["partition"] for each in found["partitions"]] == ALL
    by_rules = parted.run("replay", "--rules", "then")
    assert (by_rules.code, by_rules.out.count("none would change")) == (0, PARTITIONS)

    with sqlite3.connect(parted.folder / "beside-1.db") as beside:
        beside.execute(
            "DELETE FROM order_views WHERE rowid IN (SELECT min(rowid) FROM order_views)"
        )
    worst = parted.run("replay", "--json")
    assert (worst.code, [each["ok"] for each in worst.value["partitions"]]) == (
        1,
        [True, False, True, True],
    )


def test_checkpoints_are_one_for_each_partition_and_each_is_held_against_its_own(parted):
    files = ("--key", "signer.key", "--to", "held-{partition}.txt")
    signed = parted.run("checkpoint", *files, "--json")
    assert signed.code == 0
    assert [each["size"] for each in signed.value["partitions"]] == parted.ends()
    notes = [(parted.folder / f"held-{number}.txt").read_text() for number in ALL]
    assert [each["note"] for each in signed.value["partitions"]] == notes
    assert [Checkpoint.read(note).head.size for note in notes] == parted.ends()
    assert parted.run("verify", "--checkpoint", "held-{partition}.txt").code == 0
    same = parted.run("verify", "--checkpoint", "held-1.txt")
    assert (same.code, "write {partition} for its number" in same.err) == (2, True)

    (parted.folder / "held-3.txt").write_text(notes[0])

    swapped = parted.run("verify", "--checkpoint", "held-{partition}.txt", "--json")
    assert swapped.code == 1
    assert [each["ok"] for each in swapped.value["partitions"]] == [True, True, True, False]
    assert parted.run("checkpoint", *files).code == 1


def test_each_partition_is_copied_to_a_log_of_its_own(parted):
    places = ("copy", "--from", parted.url, "--to")
    done = run(*places, "sqlite:///copy-{partition}.db", "--json", cwd=parted.folder)
    assert (done.code, done.value["written"]) == (0, sum(parted.ends()))
    for number, end in zip(ALL, parted.ends(), strict=True):
        url = f"sqlite:///{parted.folder}/copy-{number}.db"
        with closing(open_log(url, create=False)) as log:
            assert len(list(log.scan())) == end
    assert run(*places, "sqlite:///one.db", cwd=parted.folder).code == 2
    assert not (parted.folder / "one.db").exists()

    other = parted.url.replace(parted.name, new_name()).replace("beside-", "other-")
    again = run(*places, other, "--json", cwd=parted.folder)
    assert (again.code, again.value["written"]) == (0, sum(parted.ends()))
    assert run("verify", "--db", other, "--json", cwd=parted.folder).value["orders"] == 12


def test_an_export_holds_every_partition(parted):
    assert parted.run("export", "-o", "all.jsonl").code == 0
    assert parted.run("export", "--whole", "-o", "one.jsonl").code == 2
    assert parted.run("export", "--whole", "-o", "whole-{partition}.jsonl").code == 0
    assert parted.run("export", "--format", "parquet", "-o", "columns-{partition}").code == 0

    again = ("ingest", "all.jsonl", "--db", "sqlite:///again.db", "--json")
    told = run(*again, cwd=parted.folder).value
    assert (told["appended"], told["orders"]) == (len(ORDERS) * 3, 12)
    for number in ALL:
        assert (parted.folder / f"whole-{number}.jsonl").stat().st_size
        audited = run("audit", f"columns-{number}", "--json", cwd=parted.folder)
        assert (audited.code, audited.value["records"]) == (0, parted.ends()[number])


def test_orders_are_listed_watched_and_looked_at_as_at_a_log_time(parted):
    now = datetime.now(UTC).isoformat()
    assert len(parted.run("list", "--log-at", now, "--json").value) == 12
    assert parted.run("list", "--anomalies", "--json").value == []
    assert "partition=N" in parted.run("list", "--log-at", "3").err
    assert parted.run("show", ORDERS[3], "--log-at", "2").code in (0, 1)
    assert f'"orders": {len(ORDERS)}' in parted.run("stats", "--json").out
    watched = parted.run("watch", "--once", "--after", "0", "--json").out.splitlines()
    numbers = [int(line.partition('"partition":')[2].split(",")[0].rstrip("}")) for line in watched]
    assert sorted(set(numbers)) == ALL
    assert parted.run("watch", "--once", "--after", "7").code == 2


def test_the_doctor_and_attention_name_the_partition(parted):
    checks = {each["name"] for each in parted.run("doctor", "--json").value["checks"]}
    assert {f"partition {number}: records" for number in ALL} <= checks

    items = parted.run("attention", "--overdue-after", "1s", "--json").value
    assert {each["partition"] for each in items} == set(ALL)
    for each in items:
        if each["order_id"]:
            assert each["partition"] == partition_of(stream(each["order_id"]), PARTITIONS)

    chosen = next(each for each in items if each["partition"] == 2)
    how = ("--by", "ann", "--why", "seen")
    assert parted.run("attention", "--review", chosen["subject"], *how).code == 0
    left = parted.run("attention", "--overdue-after", "1s", "--json").value
    assert chosen["subject"] not in [each["subject"] for each in left]
    alone = run(
        "attention", "--all", "--json", "--db", f"{parted.url}&partition=2", cwd=parted.folder
    )
    assert [each["review"]["by"] for each in alone.value if each["review"]] == ["ann"]


def test_a_subscription_keeps_a_position_in_each_partition_and_goes_on_there(parted):
    seen: list[tuple[int | None, int, str]] = []

    def take(change) -> None:
        seen.append((change.partition, change.position, change.order_id))

    with connect(parted.url) as orders:
        reader = orders.subscription("mail", take)
        assert reader.catch_up() == len(seen) == 36
        assert list(reader.positions) == parted.ends()
        assert all(number == partition_of(stream(order), 4) for number, _, order in seen)
        assert [change[:2] for change in orders.changes()] == [
            (position, order) for _, position, order in seen
        ]
        first = reader.positions
        orders.record_callback({"id": ORDERS[0], "status": "acknowledged"})
        assert [change.order_id for change in orders.changes(after=first)] == [ORDERS[0]]

    with connect(parted.url) as orders:
        assert orders.subscription("mail", take).catch_up() == 1
        new = orders.subscription("new", take, after=parted.ends())
        assert (new.catch_up(), list(new.positions)) == (0, parted.ends())
        with pytest.raises(InvalidArgumentError, match="a list of 4 positions"):
            orders.changes(after=5)


def test_a_dead_letter_of_any_partition_is_listed_redriven_and_delivered(parted):
    def fail(_: object) -> None:
        raise ValueError

    with connect(parted.url) as orders:
        orders.subscription("mail", fail, attempts=1).catch_up()
        letters = parted.run("letters", "list", "--json").value
        assert {each["partition"] for each in letters} == set(ALL)
        where = ("mail", str(letters[0]["position"]))
        assert "partition=N" in parted.run("letters", "show", *where).err
        assert parted.run("letters", "redrive", "--json").value == {"redriven": 12}
        told: list[str] = []
        mended = orders.subscription("mail", lambda change: told.append(change.order_id))
        assert mended.catch_up() == 36
        assert sorted(set(told)) == sorted(ORDERS)
        assert not list(orders.letters.list())
        with pytest.raises(PartitionedLogError):
            orders.letters.get("mail", 1)
    delivered = parted.run("letters", "delivered", ORDERS[5], "--json").value
    assert len(delivered) == 3


def test_all_partitions_are_followed_until_the_stop(parted):
    told, stop = set[str](), Event()
    with connect(parted.url) as orders:
        reader = orders.subscription("mail", lambda change: told.add(change.order_id))
        following = Thread(target=reader.follow, args=(stop,), kwargs={"every": 0.05})
        following.start()
        coming = orders.subscribe(stop=stop, every=0.05)
        assert {next(coming).order_id for _ in range(36)} == set(ORDERS)
        while len(told) < len(ORDERS):
            stop.wait(0.05)
        stop.set()
        following.join(10)
    assert not following.is_alive()


def test_an_item_that_became_an_event_in_another_partition_alarms_nobody(nats, tmp_path):
    url = nats.new_url(partitions=PARTITIONS, beside=f"sqlite:///{tmp_path}/b-{{partition}}.db")
    with connect(url, provider=Parcels()) as orders:
        for number in range(8):
            orders.record_callback(body("brought", number, parcel=f"p{number}"))
            orders.record_callback(body("taken", 9, order=f"o{number}", links=[f"p{number}"]))
        assert not list(orders.quarantine())
        assert all(verify(part).ok for part in orders.log.partitions)

    target = "sqlite:///copy-{partition}.db"
    assert run("copy", "--from", url, "--to", target, cwd=tmp_path).code == 0
    alone = run("verify", "--db", "sqlite:///copy-0.db", "--json", cwd=tmp_path)
    assert "re-driven into an event that is not there" in alone.out


def test_one_partition_that_is_away_holds_up_no_checkpoint_of_the_others(parted):
    held = parted.folder / "held-3.txt"
    where = ["--key", "key", "--to", "held-{partition}.txt", "--db", parted.url]
    command = [SCRIPT, "checkpoint", "--every", "1s", *where]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, cwd=parted.folder, env=environment(), **streams) as going:
        try:
            wait_until(held.exists)
            before = held.read_text(encoding="utf-8")
            (parted.folder / "beside-0.db").rename(parted.folder / "away.db")
            parted.publish(3, "forged")
            wait_until(lambda: held.read_text(encoding="utf-8") != before)
            assert any("no checkpoint this time" in line for line in going.stderr)
        finally:
            going.terminate()
