"""The implementation of the pytest plugin.

pytest loads `pytest_lifecycle`, outside of this package: its options and fixtures import
this module when they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from lifecycle.testing.coverage import Coverage
from lifecycle.testing.golden import Golden
from lifecycle.testing.handmade import Recording
from lifecycle.testing.recordings import load_recordings

_SENT: Final = "lifecycle_coverage"


class CoverageReport:
    """Collects the coverage of a session, and reports it at the end.

    Workers of pytest-xdist send their coverage to the process that reports.
    """

    def __init__(self, config: pytest.Config, least: float | None) -> None:
        self.coverage: Coverage = Coverage()
        self._config = config
        self._least = least
        self._open = ExitStack()

    @property
    def _enough(self) -> bool:
        return self._least is None or self.coverage.percent >= self._least

    def pytest_sessionstart(self) -> None:
        """Start collecting."""
        self._open.enter_context(self.coverage.watching())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge the coverage of a worker."""
        self.coverage.merge(getattr(node, "workeroutput", {}).get(_SENT, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop collecting; fail a session that passed but covers too little."""
        self._open.close()
        sent: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if sent is not None:
            sent[_SENT] = self.coverage.dump()
        elif not self._enough and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        terminalreporter.write_sep("=", "lifecycle coverage")
        for line in self.coverage.table():
            terminalreporter.write_line(line)
        if not self._enough:
            found = f"{self.coverage.percent:.1f} % of the states and moves were met"
            terminalreporter.write_line(f"{found}, expected {self._least:g} %", red=True)


def golden_of(request: pytest.FixtureRequest) -> Golden:
    """Return the golden files of a test module: `golden/<module>.<name>.json` beside it."""
    path = request.path
    update = bool(request.config.getoption("lifecycle_update_golden"))
    return Golden(path.parent / "golden", prefix=f"{path.stem}.", update=update)


def recordings_beside(request: pytest.FixtureRequest) -> Callable[[str], list[Recording]]:
    """Return a function that loads recordings by their path from the test module's folder."""
    folder: Path = request.path.parent
    return lambda name: load_recordings(folder / name)
