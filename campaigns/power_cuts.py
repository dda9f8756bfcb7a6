"""Power cuts: events acknowledged before the cut are stored exactly once after it.

A child records through the library while a preloaded shim traces every call that changes the
database's files, with its bytes, and every acknowledgement. From any point of that trace the
disk is reconstructed as a cut may leave it: synced data is there, the rest is dropped, kept or
torn at sectors of 512 bytes, by seed. The library opens that disk and continues. A second run
adds syncs that fail and whose data never reaches the disk. The control sets
`synchronous=NORMAL`.

    python -m campaigns.power_cuts --cuts 600
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from errno import EIO
from pathlib import Path
from random import Random
from typing import Final

from campaigns.disk import Disk, UnsyncedWrites
from campaigns.record_audit import BAD, audit
from campaigns.scratch_folder import scratch
from campaigns.shim import KINDS, Call, CannotInterposeError, Controls, build, read_trace, run
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import callback, record_one
from lifecycle.composition import connect
from lifecycle.errors import LifecycleError, StoreUnavailableError
from lifecycle.log.stores.sqlite.connection import SETTINGS

FULL, FAILING, NORMAL = "full", "failing", "normal"
NAME: Final = "orders.db"
SESSIONS: Final = 3
CHECKPOINT_PAGES: Final = 40
"""So that a short trace holds checkpoints too; ours comes after two thousand pages."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    if arguments and arguments[0] == "--record":
        return record(*arguments[1:])
    campaign = Campaign(
        __doc__ or "",
        {
            "cuts": (600, "how many power cuts"),
            "failing-cuts": (200, "how many more, where syncs fail now and then"),
            "events": (250, "how many calls the child makes"),
            "control-cuts": (40, "how many power cuts of the control"),
        },
    )
    options = campaign.parse(arguments)
    name = "power cuts"
    try:
        subject = cut(FULL, options.cuts, options.events, options.seed, campaign)
        subject.add(cut(FAILING, options.failing_cuts, options.events, options.seed, campaign))
        control = cut(NORMAL, options.control_cuts, options.events, options.seed, campaign)
    except CannotInterposeError as cannot:
        return skipped(name, str(cannot))
    return campaign.verdict(name, subject, {"synchronous=NORMAL": control})


def record(path: str, variant: str, events: str, seed: str) -> int:
    """Record as a service does, in some sessions one after the other; runs under the shim."""
    controls = Controls()
    random = Random(seed)
    settings: dict[str, object] = SETTINGS  # type: ignore[assignment]
    settings["wal_autocheckpoint"] = CHECKPOINT_PAGES
    settings["synchronous"] = 1 if variant == NORMAL else 2
    for session in range(SESSIONS):
        with connect(f"sqlite:///{path}") as orders:
            for number in range(session, int(events), SESSIONS):
                if variant == FAILING and random.random() < 0.3:
                    controls.arm(random.randint(1, 3), EIO, kinds=KINDS["sync"], sticky=False)
                with suppress(StoreUnavailableError):
                    record_one(orders, number, random, controls.mark)
            controls.disarm()
    return 0


def cut(variant: str, cuts: int, events: int, seed: int, campaign: Campaign) -> Figures:
    """Return what so many power cuts did to one run of the child."""
    figures = Figures(*BAD)
    with scratch() as folder:
        calls = traced(folder, variant, events, seed)
        figures.count("calls in the trace", len(calls))
        figures.count("failed syncs", sum(call.what == "x" for call in calls))
        figures.count("acknowledgements", sum(call.what == "m" for call in calls))
        for number, (point, disk, acknowledged) in enumerate(points(calls, cuts)):
            random = Random(f"{seed} {number}")
            unsynced = list(UnsyncedWrites)[number % len(UnsyncedWrites)]
            url = power_on(folder / "found", disk.after_cut(unsynced, random), random)
            figures.count("cuts")
            look(url, acknowledged, figures, f"cut {number} after call {point}, {unsynced}")
            campaign.tell(f"{variant}: {figures}")
    return figures


def traced(folder: Path, variant: str, events: int, seed: int) -> list[Call]:
    """Return what a child asked of the disk while it recorded.

    Raises:
        CannotInterposeError: SQLite's calls do not pass through the shim here.
    """
    (folder / "watched").mkdir()
    database = str(folder / "watched" / NAME)
    command = ["campaigns.power_cuts", "--record", database, variant, str(events), str(seed)]
    run(build(folder), folder / "watched", command, folder / "trace")
    calls = [call for call in read_trace(folder / "trace") if not call.name.endswith("-shm")]
    if not Counter(call.what for call in calls)["s"]:
        raise CannotInterposeError("SQLite's calls do not pass through a preloaded library here")
    if variant != FAILING and not tells_all(calls, folder / "watched"):
        raise RuntimeError("the trace does not tell everything that was written")
    return calls


def tells_all(calls: Sequence[Call], folder: Path) -> bool:
    """Tell whether a trace makes the very files that the child left behind."""
    disk = Disk()
    for call in calls:
        if call.what != "m":
            disk.take(call)
    return disk.after_cut(UnsyncedWrites.KEPT, Random()) == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def points(calls: Sequence[Call], cuts: int) -> Iterator[tuple[int, Disk, set[str]]]:
    """Yield the disk and what was acknowledged, at so many points spread over the trace."""
    disk, acknowledged = Disk(), set[str]()
    wanted = Counter(1 + number * len(calls) // cuts for number in range(cuts))
    for place, call in enumerate(calls, 1):
        if call.what == "m":
            acknowledged.add(call.written.decode())
        else:
            disk.take(call)
        for _ in range(wanted[place]):
            yield place, disk, acknowledged


def power_on(folder: Path, files: dict[str, bytes], random: Random) -> str:
    """Put down what is found after a cut, and return the database's URL."""
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if random.random() < 0.3:
        (folder / f"{NAME}-shm").write_bytes(random.randbytes(32768))
    return f"sqlite:///{folder / NAME}"


def look(url: str, acknowledged: set[str], figures: Figures, where: str) -> None:
    """Open what is found, go on recording, and look at it all."""
    try:
        with closing(connect(url)) as orders:
            orders.record_callback(callback(999_999_999))
            audit(orders.log, acknowledged, figures, where)
    except LifecycleError as error:
        figures.find("broken", f"{where}: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
