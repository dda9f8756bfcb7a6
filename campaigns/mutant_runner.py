"""Runs mutants: each in a child process, against the tests that run its lines.

    one process, tests collected ─→ which test runs which line, and for how long
            └─ fork ─→ replace the function's code ─→ its tests, the quickest first

The forked process has run no test, so no cache remembers the original code. Code that runs
while modules are loaded, tables and defaults need more: such a mutant gets a process that has
loaded no module of the library yet, and that reads the changed source.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NamedTuple, cast

import pytest

from campaigns.line_coverage import (
    ROOT,
    WALL_SECONDS,
    Early,
    Ran,
    Suite,
    coverage,
    coverage_of,
    dying,
    first_failing,
)
from campaigns.mutant import NOTHING, Mutant

CPU_SECONDS: Final = 30
"""So much processor time a mutant may take: more is an endless loop."""

_MEMORY: Final = 4 << 30
# A mutant's tests take at most so long together: that is what the limit above is held against.
_BUDGET: Final = 8.0
# A function with more cases than these meets a mutant with every third of them.
_CASES: Final = 72
_PARTS: Final = 3
_PLUGINS_LOADED_FIRST: Final = (
    *(
        "eventsourcing.sqlite",
        "hypothesis",
        "jiter",
        "psycopg",
        "pydantic",
        "rich",
        "transitions",
        "typer",
    ),
)


class TrialResult(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    LOADED = "loaded"
    """Not tried: its code ran while the modules were loaded, and it needs a new process."""


class Trial(NamedTuple):
    """A mutant to try; a blind one meets tests that check nothing."""

    mutant: Mutant
    is_blind: bool = False

    @property
    def key(self) -> str:
        """What its result is known by."""
        return self.mutant.key + ("-blind" if self.is_blind else "")


Report = Callable[[Trial, TrialResult, float], None]
"""Hears what became of a mutant, and how long that took."""


def attempt(trials: Sequence[Trial], suite: Suite, tell: Report, until: float) -> None:
    """Try mutants one after the other until there are no more, or no more time."""
    bodies = [trial for trial in trials if trial.mutant.is_in_body]
    again = [trial for trial in trials if not trial.mutant.is_in_body]
    again += _in_session(_Work(bodies, suite, tell, until))
    ran: Ran = json.loads(coverage_of(suite).read_text())
    for trial in again:
        if time.monotonic() > until:
            return
        began = time.monotonic()
        outcome = _forked(lambda trial=trial: not _loaded_anew(trial, suite, ran))
        tell(trial, outcome, time.monotonic() - began)


def load_first() -> None:
    """Load what every test needs and no mutant changes, once for all children."""
    for name in _PLUGINS_LOADED_FIRST:
        importlib.import_module(name)
    from hypothesis import settings  # noqa: PLC0415 - loaded by now

    settings.register_profile("mutations", database=None, derandomize=True, deadline=None)
    settings.load_profile("mutations")
    # A proof would use every processor, and what its processes run could not be noted.
    os.sched_getaffinity = lambda _: {0}


class _Work(NamedTuple):
    """What a session has to do."""

    trials: Sequence[Trial]
    suite: Suite
    tell: Report
    until: float

    @property
    def left(self) -> Path:
        """Where the session notes what it cannot try."""
        return self.suite.folder / f"left.{os.getpid()}"


def _in_session(work: _Work) -> list[Trial]:
    """Try what only changes a function's code; return those whose code was run too early."""
    left = work.left
    left.write_text("")
    pid = os.fork()
    if pid == 0:
        with dying(), _printing_to(work.suite.folder / "session.log"):
            session = _Session(work, left)
            with session.early:
                pytest.main(_options(work.suite, work.suite.files), plugins=[session])
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    keys = set(left.read_text().split())
    for file in left.parent.glob(f"left.{os.getpid()}*"):
        file.unlink()
    if status or not coverage_of(work.suite).exists():
        said = (work.suite.folder / "session.log").read_text()[-2000:]
        raise RuntimeError(f"no tests were collected:\n{said}")
    return [trial for trial in work.trials if trial.key in keys]


class _Session:
    """Takes the place of pytest's loop over the tests: a child for each mutant instead."""

    def __init__(self, work: _Work, left: Path) -> None:
        self._work, self._left = work, left
        self.early = Early(work.suite.about)
        self._items: dict[str, pytest.Item] = {}
        self._functions: dict[tuple[str, str], list[FunctionType]] = {}
        self._killers: dict[str, list[str]] = {}
        self._killer = left.with_name(f"{left.name}.killer")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants."""
        self.early.stop()
        self._items = {item.nodeid: item for item in _thinned(session.items)}
        ran = coverage(self._items, self._work.suite)
        gc.unfreeze()  # the tests freeze what was collected, and functions would not be found
        self._functions = _functions(self._work.suite.about)
        gc.collect()
        gc.freeze()
        for trial in self._work.trials:
            if time.monotonic() > self._work.until:
                break
            began = time.monotonic()
            outcome = self._result(trial, ran)
            if outcome is TrialResult.LOADED:
                with self._left.open("a") as left:
                    left.write(f"{trial.key}\n")
            else:
                self._work.tell(trial, outcome, time.monotonic() - began)
        return True

    def _result(self, trial: Trial, ran: Ran) -> TrialResult:
        mutant = trial.mutant
        place = (str(ROOT / mutant.module), mutant.where)
        changed = _code_in(mutant, ROOT / mutant.module)
        found = self._functions.get(place, [])
        if mutant.kind == NOTHING:
            found = []
        elif place in self.early.ran or not _fits(changed, found):
            return TrialResult.LOADED
        tests = [test for test in _tests_of(mutant, ran) if test in self._items]
        killers = self._killers.setdefault(mutant.module, [])
        tests.sort(key=lambda test: killers.index(test) if test in killers else len(killers))
        chosen = [self._items[test] for test in tests]

        def is_killed() -> bool:
            for function in found:
                function.__code__ = cast(CodeType, changed)
            failed = first_failing(_blinded(chosen) if trial.is_blind else chosen)
            self._killer.write_text(failed or "")
            return failed is not None

        self._killer.write_text("")
        outcome = _forked(is_killed)
        self._remember(self._killer.read_text(), killers)
        return outcome

    @staticmethod
    def _remember(killer: str, killers: list[str]) -> None:
        """Move the test that killed to the front: it likely kills the next mutant too."""
        if killer:
            killers[:] = [killer, *(test for test in killers if test != killer)]


def _thinned(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the tests, but of a function with many cases a part, of the next another part."""
    by_function: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_function.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for number, cases in enumerate(by_function.values()):
        yield from cases if len(cases) <= _CASES else cases[number % _PARTS :: _PARTS]


