"""A provider to test against, on a real socket: started, asked for the truth, stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from lifecycle.composition import DEFAULT_PROVIDER, simulator_of


class Simulated(Protocol):
    """A simulator that runs; everything may be called from any thread."""

    url: str

    @property
    def truth(self) -> Mapping[str, Any]:
        """What is true now about every order, by its id."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the provider's clock on: what was to happen by then happens now."""
        ...

    def settle(self, *, advance: bool = True, timeout: float = 60) -> None:
        """Wait until everything has happened and was delivered, or given up."""
        ...

    def close(self) -> None:
        """Stop: what is still to happen is dropped."""
        ...


@contextmanager
def simulated(*, provider: str = DEFAULT_PROVIDER, **settings: Any) -> Iterator[Simulated]:
    """Yield a simulated provider on a free port of the loopback; it stops in the end.

    `settings` are those of the provider's simulator: `callback_url`, `seed`, `faults`, ...

    Raises:
        InvalidArgumentError: the provider has no simulator, or a setting is of no use.
        MissingExtraError: the extra `http` is not installed.
    """
    module = simulator_of(provider)
    with module.RunningSimulator(module.Simulator(**settings)) as running:
        yield running
