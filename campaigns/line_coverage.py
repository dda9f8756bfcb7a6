"""Line coverage of the modules by test, with the time of each test."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage

ROOT: Final = Path(__file__).parents[1]
WALL_SECONDS: Final = 60
"""So long a test or a mutant may take on a machine that others use too."""

_SLOWEST: Final = 2.0


class Suite(NamedTuple):
    """Which tests there are, by the modules that they are about; what is noted goes to `folder`."""

    about: dict[str, tuple[str, ...]]
    folder: Path

    @property
    def files(self) -> list[str]:
        """All files of tests."""
        return list(dict.fromkeys(file for files in self.about.values() for file in files))


Ran = dict[str, tuple[float, dict[str, list[int]]]]
"""Each test's time, and the lines of the modules that it ran."""


class Early:
    """Notes whose code is run while modules are loaded and tests are collected."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._paths = {str(ROOT / module) for module in modules}
        self.ran: set[tuple[str, str]] = set()

    def __enter__(self) -> None:
        sys.settrace(self._note)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Note no more."""
        sys.settrace(None)

    def _note(self, frame: FrameType, _: str, __: object) -> None:
        code = frame.f_code
        if code.co_filename in self._paths:
            self.ran.add((code.co_filename, code.co_qualname.partition(".<locals>")[0]))


class _TooSlowError(BaseException):
    """A test took longer than a mutant's tests may."""


def coverage_of(suite: Suite) -> Path:
    """Return where it is kept which test runs what: another file for others of either."""
    known = sha256(repr(suite.about).encode())
    for source in sorted([*(ROOT / "lifecycle").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        known.update(source.read_bytes())
    return suite.folder / f"coverage.{known.hexdigest()[:16]}.json"


def coverage(items: dict[str, pytest.Item], suite: Suite) -> Ran:
    """Return each test's time and lines, each run in a child of its own.

    In one process the first test would run what caches keep for all others.
    """
    path = coverage_of(suite)
    if not path.exists():
        for stale in suite.folder.glob("coverage.*.json"):
            stale.unlink(missing_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        ran: Ran = {}
        for test, item in items.items():
            pid = os.fork()
            if pid == 0:
                with dying():
                    part.write_text(json.dumps(_covered(item, suite.about)))
                    os._exit(0)
            if os.waitpid(pid, 0)[1] == 0 and (found := json.loads(part.read_text())):
                ran[test] = found
        part.write_text(json.dumps(ran))
        part.rename(path)
    known: Ran = json.loads(path.read_text())
    return known


def _covered(
    item: pytest.Item, modules: Iterable[str]
) -> tuple[float, dict[str, list[int]]] | None:
    """Return what a test runs, None if it fails or takes too long."""
    paths = [str(ROOT / module) for module in modules]
    measured = Coverage(data_file=None, config_file=False, include=paths)
    measured.set_option("run:disable_warnings", ["no-data-collected"])
    measured.start()
    seconds = _seconds(item)
    measured.stop()
    found = measured.get_data()
    if seconds is None:
        return None
    return seconds, {os.path.relpath(p, ROOT): found.lines(p) or [] for p in found.measured_files()}


def _seconds(item: pytest.Item) -> float | None:
    """Return how much processor time a test takes, None if it fails or takes too long."""

    def too_slow(_: int, __: object) -> None:
        raise _TooSlowError

    for signalled, timer, limit in (
        (signal.SIGPROF, signal.ITIMER_PROF, _SLOWEST),
        (signal.SIGALRM, signal.ITIMER_REAL, WALL_SECONDS),
    ):
        signal.signal(signalled, too_slow)
        signal.setitimer(timer, limit)
    began = time.process_time()
    try:
        passed = first_failing([item]) is None
        return time.process_time() - began if passed else None
    except _TooSlowError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def first_failing(items: Sequence[pytest.Item]) -> str | None:
    """Run tests until one fails, and return its name; None if all pass."""
    for item, following in zip(items, [*items[1:], None], strict=False):
        reports = runtestprotocol(item, log=False, nextitem=following)
        if any(report.failed for report in reports):
            return item.nodeid
    return None


@contextmanager
def dying(code: int = 2) -> Iterator[None]:
    """End a child here, whatever is raised: the parent's frames are none of its business."""
    try:
        yield
    except BaseException:  # noqa: BLE001 - a mutant may raise anything
        os._exit(code)