def _blinded(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests that check nothing any more."""
    for item in items:
        item.runtest = lambda: None  # type: ignore[method-assign]
    return items


def _fits(changed: CodeType | None, found: Sequence[FunctionType]) -> bool:
    return bool(
        changed is not None
        and found
        and all(each.__code__.co_freevars == changed.co_freevars for each in found)
    )


def _code_in(mutant: Mutant, path: Path) -> CodeType | None:
    """Return the changed code of the function that a mutant is in."""
    waiting = [compile(mutant.applied(path.read_bytes()), str(path), "exec", dont_inherit=True)]
    found: CodeType | None = None
    while waiting:
        code = waiting.pop()
        if code.co_qualname == mutant.where and code.co_firstlineno <= mutant.lines.start:
            is_nearer = found is None or code.co_firstlineno > found.co_firstlineno
            found = code if is_nearer else found
        waiting += [const for const in code.co_consts if isinstance(const, CodeType)]
    return found


def _functions(modules: Iterable[str]) -> dict[tuple[str, str], list[FunctionType]]:
    """Return every function that was made from the modules' code, wherever it is kept."""
    paths = {str(ROOT / module) for module in modules}
    found: dict[tuple[str, str], list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in paths:
            code = each.__code__
            found.setdefault((code.co_filename, code.co_qualname), []).append(each)
    return found


def _tests_of(mutant: Mutant, ran: Ran) -> list[str]:
    """Return the tests that run a mutant's lines, the quickest first, within the budget."""
    lines = set(mutant.lines)
    running = {
        test: seconds
        for test, (seconds, covered) in ran.items()
        if not lines.isdisjoint(covered.get(mutant.module, ()))
    }
    return list(_within_budget(running))


def _within_budget(seconds: dict[str, float]) -> Iterator[str]:
    spent = 0.0
    for test, takes in sorted(seconds.items(), key=lambda pair: pair[1]):
        spent += takes
        if spent > _BUDGET:
            return
        yield test


# Mutants of what is run while modules are loaded


def _loaded_anew(trial: Trial, suite: Suite, ran: Ran) -> bool:
    """Load the library with a mistake in it; tell whether the tests about the module pass."""
    mutant, as_it_is = trial.mutant, SourceFileLoader.get_code
    path = ROOT / mutant.module

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        if loader.path != str(path):
            return as_it_is(loader, name)
        return compile(mutant.applied(path.read_bytes()), str(path), "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    options = ["-x", *_options(suite, suite.about[mutant.module])]
    code = pytest.main(options, plugins=[_QuickestFirst(ran, is_blind=trial.is_blind)])
    return code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


class _QuickestFirst:
    """Sorts the tests, and leaves out what is slow or fails without any mistake."""

    def __init__(self, ran: Ran, *, is_blind: bool) -> None:
        self._ran, self._is_blind = ran, is_blind

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests."""
        by_name = {item.nodeid: item for item in items}
        seconds = {test: self._ran[test][0] for test in by_name if test in self._ran}
        items[:] = [by_name[test] for test in _within_budget(seconds)]
        if self._is_blind:
            _blinded(items)


# Children


def _options(suite: Suite, files: Sequence[str]) -> list[str]:
    basetemp = suite.folder / "tmp" / str(os.getpid())
    off = [option for name in ("cacheprovider", "xdist") for option in ("-p", f"no:{name}")]
    # The project's own options start several processes; here one forks for each mutant.
    alone = ["-o", "addopts=--import-mode=importlib"]
    return [*alone, *off, "-qq", f"--rootdir={ROOT}", f"--basetemp={basetemp}", *files]


def _forked(is_killed: Callable[[], bool]) -> TrialResult:
    """Return what becomes of a mutant in a child, which has limits."""
    pid = os.fork()
    if pid == 0:
        with dying(1):
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            with _printing_to(Path(os.devnull)):
                os._exit(1 if is_killed() else 0)
    watched = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    ended = poll.poll(WALL_SECONDS * 1000)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # with all that its tests started
    os.close(watched)
    _, status = os.waitpid(pid, 0)
    if not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return TrialResult.TIMED_OUT
    return TrialResult.SURVIVED if status == 0 else TrialResult.KILLED


@contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Have what tests print go elsewhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    elsewhere = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for stream in (0, 1, 2):
        os.dup2(elsewhere, stream)
    yield
