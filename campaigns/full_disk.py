"""Full and read-only disks: a typed error, no acknowledgement, and recovery afterwards.

A process mounts a private disk of a few megabytes and fills it, except for some bytes drawn by
seed: while the log is open, before it is opened, or before it is created. It also mounts the
disk read-only. Every call must end in a receipt or a `StoreError`. Once there is room again,
the same process records without a restart. `io_errors` covers a disk that becomes read-only
under an open log. The control acknowledges what the store could not write.

    python -m campaigns.full_disk --rounds 200
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from campaigns.broken_variants import acknowledge_despite_errors
from campaigns.mounts import CannotMountError, mount, unmount, unshare_mounts
from campaigns.record_audit import BAD, audit, stale_views
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import record_one
from lifecycle.composition import connect
from lifecycle.errors import StoreError
from lifecycle.service.orders import Orders
from tests.faults.children import Child

BAD_HERE: Final = (
    *BAD,
    "stale views",
    "untyped errors",
    "refusals after there was room",
    "never refused",
)
SIZE: Final = 4 * 1024 * 1024
MOST_FREE: Final = 300_000
REFUSALS: Final = 6
MOST_CALLS: Final = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "rounds": (100, "how many disks are filled or made read-only"),
            "control-rounds": (8, "how many of the control"),
        },
    )
    options = campaign.parse(arguments)
    try:
        subject = filled("subject", options.rounds, options.seed)
        control = filled("control", options.control_rounds, options.seed)
    except CannotMountError as cannot:
        return skipped("full disks", str(cannot))
    return campaign.verdict("full disks", subject, {"acknowledges in spite of errors": control})


def filled(variant: str, rounds: int, seed: int) -> Figures:
    """Return what a child found that lived through so many full disks.

    Raises:
        CannotMountError: this user may mount nothing here.
    """
    with scratch() as folder:
        code, written = Child(partial(inside, variant, rounds, seed, folder)).collect(3600)
    if code:
        raise RuntimeError(written.decode()[-2000:])
    told = json.loads(written)
    if "refused" in told:
        raise CannotMountError(told["refused"])
    figures = Figures(*BAD_HERE)
    figures.counts.update(told["counts"])
    figures.shown = told["shown"]
    return figures


def inside(variant: str, rounds: int, seed: int, folder: Path, pipe: int) -> None:
    """Fill disk after disk, and tell what came of it."""
    figures = Figures(*BAD_HERE)
    if variant == "control":
        acknowledge_despite_errors()
    try:
        unshare_mounts()
        for number in range(rounds):
            disk = folder / f"disk{number}"
            disk.mkdir()
            mount(disk, SIZE)
            play = PLAYS[number % len(PLAYS)]
            play(Service(disk, Random(f"{seed} {number}"), figures, f"{play.__name__} {number}"))
            figures.count(play.__name__.replace("_", " "))
            unmount(disk)
    except CannotMountError as cannot:
        os.write(pipe, json.dumps({"refused": str(cannot)}).encode())
        return
    told = {"counts": figures.counts, "shown": figures.shown}
    os.write(pipe, json.dumps(told).encode())


class Service:
    """A service on a small disk, and who fills the disk."""

    def __init__(self, disk: Path, random: Random, figures: Figures, where: str) -> None:
        self._disk = disk
        self._random = random
        self._figures = figures
        self._where = where
        self._orders: Orders | None = None
        self._acknowledged: set[str] = set()
        self._numbers = count()

    def record(self, calls: int) -> int:
        """Record, and return how many calls were refused."""
        return [self._attempt(self._record_one) for _ in range(calls)].count(False)

    def record_until_refused(self) -> None:
        """Record until some calls in a row were refused; what comes through may be small."""
        in_a_row = 0
        for _ in range(MOST_CALLS):
            in_a_row = 0 if self._attempt(self._record_one) else in_a_row + 1
            if in_a_row == REFUSALS:
                return
        self._figures.find("never refused", self._where)

    def look(self) -> bool:
        """Read everything; tell whether that was possible."""
        return self._attempt(lambda orders: [list(orders.find()), list(orders.quarantine())])

    def fill(self) -> None:
        """Leave few bytes free, or none."""
        space = os.statvfs(self._disk)
        free = space.f_bavail * space.f_bsize
        left = self._random.choice((0, self._random.randrange(MOST_FREE)))
        (self._disk / "filler").write_bytes(bytes(max(0, free - left)))

    def make_room(self) -> None:
        """Give back what `fill` took."""
        (self._disk / "filler").unlink()

    def let(self, *, only_be_read: bool) -> None:
        """Mount the disk anew, so that it takes nothing, or takes something again."""
        mount(self._disk, SIZE, read_only=only_be_read, again=True)

    def close(self) -> None:
        """Close the log, as far as that is possible."""
        if self._orders is not None:
            self._attempt(lambda orders: orders.close())
            self._orders = None

    def must_work_again(self) -> None:
        """Record and look, now that nothing is in the way; again after the log is opened anew."""
        refused = self.record(12)
        for _ in range(2):
            refused += not self._attempt(self._audit)
            self.close()
        self._figures.find("refusals after there was room", self._where, refused)
        self._figures.count("acknowledged", len(self._acknowledged))

    def _record_one(self, orders: Orders) -> None:
        number = next(self._numbers)
        acknowledge = self._acknowledged.add
        record_one(orders, number, self._random, acknowledge, once=str(number))

    def _audit(self, orders: Orders) -> None:
        audit(orders.log, self._acknowledged, self._figures, self._where)
        self._figures.find("stale views", self._where, stale_views(orders))

    def _attempt(self, call: Callable[[Orders], object]) -> bool:
        try:
            if self._orders is None:
                self._orders = connect(f"sqlite:///{self._disk / 'orders.db'}")
            call(self._orders)
        except StoreError:
            self._figures.count("refused calls")
            return False
        except Exception as error:  # noqa: BLE001 - to be found is what it is caught for
            self._figures.find("untyped errors", f"{self._where}: {error!r}")
            return False
        return True


def filled_while_open(service: Service) -> None:
    """Fill the disk under an open log, which can be read all the while."""
    service.record(20)
    service.fill()
    service.record_until_refused()
    service.look()
    service.make_room()
    service.must_work_again()


def filled_before_it_is_made(service: Service) -> None:
    """Make a log where there is no room for one."""
    service.fill()
    service.record_until_refused()
    service.make_room()
    service.must_work_again()


def filled_and_opened_anew(service: Service) -> None:
    """Close a log on a full disk, and open it there again."""
    service.record(20)
    service.fill()
    service.record_until_refused()
    service.close()
    service.look()
    service.record_until_refused()
    service.make_room()
    service.must_work_again()


def read_only(service: Service) -> None:
    """Open a log on a disk that takes nothing."""
    service.record(20)
    service.close()
    service.let(only_be_read=True)
    service.look()
    service.record_until_refused()
    service.close()
    service.let(only_be_read=False)
    service.must_work_again()


PLAYS: Final = (filled_while_open, filled_before_it_is_made, filled_and_opened_anew, read_only)


if __name__ == "__main__":
    sys.exit(main())
