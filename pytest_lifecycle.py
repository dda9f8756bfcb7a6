"""The pytest plugin of `lifecycle`: options and fixtures, nothing else.

pytest loads this in every project that has the distribution installed, whether its tests use
it or not. So it stands outside of the package and imports none of it: a fixture or an option
that is asked for does. Every name carries the word `lifecycle`, to stand in nobody's way.

| fixture | gives |
|---|---|
| `lifecycle_clock` | a clock that stands still until it is moved |
| `lifecycle_provider` | the provider's name; override it for another |
| `lifecycle_orders` | orders of that provider in memory, on that clock |
| `lifecycle_recordings` | a function: the recordings of a file beside the test module |
| `lifecycle_golden` | a function: compares a view with its golden file |
| `lifecycle_simulator` | a function: starts a simulated provider on a real socket |

| option | does |
|---|---|
| `--lifecycle-coverage` | tells at the end which states and moves the suite met |
| `--lifecycle-coverage-fail-under PERCENT` | the same, and fails the run below that |
| `--lifecycle-update-golden` | writes golden files instead of comparing with them |
"""

# Nothing that is imported here may be slow, and `lifecycle` is.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lifecycle.core.provider import Provider
    from lifecycle.service.orders import Orders
    from lifecycle.testing import FixedClock, Golden, Simulated


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options."""
    group = parser.getgroup("lifecycle")
    group.addoption(
        "--lifecycle-coverage",
        action="store_true",
        dest="lifecycle_coverage",
        help="tell at the end which states and moves of a lifecycle the tests met",
    )
    group.addoption(
        "--lifecycle-coverage-fail-under",
        type=float,
        metavar="PERCENT",
        dest="lifecycle_coverage_fail_under",
        help="the same, and fail if they met less than this share",
    )
    group.addoption(
        "--lifecycle-update-golden",
        action="store_true",
        dest="lifecycle_update_golden",
        help="write golden views instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the session if the coverage is asked for."""
    least: float | None = config.getoption("lifecycle_coverage_fail_under")
    if least is None and not config.getoption("lifecycle_coverage"):
        return
    from lifecycle.testing.plugin import CoverageReport

    config.pluginmanager.register(CoverageReport(config, least), "lifecycle coverage")


@pytest.fixture
def lifecycle_clock() -> FixedClock:
    """Return a clock that stands still until the test moves it."""
    from lifecycle.testing.clock import FixedClock

    return FixedClock()


@pytest.fixture
def lifecycle_provider() -> str | Provider:
    """Return the provider whose bodies are read: override it for one of your own."""
    from lifecycle.composition import DEFAULT_PROVIDER

    return DEFAULT_PROVIDER


@pytest.fixture
def lifecycle_orders(
    lifecycle_provider: str | Provider, lifecycle_clock: FixedClock
) -> Iterator[Orders]:
    """Yield orders in memory; what is recorded without a time is received by `lifecycle_clock`."""
    from lifecycle.testing.recordings import memory_orders

    with memory_orders(lifecycle_provider, clock=lifecycle_clock) as orders:
        yield orders


@pytest.fixture
def lifecycle_recordings(
    request: pytest.FixtureRequest,
) -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that loads recordings by their path from the test module's folder."""
    from lifecycle.testing.plugin import recordings_beside

    return recordings_beside(request)


@pytest.fixture
def lifecycle_golden(request: pytest.FixtureRequest) -> Golden:
    """Return a function that compares a view with the golden file of that name."""
    from lifecycle.testing.plugin import golden_of

    return golden_of(request)


@pytest.fixture
def lifecycle_simulator() -> Iterator[Callable[..., Simulated]]:
    """Yield a function that starts a simulated provider with its settings; all stop in the end."""
    from lifecycle.testing.simulation import simulated

    with ExitStack() as running:

        def start(**settings: Any) -> Simulated:
            return running.enter_context(simulated(**settings))

        yield start
