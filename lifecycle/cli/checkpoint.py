"""`checkpoint`: what is stored, signed, and handed to others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from lifecycle.audit.checkpoint import (
    Checkpoint,
    Contradiction,
    OtherKey,
    add_signatures,
    follow,
    take,
)
from lifecycle.audit.delivery import Handed, to_command, to_endpoint, to_witness
from lifecycle.audit.signed_note import Note, PrivateKey, PublicKey, key_at
from lifecycle.audit.tree import LogTree
from lifecycle.cli.choice import log_at
from lifecycle.cli.failure import NO, Refusal, unusable
from lifecycle.cli.file import whole_or_not_there
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, span_option
from lifecycle.cli.output import print_text, visible, warn
from lifecycle.cli.partition import PLACE, Answer, named, numbered, print_answers
from lifecycle.errors import InvalidArgumentError, StoreUnavailableError
from lifecycle.log.contract import Log
from lifecycle.log.private_file import ORDINARY, exposure

_FILE_URL: Final = "sqlite:///"
_MOST_BYTES: Final = 1024 * 1024

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        envvar="LIFECYCLE_KEY",
        help="The key to sign with, made at first use.",
        show_default="beside a SQLite log",
    ),
]
WitnessKeys = Annotated[
    list[str] | None,
    typer.Option("--witness-key", metavar="KEY", help="A witness that must have signed it too."),
]
Every = Annotated[timedelta | None, span_option("--every", "Go on, and sign again so often.")]
_To = Annotated[
    list[Path] | None,
    typer.Option("--to", metavar="FILE", help="Also write it there, if the log only grew."),
]
_Run = Annotated[
    list[str] | None,
    typer.Option("--run", metavar="COMMAND", help="Also hand it to this command."),
]
_Post = Annotated[
    list[str] | None,
    typer.Option("--post", metavar="URL", help="Also send it there by HTTP POST."),
]
_Witness = Annotated[
    list[str] | None,
    typer.Option("--witness", metavar="URL", help="Also have this witness sign it."),
]


def checkpoint(
    *,
    key: KeyFile = None,
    to: _To = None,
    run: _Run = None,
    post: _Post = None,
    witness: _Witness = None,
    witness_key: WitnessKeys = None,
    every: Every = None,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Sign what is stored, so that nobody can change it unseen."""
    others = _Others(to or [], run or [], post or [], witness or [], witness_keys(witness_key))
    with log_at(db, needs_keys=False) as log:
        parts = [(part, number, others.of(number)) for number, part in numbered(log)]
        works = [
            partial(_sign, part, signing_key(part, _of(key, number)), own)
            for part, number, own in parts
        ]
        while every is not None:
            with suppress(typer.Exit):  # what is wrong is said, and the next time may be better
                print_answers([_tried(work) for work in works], (), json=json)
            time.sleep(every.total_seconds())
        print_answers([work() for work in works], (), json=json)


def _tried(work: Callable[[], Answer]) -> Answer:
    """Return what comes of it; one partition that cannot be used holds up no other."""
    try:
        return work()
    except StoreUnavailableError as failure:
        warn(f"lifecycle: no checkpoint this time: {failure}")
        return Answer(False, {"unavailable": failure.found}, lambda: None)


def _of(path: Path | None, number: int | None) -> Path | None:
    """Return the file of the key of a partition; all may have the same."""
    return Path(str(path).replace(PLACE, str(number))) if path and number is not None else path


class _Others(NamedTuple):
    """Who gets a checkpoint, and which witnesses must have signed it."""

    files: Sequence[Path]
    commands: Sequence[str]
    endpoints: Sequence[str]
    witnesses: Sequence[str]
    keys: Sequence[PublicKey]

    def of(self, number: int | None) -> _Others:
        """Return the same for a partition: the files are its own."""
        return self._replace(files=[Path(named(str(file), number)) for file in self.files])


def _sign(log: Log, signer: PrivateKey, others: _Others) -> Answer:
    """Sign what is stored, hand it out, and return what was signed, and whether all went well."""
    seen = log.tree.last_checkpoint()
    note = taken(log, signer, others.files)
    handed = _handed(log, note, 0 if seen is None else seen.size, others)
    note = add_signatures(log, note, [each for one in handed for each in one.signatures])
    for path in others.files:
        with whole_or_not_there(path, "checkpoint", ORDINARY) as file:
            file.write(str(note).encode())
    troubles = [each.trouble for each in handed if each.trouble is not None]
    troubles += [f"{name!a} did not sign it" for name in unsigned(note, others.keys)]
    for trouble in troubles:
        warn(f"lifecycle: the checkpoint was kept, but {trouble}")
    head = Checkpoint.parse(note.text).head
    told = {"size": head.size, "root": head.root.hex(), "key": str(signer.public)}
    return Answer(not troubles, {**told, "note": str(note)}, partial(print_text, str(note)))


