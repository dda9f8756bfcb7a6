"""A simulated provider on a real socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.registry import part_of
from lifecycle.simulator import RunningSimulator, Simulator


class Simulated(Protocol):
    """A running simulator; every method may be called from any thread."""

    url: str

    @property
    def truth(self) -> Mapping[str, Any]:
        """The truth about every order, by its id."""
        ...

    def advance(self, seconds: float) -> None:
        """Advance the provider's clock: events due by then happen now."""
        ...

    def settle(self, *, advance: bool = True, timeout: float = 60) -> None:
        """Wait until all planned events happened and every callback was delivered or given up."""
        ...

    def close(self) -> None:
        """Stop, and cancel what is pending."""
        ...


@contextmanager
def simulated(*, provider: str = DEFAULT_PROVIDER, **settings: Any) -> Iterator[Simulated]:
    """Yield a simulated provider on a free port of the loopback, and stop it at the end.

    `settings` are those of its simulator: `callback_url`, `seed`, `faults`, ...

    Raises:
        InvalidArgumentError: the provider has no simulator, or a setting is invalid.
        MissingExtraError: the extra `http` is not installed.
    """
    simulated_provider = part_of(provider, "simulator").SIMULATED
    with RunningSimulator(Simulator(simulated_provider, **settings)) as running:
        yield running
