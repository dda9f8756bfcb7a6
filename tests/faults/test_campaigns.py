"""The campaigns, each as the command that it is, on a small sample; and what they stand on.

A campaign exits with 0 only if its subject showed nothing and its control, which is broken
on purpose, was caught. `docs/contributors/campaigns.md` has the figures of the real sizes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from campaigns.any_order import doubled
from campaigns.disk import SECTOR, Disk, UnsyncedWrites, apply
from campaigns.jetstream import written_files
from campaigns.shim import Call
from campaigns.verdict import Campaign, Figures

ROOT = Path(__file__).parents[2]
READY = [part for part in os.environ.get("LIFECYCLE_PYTHONS", "").split(os.pathsep) if part]

SAMPLES = {
    "power_cuts": "--cuts 40 --failing-cuts 12 --events 40 --control-cuts 12",
    "io_errors": "--stride 197 --control-stride 160",
    "kills": "--kills 40 --control-kills 6",
    "full_disk": "--rounds 4 --control-rounds 2",
    "any_order": "--sets 2 --size 4 --through-orders 20 --lattices 1 --lattice-size 7",
    "tampering": "--instances 1 --clean 4",
    "races": "--rounds 1 --processes 3 --events 150",
    "million": "--events 3000",
    "hostile": "--mutations 20 --control-mutations 10",
    "frameworks": "--mutations 20 --control-mutations 60",
    "server_load": "--attack pipelined --seconds 1 --control-seconds 1",
    "determinism": "--this-python --stride 23",
}

LONGER = {
    "power_cuts": "--cuts 100 --failing-cuts 40 --events 60 --control-cuts 12",
    "full_disk": "--rounds 8 --control-rounds 2",
    "races": "--rounds 1 --processes 4 --events 400",
    "frameworks": "--mutations 60 --control-mutations 60",
    "pages": "--orders 40000 --recorded 300",
    "audit": "--events 2000",
    "dying_database": "--terminated 15 --stops 2 --replies 4 --writers 4 "
    "--control-terminated 25 --control-replies 10",
    "jetstream": "--rounds 3 --partings 1 --writers 4 --cuts 1 --replies 4",
    "creation": "--answers 2",
    "handlers": "--kills 20",
    "hostile": "--mutations 120 --control-mutations 15",
    "io_errors": "--stride 29 --control-stride 80",
    "kills": "--kills 100 --control-kills 6",
    "three_processes": "--orders 30 --control-orders 16 --kills 1",
    "followers": "--kills 24 --postgres-kills 12 --control-kills 36",
    "mutations": "--sample 12 --control 6 --at-least 70",
    "determinism": " ".join(["--this-python", *(f"--python {python}" for python in READY)]),
}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        *(pytest.param(name, sizes, id=name) for name, sizes in SAMPLES.items()),
        *(
            pytest.param(name, sizes, id=f"{name}, longer", marks=pytest.mark.long)
            for name, sizes in LONGER.items()
        ),
    ],
)
def test_the_campaign_holds_and_its_control_is_caught(name, sizes):
    command = [sys.executable, "-m", f"campaigns.{name}", *sizes.split()]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.startswith("held: ")
    assert "control (" in done.stdout


# What a campaign says


def figures(**counts: int) -> Figures:
    made = Figures("lost")
    for what, number in counts.items():
        made.count(what, number)
    return made


@pytest.mark.parametrize(
    ("subject", "control", "code"),
    [
        (figures(kills=9), figures(kills=9, lost=1), 0),
        (figures(kills=9, lost=1), figures(kills=9, lost=1), 1),
        (figures(kills=9), figures(kills=9), 1),
        (figures(), figures(kills=9, lost=1), 1),
    ],
    ids=["held", "found", "a blind control", "no work"],
)
def test_a_campaign_fails_if_it_finds_something_or_its_control_does_not(
    subject, control, code, capsys
):
    assert Campaign("", {}).verdict("kills", subject, {"broken": control}) == code
    assert capsys.readouterr().out.startswith("FAILED" if code else "held")


def test_what_a_sync_covers_is_read_from_a_trace():
    trace = """
