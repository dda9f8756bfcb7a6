"""The log's contract, for its callers: every event, append-only, in one total order of recording.

Each order has its own stream (`order:<provider>:<order_id>`), with versions 1, 2, 3, ... without
gaps; `position` is the place in the whole log. Bodies that could not be read are in the stream
`quarantine`. Records about no single order are in the stream `control`: for example that item 7
of the quarantine was re-driven, or by which rules orders are folded from here on. They have an
identity like events, so appending one again is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct, field

from lifecycle.core.definition import Definition
from lifecycle.core.event import Entry
from lifecycle.core.printing import ShownByRepr
from lifecycle.log.cipher import Cipher
from lifecycle.log.feed_store import FeedStore
from lifecycle.log.link_store import LinkStore, OrderLink
from lifecycle.log.tree_store import TreeStore
from lifecycle.log.view_store import ViewStore

QUARANTINE: Final = "quarantine"
CONTROL: Final = "control"
ORDERS: Final = "order:"

MAX_POSITION: Final = 2**62 - 1
"""Positions count from 1 up to here. A record elsewhere was not written by the log."""


class Outcome(StrEnum):
    """The result of appending one entry."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    DIVERGENT = "divergent"
    QUARANTINED = "quarantined"


class StreamPosition(Struct, gc=False):
    """The place of a record in its stream and in the log; `position` is 0 until it is stored."""

    version: int
    position: int = 0


_NOWHERE: Final = StreamPosition(0)


class Append(ShownByRepr, Struct, eq=False, gc=False):
    """One entry on its way into the log and, once it is durable, the result.

    The codec makes it, the writer decides on its `outcome` and `place`, and seals it: `state` is
    then its stored form. A duplicate has the place of the first copy, and no `recorded_at`.
    `version` is that of its place: stores ask for it, row by row.
    `key_id` names the key that its body is to be encrypted with, "" for none, and `order_key_id`
    that of the order which an item of the quarantine came for.
    """

    stream: str
    topic: str
    key: str
    digest: str
    opening: bytes
    body: bytes
    context: bytes | None = None
    links: tuple[OrderLink, ...] = ()
    key_id: str = ""
    order_key_id: str = ""
    outcome: Outcome = Outcome.APPENDED
    place: StreamPosition = field(default_factory=lambda: _NOWHERE)
    version: int = 0
    recorded_at: datetime | None = None
    state: bytes = b""

    @property
    def position(self) -> int:
        """The place in the whole log."""
        return self.place.position

    def renewed(self) -> Append:
        """Return the same entry, of which nothing is decided yet.

        A copy would be what crosses processes: what became of the entry, without the entry.
        """
        what = (self.stream, self.topic, self.key, self.digest)
        append = Append(*what, self.opening, self.body, self.context, self.links)
        append.key_id, append.order_key_id = self.key_id, self.order_key_id
        return append

    def __repr__(self) -> str:
        where = f"{self.version} of {self.stream!a}"
        return f"<Append {self.outcome.value}: {where} at {self.position}>"

    def __reduce__(self) -> tuple[Any, ...]:
        what = (self.stream, self.topic, self.key, self.digest)
        where = (self.outcome, self.version, self.position, self.recorded_at)
        return _answered, (*what, *where)


def _answered(  # noqa: PLR0917 - unpickling alone calls it
    stream: str,
    topic: str,
    key: str,
    digest: str,
    outcome: Outcome,
    version: int,
    position: int,
    recorded_at: datetime | None,
) -> Append:
    """Return what became of an entry in another process: without what was stored."""
    append = Append(stream, topic, key, digest, b"", b"")
    append.outcome, append.version, append.recorded_at = outcome, version, recorded_at
    append.place = StreamPosition(version, position)
    return append


class Record(NamedTuple):
    """One stored record, as the store holds it; `state` is the stored form, bytes."""

    stream: str
    version: int
    topic: str
    position: int
    state: bytes

    def __repr__(self) -> str:
        return f"<Record {self.version} of {self.stream!a} at {self.position}>"


