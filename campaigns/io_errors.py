"""I/O errors: every call to the disk fails, once and for good, and nothing else goes wrong.

A child runs the same short service again and again, and a preloaded shim fails its k-th call
to the disk, for every k until there is no k-th call: opening, reading, writing, syncing,
truncating, deleting, mapping. Every call of the service must end in a receipt or in a
`StoreError`; what was acknowledged must be stored once; and once the fault is over the same
process must record everything without being started again. The control acknowledges what
the store could not write.

    python -m campaigns.io_errors
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any, Final, NamedTuple

from campaigns.broken_variants import acknowledge_despite_errors
from campaigns.record_audit import BAD, audit, stale_views
from campaigns.scratch_folder import scratch
from campaigns.shim import EVERY_KIND, KINDS, CannotInterposeError, Controls, build, run
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import acknowledged, callback
from lifecycle.composition import connect, connect_async
from lifecycle.errors import StoreError
from lifecycle.log.stores.sqlite.connection import SETTINGS
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import AsyncReceipt, Receipt

BAD_HERE: Final = (*BAD, "stale views", "untyped errors", "refusals after the fault was over")
CHECKPOINT_PAGES: Final = 8
"""So that a short service copies its write-ahead file back more than once."""

_CHANGING: Final = EVERY_KIND - sum(KINDS[kind] for kind in ("read", "stat", "map"))


class Fault(NamedTuple):
    """What goes wrong with the calls of some kinds."""

    name: str
    error: int
    kinds: int
    sticky: bool
    torn: bool = False


FAULTS: Final = (
    Fault("EIO once", errno.EIO, EVERY_KIND, sticky=False),
    Fault("EIO for good", errno.EIO, EVERY_KIND, sticky=True),
    Fault("ENOSPC once", errno.ENOSPC, _CHANGING, sticky=False, torn=True),
    Fault("ENOSPC for good", errno.ENOSPC, _CHANGING, sticky=True, torn=True),
    Fault("EROFS for good", errno.EROFS, _CHANGING, sticky=True),
)

ServiceCall = Callable[[Orders], Sequence[Receipt | BaseException]]
"""One thing that a service does; an error among the receipts is raised after these count."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    if arguments and arguments[0] == "--inside":
        return inside(*arguments[1:])
    campaign = Campaign(
        __doc__ or "",
        {
            "stride": (1, "fail only every n-th call"),
            "control-stride": (40, "the same for the control"),
        },
    )
    options = campaign.parse(arguments)
    name = "I/O errors"
    try:
        subject = swept("subject", options.stride, options.seed)
        control = swept("control", options.control_stride, options.seed)
    except CannotInterposeError as cannot:
        return skipped(name, str(cannot))
    return campaign.verdict(name, subject, {"acknowledges in spite of errors": control})


def swept(variant: str, stride: int, seed: int) -> Figures:
    """Return what a child found that ran the whole sweep under the shim."""
    with scratch() as folder:
        (folder / "watched").mkdir()
        command = ["campaigns.io_errors", "--inside", variant, str(stride), str(seed % stride)]
        run(build(folder), folder / "watched", [*command, str(folder)])
        told = json.loads((folder / "figures").read_text())
    figures = Figures(*BAD_HERE)
    figures.counts.update(told["counts"])
    figures.shown = told["shown"]
    return figures


def inside(variant: str, stride: str, first: str, folder: str) -> int:
    """Sweep every fault over every call; runs under the shim."""
    settings: dict[str, object] = SETTINGS  # type: ignore[assignment]
    settings["wal_autocheckpoint"] = CHECKPOINT_PAGES
    if variant == "control":
        acknowledge_despite_errors()
    controls = Controls()
    campaign = Campaign("", {})
    figures = Figures(*BAD_HERE)
    for fault in FAULTS:
        for at in count(1 + int(first), int(stride)):
            path = Path(folder) / "watched" / "one"
            path.mkdir()
            calls, fired = Trial(path / "orders.db", fault, at, controls, figures).run()
            rmtree(path)
            if not fired:
                figures.count(f"calls ({fault.name})", calls)
                break
            figures.count("runs with a fault")
            campaign.tell(f"{variant}: {fault.name} at call {at}: {figures}")
    told = {"counts": figures.counts, "shown": figures.shown}
    (Path(folder) / "figures").write_text(json.dumps(told))
    return 0