7 openat(AT_FDCWD</>, "/s/1.blk", O_RDWR|O_CREAT, 0640) = 9</s/1.blk>
7 pwrite64(9</s/1.blk>, ""..., 100, 0) = 100
7 fsync(9</s/1.blk> <unfinished ...>
8 pwrite64(9</s/1.blk>, ""..., 50, 100 <unfinished ...>
7 <... fsync resumed>)                = 0
8 <... pwrite64 resumed>)             = 50
7 openat(AT_FDCWD</>, "/s/meta.tmp", O_RDWR|O_CREAT|O_SYNC, 0640) = 5</s/meta.tmp>
7 write(5</s/meta.tmp>, ""..., 16)    = 16
7 rename("/s/meta.tmp", "/s/meta") = 0
7 openat(AT_FDCWD</>, "/s/index", O_RDWR|O_CREAT|O_TRUNC, 0640) = 5</s/index>
7 write(5</s/index>, ""..., 8)    = 8
7 fsync(5</s/index> <unfinished ...>
"""
    found = written_files(trace)

    assert {path: (each.size, each.synced, each.is_synced) for path, each in found.items()} == {
        "/s/1.blk": (150, 100, False),
        "/s/meta": (16, 0, True),
        "/s/index": (8, 0, False),
    }


def test_all_deliveries_of_five_events_are_walked():
    """291,720 have each event once or twice; all are prefixes of those that have each twice."""
    walks = list(doubled(5))
    prefixes = {walk[:length] for walk in walks for length in range(5, 11)}

    assert len(walks) == len(set(walks)) == 113_400
    assert sum(len(set(prefix)) == 5 for prefix in prefixes) == 291_720


# What is left after a power cut


def written(text: bytes, offset: int = 0, inode: int = 1) -> Call:
    return Call("w", inode, "a", offset, len(text), text)


def made(name: str, inode: int = 1) -> Call:
    return Call("c", inode, name, 0, 0, b"")


SYNC = Call("s", 1, "a", 0, 0, b"")
FOLDER_SYNC = Call("d", 9, "", 0, 0, b"")


def disk(*calls: Call) -> Disk:
    made_of = Disk()
    for call in calls:
        made_of.take(call)
    return made_of


def left(unsynced: UnsyncedWrites, *calls: Call) -> dict[str, bytes]:
    return disk(*calls).after_cut(unsynced, Random(1))


def test_synced_data_survives_every_power_cut():
    for unsynced in UnsyncedWrites:
        calls = (made("a"), written(b"old"), SYNC, FOLDER_SYNC, written(b"new"))
        assert left(unsynced, *calls)["a"] in {b"old", b"new"}
    assert left(UnsyncedWrites.DROPPED, *calls) == {"a": b"old"}
    assert left(UnsyncedWrites.KEPT, *calls) == {"a": b"new"}


def test_a_file_whose_folder_was_not_synced_may_be_gone():
    assert left(UnsyncedWrites.DROPPED, made("a"), written(b"x"), SYNC) == {}


def test_a_deleted_file_may_come_back_until_its_folder_is_synced():
    calls = (made("a"), written(b"x"), SYNC, FOLDER_SYNC, Call("u", 0, "a", 0, 0, b""))

    assert left(UnsyncedWrites.DROPPED, *calls) == {"a": b"x"}
    assert left(UnsyncedWrites.DROPPED, *calls, FOLDER_SYNC) == {}


def test_a_later_sync_does_not_restore_the_data_of_a_failed_one():
    calls = (made("a"), FOLDER_SYNC, written(b"x"), SYNC._replace(what="x"), SYNC)

    assert left(UnsyncedWrites.KEPT, *calls) == {"a": b""}


def test_a_torn_write_leaves_whole_sectors_old_or_new():
    old, new = b"o" * 4 * SECTOR, b"n" * 4 * SECTOR
    torn = disk(made("a"), FOLDER_SYNC, written(old), SYNC, written(new))

    found = {torn.after_cut(UnsyncedWrites.MIXED, Random(seed))["a"] for seed in range(200)}

    assert {old, new} < found
    for content in found:
        for start in range(0, len(content), SECTOR):
            assert content[start : start + SECTOR] in {b"o" * SECTOR, b"n" * SECTOR}


def test_a_write_beyond_the_end_leaves_zeros_and_a_truncation_cuts():
    content = bytearray(b"ab")
    apply(content, written(b"e", 4))
    assert content == b"ab\0\0e"
    apply(content, Call("t", 1, "a", 3, 0, b""))
    assert content == b"ab\0"