class Level(StrEnum):
    """How much a finding asks of people; from `attention` on, `lifecycle doctor` exits with 1.

    `ok`: as it should be. `note`: worth knowing, and nobody has to act. `attention`: facts
    or orders wait for a person. `fail`: something is not as it must be, so that what is
    promised does not hold. Whatever looks at something chooses the level; nobody else does.
    """

    OK = "ok"
    NOTE = "note"
    ATTENTION = "attention"
    FAIL = "fail"

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody has to act."""
        return self in (Level.ATTENTION, Level.FAIL)


class Setting(NamedTuple):
    """One thing that a store is set to: as it reads it back, and what that means.

    A row of `lifecycle doctor`. Where its level is not `ok`, `meaning` says what may happen
    and what to do, with the command where there is one.
    """

    name: str
    found: str
    meaning: str
    level: Level = Level.OK


class DeclaredRules(NamedTuple):
    """The definition by which a provider's orders are folded, and where the provider was found."""

    definition: Definition
    origin: str | None = None


class Log(Protocol):
    """An append-only log. Every method may be called from any thread.

    An append returns only after its record is durable. Every method raises `StoreError`
    where the store fails, and nothing else.
    """

    @property
    def url(self) -> str:
        """Where the log lies, without secrets."""

    @property
    def gapless(self) -> bool:
        """Whether positions have no gaps, and every record names the one before it."""

    @property
    def cipher(self) -> Cipher | None:
        """What encrypts bodies and contexts; None: they are stored plain."""

    def is_encrypted(self) -> bool | None:
        """Tell whether bodies are stored encrypted; None where nothing is stored yet."""

    @property
    def views(self) -> ViewStore | None:
        """Where views are stored beside the log; None where this store keeps none."""

    @property
    def feeds(self) -> FeedStore:
        """Where subscriptions to the change feed keep how far they are."""

    @property
    def tree(self) -> TreeStore:
        """Where the Merkle tree over the records is kept, and the checkpoints of it."""

    @property
    def links(self) -> LinkStore:
        """Which orders the provider's own ids were said to be of."""

    @property
    def partitions(self) -> Sequence[Log]:
        """The logs that it consists of, each with positions of its own; itself where it is one."""

    def holds(self, stream: str) -> bool:
        """Tell whether a stream, if there is one, lies here and not in another partition."""

    def holding(self, stream: str) -> Log:
        """Return the one among `partitions` that a stream lies in."""

    def index_links(self) -> None:
        """Add to the index what it lacks of the links that the log holds; reads all of the log."""

    def declare_rules(self, rules: Mapping[str, DeclaredRules]) -> None:
        """Have the rules of providers recorded where they are not the last ones of theirs there.

        With the next event of the provider, in the same commit and before it; once for each
        opening of the log. They take the place of those declared before.
        """

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry; concurrent callers share a commit.

        What is stored already is a duplicate, whatever version is expected.

        Raises:
            VersionConflictError: the stream is not at `expected_version`.
        """

    def append_many(self, entries: Sequence[Entry]) -> list[Append]:
        """Append entries in one commit, each deduplicated against those before it.

        Where a store holds no commit of so many, in several, one after the other.
        """

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry from a coroutine; concurrent tasks share a commit."""

    def restore(self, records: Sequence[Record]) -> None:
        """Insert records of another log just as they are, after all that is stored, in one commit.

        For copying a log: nothing is deduplicated or chained anew.
        """

    def read(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`.

        Without either, all of them, whatever their versions.
        """

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        """Return the records of many streams; those without any are left out."""

    def walk(self, stream: str) -> Iterator[Record]:
        """Yield every record of a stream by version, whatever its version, in constant memory."""

    def streams(self, *, prefix: str = ORDERS, after: str = "") -> Iterator[str]:
        """Yield the names above `after` with this prefix, sorted, in constant memory."""

    def scan(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield every record with a position above `after`, in order, in constant memory."""

    def strays(self) -> Iterator[Record]:
        """Yield the records that no scan meets, as their positions are none that a log gives.

        There are none unless somebody went around the constraints of the table. They cannot be
        decoded, but they are there: whoever reads by position asks for them too.
        """

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back from the store."""

    def close(self) -> None:
        """Close every connection; what was acknowledged stays."""


@runtime_checkable
class Guarded(Protocol):
    """A log whose own guards can be put back by whoever may write to it."""

    def put_back_guards(self) -> None:
        """Make anew what refuses changes, where somebody dropped or changed it.

        Raises:
            StoreUnavailableError: it cannot be written.
        """


@runtime_checkable
class BacksUp(Protocol):
    """A log that writes a copy of itself while it is used."""

    def backup(self, path: str) -> None:
        """Write all that is stored into a new file at `path`, which is whole or not there.

        Raises:
            StoreUnavailableError: it cannot be written, or something is there already.
        """