def signing_key(log: Log, path: Path | None, held: Path | None = None) -> PrivateKey:
    """Return the key to sign with; one that is made now is said.

    None is made that cannot have signed the checkpoint `held`, nor beside a log with checkpoints.

    Raises:
        Refusal: there is no file for it, or it cannot be used.
    """
    may_make = held is None and (path is not None or log.tree.last_checkpoint() is None)
    if path is None and log.url.startswith(_FILE_URL):
        path = Path(f"{log.url.removeprefix(_FILE_URL)}.checkpoint-key")
    if path is None:
        raise Refusal("this log is not a file that a key could be put beside; give --key FILE")
    if not may_make and not path.exists():
        of = "the checkpoints of this log" if held is None else ascii(str(held))
        raise Refusal(f"no key is in {str(path)!a}; pass the one that signed {of}: --key FILE")
    try:
        key, is_new = key_at(path)
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
    except InvalidArgumentError as refused:
        raise Refusal(f"{str(path)!a} holds no key: expected {refused.expected}") from None
    if (exposed := exposure(path)) is not None:
        warn(f"lifecycle: {visible(str(path))}: {exposed}")
    if is_new:
        warn(f"lifecycle: a key was made in {visible(str(path))}; its public part: {key.public}")
    return key


def taken(log: Log, key: PrivateKey, files: Sequence[Path]) -> Note:
    """Return a checkpoint, signed now, that goes on from those in some files.

    Raises:
        Refusal: the log does not go on from one of them, or a file holds something else.
    """
    held = [read_checkpoint(str(path)) for path in files if path.exists()]
    note = take(log, key, lambda: datetime.now(UTC), held)
    if isinstance(note, OtherKey):
        raise Refusal(
            f"not signed: the checkpoint over these {note.held.head.size} records is signed with "
            f"another key, {note.held.origin!a}; pass that with --key FILE, or sign when more "
            "is stored",
            NO,
        )
    if isinstance(note, Contradiction):
        raise _contradicted(note)
    return note


def check_continued(log: Log, files: Sequence[Path]) -> None:
    """Check that the log goes on from the checkpoints in some files; nothing is signed.

    Raises:
        Refusal: it does not, or a file holds something else.
    """
    found = follow(log, [read_checkpoint(str(path)) for path in files])
    if isinstance(found, Contradiction):
        raise _contradicted(found)


def _contradicted(found: Contradiction) -> Refusal:
    return Refusal(
        f"not signed: of the {found.held.head.size} records that a checkpoint saw, some are "
        "others now or gone; run: lifecycle verify --checkpoint FILE",
        NO,
    )


def public_key(text: str | None) -> PublicKey | None:
    """Return the key that a value of `--key` is.

    Raises:
        BadParameter: it is none.
    """
    try:
        return None if text is None else PublicKey.parse(text)
    except InvalidArgumentError as refused:
        raise typer.BadParameter(f"{text!a} is no key; expected {refused.expected}") from None


def witness_keys(texts: list[str] | None) -> list[PublicKey]:
    """Return the keys that the values of `--witness-key` are.

    Raises:
        BadParameter: one is none.
    """
    return [key for text in texts or [] if (key := public_key(text)) is not None]


def unsigned(note: Note, keys: Sequence[PublicKey]) -> list[str]:
    """Return the names of the keys that have not signed a note."""
    return [key.name for key in keys if not key.has_signed(note)]


def read_checkpoint(text: str, trusted: Sequence[PublicKey] = ()) -> Checkpoint:
    """Return the checkpoint that a value of `--checkpoint` is, or that its file holds.

    Raises:
        BadParameter: it is neither.
        Refusal: one of the keys that are `trusted` has not signed it.
    """
    written = _written(text)
    try:
        checkpoint = Checkpoint.read(written)
        for name in unsigned(Note.parse(written), trusted) if trusted else []:
            raise Refusal(f"{text!a} is not signed with the key {name!a}", NO)
    except InvalidArgumentError:
        expected = "a file with a signed checkpoint, or SIZE:ROOT as verify prints it"
        raise typer.BadParameter(f"{text!a} is no checkpoint; expected {expected}") from None
    return checkpoint


def read_note(path: Path) -> Note:
    """Return the signed checkpoint that a file holds.

    Raises:
        BadParameter: it holds none.
    """
    try:
        note = Note.parse(_written(str(path)))
        Checkpoint.parse(note.text)
    except InvalidArgumentError:
        raise typer.BadParameter(f"{str(path)!a} holds no signed checkpoint") from None
    return note


def _written(text: str) -> str:
    path = Path(text)
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_MOST_BYTES).decode()
    except (OSError, ValueError):
        return ""
    return text


def _handed(log: Log, note: Note, seen: int, others: _Others) -> list[Handed]:
    tree, size = LogTree(log), Checkpoint.parse(note.text).head.size
    return [
        *(to_command(command, note) for command in others.commands),
        *(to_endpoint(url, note) for url in others.endpoints),
        *(to_witness(url, tree, size, note, seen) for url in others.witnesses),
    ]