class Trial:
    """One run of the service with one fault at one call."""

    def __init__(
        self, path: Path, fault: Fault, at: int, controls: Controls, figures: Figures
    ) -> None:
        self._url = f"sqlite:///{path}"
        self._fault = fault
        self._at = at
        self._where = f"{fault.name} at call {at}"
        self._controls = controls
        self._figures = figures
        self._orders: Orders | None = None
        self._acknowledged: set[str] = set()

    def run(self) -> tuple[int, int]:
        """Run, let the fault pass, run again; return how many calls there were, and failed."""
        fault = self._fault
        self._controls.arm(
            self._at, fault.error, kinds=fault.kinds, sticky=fault.sticky, torn=fault.torn
        )
        for call in service():
            self._attempt(call)
        self._close()
        calls, fired = self._controls.calls, self._controls.fired
        self._controls.disarm()
        self._audit()
        refused = [not self._attempt(call) for call in service()].count(True)
        self._figures.find("refusals after the fault was over", self._where, refused)
        self._audit()
        self._close()
        self._audit()
        self._close()
        return calls, fired

    def _attempt(self, call: ServiceCall) -> bool:
        try:
            if self._orders is None:
                self._orders = connect(self._url)
            ended = call(self._orders)
            for receipt in ended:
                if isinstance(receipt, Receipt):
                    acknowledged(receipt, self._acknowledged.add)
            _raise_first(ended)
        except StoreError:
            self._figures.count("refused calls")
            return False
        except Exception as error:  # noqa: BLE001 - to be found is what it is caught for
            self._figures.find("untyped errors", f"{self._where}: {error!r}")
            return False
        finally:
            if call is _close:
                self._orders = None
        return True

    def _close(self) -> None:
        if self._orders is not None:
            self._attempt(_close)

    def _audit(self) -> None:
        def look(orders: Orders) -> Sequence[Receipt]:
            audit(orders.log, self._acknowledged, self._figures, self._where)
            self._figures.find("stale views", self._where, stale_views(orders))
            return ()

        if not self._attempt(look):
            self._figures.find("refusals after the fault was over", f"{self._where}: an audit")


def _raise_first(ended: Sequence[Receipt | BaseException]) -> None:
    for error in ended:
        if isinstance(error, BaseException):
            raise error


def service() -> Iterator[ServiceCall]:
    """Yield what a service does, call by call; it opens its log anew in the middle."""
    yield _recording(callback(0))
    yield _recording(callback(1))
    yield _recording(callback(2))
    yield _recording(callback(0))
    yield _unreadable
    yield _exchange
    yield _batch
    yield _look
    yield _recording(callback(7, length=60_000))
    yield _close
    yield _tasks
    yield _recording(callback(8))
    yield _look


def _recording(body: bytes) -> ServiceCall:
    return lambda orders: [orders.record_callback(body)]


def _unreadable(orders: Orders) -> Sequence[Receipt]:
    """Record it only if it is not there: in the quarantine everything counts as new."""
    return [] if any(True for _ in orders.quarantine()) else [orders.record_callback(b"<html>")]


def _exchange(orders: Orders) -> Sequence[Receipt]:
    sent = orders.begin_request("begun", {"order_id": "begun"})
    if sent.resumed:
        return [sent.receipt]
    return [sent.receipt, sent.answered(200, {"id": "begun", "status": "created"})]


def _batch(orders: Orders) -> Sequence[Receipt]:
    bodies = (callback(100 + number, length=500) for number in range(30))
    lines: list[Any] = [{"kind": "callback", "body_text": body.decode()} for body in bodies]
    return orders.record_many(lines)


def _tasks(orders: Orders) -> Sequence[Receipt | BaseException]:
    """Record from concurrent tasks, through a log of their own on the same file."""

    async def record() -> Sequence[Receipt | BaseException]:
        async with connect_async(orders.log.url) as tasks:
            calls = [tasks.record_callback(callback(200 + number)) for number in range(8)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            with suppress(StoreError):  # folded while the log is open, and kept
                for receipt in ended:
                    if isinstance(receipt, AsyncReceipt):
                        await receipt.folded()
            return ended

    return asyncio.run(record())


def _look(orders: Orders) -> Sequence[Receipt]:
    receipt = orders.record_callback(callback(0))
    views = [receipt.view, *orders.find()]
    list(orders.quarantine())
    with suppress(LookupError):
        orders.history("order-0")
    orders.log.settings()
    return [receipt] if views else []


def _close(orders: Orders) -> Sequence[Receipt]:
    orders.close()
    return ()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
