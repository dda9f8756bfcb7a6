"""What a store implements: it inserts and reads rows, and decides nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple, Protocol

from eventsourcing import persistence

from lifecycle.errors import InvalidArgumentError, LifecycleError, StoreClosedError
from lifecycle.log.contract import Record, Setting
from lifecycle.log.link_store import OrderLink

STREAMS_AT_ONCE: Final = 256
"""A recorder is never asked about more streams than this in one call."""


class Tip(NamedTuple):
    """The end of the log: its last position (0 if it is empty), and the link to what is there."""

    position: int
    link: bytes | None


class Row(Protocol):
    """One record to insert."""

    @property
    def stream(self) -> str:
        """The stream that it stands in."""

    @property
    def version(self) -> int:
        """Its place there."""

    @property
    def topic(self) -> str:
        """What kind of record it is."""

    @property
    def state(self) -> bytes:
        """Its stored form."""


class Head(NamedTuple):
    """A stored record without its body."""

    stream: str
    version: int
    position: int
    header: bytes


class TryAgainError(Exception):
    """Nothing is known to be stored, and deciding again may work: a race, a lost connection.

    Never leaves `stores`; `found` becomes the sentence if time runs out.
    """

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


class InDoubtError(TryAgainError):
    """The reply to a commit was lost: what was written is stored, or will be, or is not."""


_UNSTORABLE: Final = (InvalidArgumentError, OverflowError, UnicodeError, struct.error)
_OURS: Final = (*_UNSTORABLE, LifecycleError, TryAgainError)


@contextmanager
def in_library_words(driver: type[Exception]) -> Iterator[None]:
    """Turn a driver's errors and ours into those that users of `eventsourcing` catch.

    Drivers quote what is stored, so its sentence is left out.
    """
    try:
        yield
    except (*_OURS, driver) as fault:
        raise _library_error(fault)(type(fault).__name__) from fault


def _library_error(fault: BaseException) -> type[persistence.PersistenceError]:
    if isinstance(fault, _UNSTORABLE):
        return persistence.DataError
    if isinstance(fault, StoreClosedError):
        return persistence.InterfaceError
    if isinstance(fault, LifecycleError | TryAgainError):
        return persistence.OperationalError
    # Both drivers name their errors as the library does: as PEP 249 says.
    named = [getattr(persistence, kind.__name__, None) for kind in type(fault).__mro__]
    return next(filter(None, named), persistence.PersistenceError)


def cause_of(fault: BaseException | None) -> BaseException | None:
    """Return what one of the library's errors was made from, any other error as it is."""
    if isinstance(fault, persistence.PersistenceError) and fault.__cause__:
        return fault.__cause__
    return fault


class Transaction(Protocol):
    """One commit: all that is inserted is durable when its block has ended, or none of it."""

    @property
    def tip(self) -> Tip | None:
        """The end of the log; None where the store cannot know it."""

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        """Insert records, once in a block, with the links they tell; return their positions."""


class Recorder(Protocol):
    """What one database offers. Every method raises `StoreError` or `TryAgainError`."""

    @property
    def url(self) -> str:
        """Where the log lies, without secrets."""

    @property
    def gapless(self) -> bool:
        """Whether positions have no gaps, and a transaction knows the tip."""

    @property
    def has_races(self) -> bool:
        """Whether no writer can be kept out, so that whoever lost a race may lose the next."""

    @property
    def most_rows(self) -> int:
        """How many entries one commit may hold; more are appended in several."""

    def writing(self, *, exclusive: bool = False) -> AbstractContextManager[Transaction]:
        """Return a block that inserts records. A (stream, version) that exists is refused.

        Where `exclusive` is true, all other writers are kept out from its begin on, so that
        what is read in it stays true; a store may do so always.

        Raises:
            TryAgainError: another writer was first; nothing is stored.
            InDoubtError: nobody knows what became of it.
        """

    def confirm(self) -> None:
        """Return if what was acknowledged before can still be counted on, as far as one can see.

        Asked before a duplicate is acknowledged from memory. Raises `StoreUnavailableError`
        where the database was removed or replaced; a server's own cannot be, unseen.
        """

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream that is a number."""

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version, in one statement."""

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""

    def strays(self) -> list[Record]:
        """Return the records whose positions are none from 1 to `MAX_POSITION`."""

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none."""

    def last_position(self) -> int:
        """Return the highest position up to `MAX_POSITION`, 0 for an empty log."""

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back."""

    def close(self) -> None:
        """Close every connection."""
