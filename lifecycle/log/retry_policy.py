"""How long a store is asked again before the caller is told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.store_port import TryAgainError

RETRY_SECONDS: Final = 30.0
"""For how long a store is asked again, unless somebody says otherwise."""

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.1

P = ParamSpec("P")
T = TypeVar("T")


class RetryPolicy:
    """The retries of one call; pauses grow, and differ so that rivals do not stay in step."""

    def __init__(self, store: str, seconds: float) -> None:
        self._store = store
        self._until = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    def wait(self, again: TryAgainError) -> None:
        """Sleep a little before the next attempt.

        Raises:
            StoreUnavailableError: the time is up.
        """
        if time.monotonic() >= self._until:
            raise StoreUnavailableError(self._store, again.found) from again
        time.sleep(random.uniform(0, self._pause))  # noqa: S311 - keeps rivals apart, no secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def retrying(
    store: str, seconds: float, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what `ask` returns, asking again while that may help.

    Raises:
        StoreUnavailableError: the time is up.
    """
    retries = None
    while True:
        try:
            return ask(*args, **kwargs)
        except TryAgainError as again:
            retries = retries or RetryPolicy(store, seconds)
            retries.wait(again)


class Asked(Protocol):
    """Something that can be asked again: it knows where it lies, and for how long to try."""

    @property
    def url(self) -> str:
        """Where it lies, without secrets."""

    @property
    def retry_timeout(self) -> float:
        """Seconds."""


A = TypeVar("A", bound=Asked)


def retried(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
    """Return a method that is asked again while that may help; as `retrying`."""

    def retried(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return retrying(self.url, self.retry_timeout, method, self, *args, **kwargs)

    update_wrapper(retried, method)
    return retried
