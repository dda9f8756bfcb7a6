"""Checkpoints: the number of records in a log and the root over them, to be kept elsewhere.

    origin                    who signs: the name of the key
    24                        how many records
    <root, in base64>         over their headers, by RFC 9162
    taken-at <time>           when, by the clock of whoever signed
    feeds {"name":12}         how far subscriptions were, if there are any

That is the text of a C2SP `tlog-checkpoint`; the last two lines are extension lines.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from lifecycle.audit.merkle import HASH_BYTES, TreeHead, is_extension
from lifecycle.audit.signed_note import Note, PrivateKey, Signature
from lifecycle.audit.tree import LogTree
from lifecycle.core.instant import format_instant, parse_instant
from lifecycle.core.strict_json import canonical
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log
from lifecycle.log.tree_store import Signed

NO_FEEDS: Final[Mapping[str, int]] = MappingProxyType({})

_TAKEN_AT: Final = "taken-at "
_FEEDS: Final = "feeds "


class Checkpoint(NamedTuple):
    """What a checkpoint says; one written as `SIZE:ROOT` has neither origin nor time."""

    head: TreeHead
    origin: str = ""
    taken_at: datetime | None = None
    feeds: Mapping[str, int] = NO_FEEDS

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.head.root).decode()
        lines = [self.origin, str(self.head.size), root]
        if self.taken_at is not None:
            lines.append(_TAKEN_AT + format_instant(self.taken_at))
        if self.feeds:
            lines.append(_FEEDS + canonical(dict(self.feeds)).decode())
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checkpoint in a text; unknown extension lines are skipped.

        Raises:
            InvalidArgumentError: the text is not a checkpoint.
        """
        try:
            origin, size, root, *more = text.splitlines()
            head = TreeHead(int(size), base64.b64decode(root, validate=True))
        except (ValueError, binascii.Error):
            origin, head, more = "", TreeHead(0, b""), []
        if not origin or head.size < 0 or len(head.root) != HASH_BYTES:
            raise InvalidArgumentError("checkpoint", "an origin, a size and a root")
        return cls(head, origin, _taken_at(more), _feeds(more))

    @classmethod
    def read(cls, written: str) -> Self:
        """Return a checkpoint from a signed note, or from `SIZE:ROOT` as verify prints it.

        It verifies no signature.

        Raises:
            InvalidArgumentError: it is neither.
        """
        if "\n\n" in written:
            return cls.parse(Note.parse(written).text)
        return cls(TreeHead.parse(written))


class Contradiction(NamedTuple):
    """A held checkpoint that the log contradicts, so that nothing was signed."""

    held: Checkpoint
    found: TreeHead


class OtherKey(NamedTuple):
    """A stored checkpoint over the same records by another key, so that nothing was signed."""

    held: Checkpoint


def take(
    log: Log, key: PrivateKey, now: Callable[[], datetime], held: Sequence[Checkpoint] = ()
) -> Note | Contradiction | OtherKey:
    """Return a signed checkpoint over all records, and store it beside the log.

    If nothing was appended since the last one by this key, that is returned, with its
    cosignatures. If the log contradicts one of the `held` checkpoints, or holds one over the
    same records by another key, nothing is signed.
    """
    feeds = {each.name: each.position for each in log.feeds.positions()}
    found = follow(log, held)
    if isinstance(found, Contradiction):
        return found
    note = key.sign(Checkpoint(found, key.public.name, now(), feeds).text)
    if log.tree.keep(Signed(found.size, str(note)), None):
        return note
    stored = stored_over(log, found.size)
    first = note if stored is None else Note.parse(stored.note)
    return first if key.public.has_signed(first) else OtherKey(Checkpoint.parse(first.text))


def follow(log: Log, held: Sequence[Checkpoint]) -> TreeHead | Contradiction:
    """Take in every record, and return the head unless the log contradicts a checkpoint."""
    last, tree = log.tree.last_checkpoint(), LogTree(log)
    head = tree.follow()
    for each in [*held, *([] if last is None else [Checkpoint.read(last.note)])]:
        if each.head.size > head.size or tree.head(each.head.size) != each.head:
            return Contradiction(each, head)
    return head


def add_signatures(log: Log, note: Note, signatures: Sequence[Signature]) -> Note:
    """Return a stored checkpoint with further signatures, kept with those of other processes."""
    size = Checkpoint.parse(note.text).head.size
    while True:
        stored = stored_over(log, size)
        held = note if stored is None else Note.parse(stored.note)
        if held.text != note.text:  # somebody changed the table
            return note.with_signatures(signatures)
        signed = held.with_signatures(signatures)
        before = None if stored is None else stored.note
        if str(signed) == before or log.tree.keep(Signed(size, str(signed)), before):
            return signed


def stored_over(log: Log, size: int) -> Signed | None:
    """Return the checkpoint that is stored over so many records; None if there is none."""
    found = log.tree.checkpoints(size - 1, 1)
    return found[0] if found and found[0].size == size else None


def is_continued(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that the log only grew between two checkpoints."""
    return old.origin == new.origin and is_extension(old.head, new.head, proof)


def _taken_at(lines: Sequence[str]) -> datetime | None:
    written = next((line for line in lines if line.startswith(_TAKEN_AT)), None)
    return None if written is None else parse_instant(written.removeprefix(_TAKEN_AT))


def _feeds(lines: Sequence[str]) -> Mapping[str, int]:
    written = next((line for line in lines if line.startswith(_FEEDS)), "{}")
    try:
        feeds: Any = json.loads(written.removeprefix(_FEEDS))
    except ValueError:
        return {}
    found = feeds.items() if isinstance(feeds, dict) else ()
    return {name: position for name, position in found if type(position) is int}
