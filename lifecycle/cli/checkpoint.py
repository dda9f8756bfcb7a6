"""`checkpoint`: what is stored, signed, and handed to others."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from lifecycle.audit.checkpoint import Checkpoint, Contradiction, take
from lifecycle.audit.delivery import Handed, to_command, to_witness
from lifecycle.audit.key_file import key_at
from lifecycle.audit.note import Note, PrivateKey, PublicKey
from lifecycle.audit.tree import LogTree
from lifecycle.cli.choice import log_at
from lifecycle.cli.failure import NO, Refusal, unusable
from lifecycle.cli.file import whole_or_not_there
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, span_option
from lifecycle.cli.output import print_json, print_text, visible, warn
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log
from lifecycle.log.private_file import ORDINARY
from lifecycle.log.tree_store import Signed

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
Every = Annotated[timedelta | None, span_option("--every", "Go on, and sign again so often.")]


def checkpoint(
    *,
    key: KeyFile = None,
    to: Annotated[
        list[Path] | None,
        typer.Option("--to", metavar="FILE", help="Also write it there, if the log only grew."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="COMMAND", help="Also hand it to this command."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", metavar="URL", help="Also have this witness sign it."),
    ] = None,
    every: Every = None,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Sign what is stored, so that nobody can change it unseen."""
    with log_at(db) as log:
        signer = signing_key(log, key)
        while True:
            seen = log.tree.last_checkpoint()
            note = taken(log, signer, to or [])
            handed = _handed(log, note, 0 if seen is None else seen.size, run, witness)
            note = note.with_signatures([each for one in handed for each in one.signatures])
            log.tree.keep(Signed(Checkpoint.parse(note.text).head.size, str(note)))
            for path in to or []:
                with whole_or_not_there(path, "checkpoint", ORDINARY) as file:
                    file.write(str(note).encode())
            _print(note, signer, json=json)
            for each in handed:
                if each.trouble is not None:
                    warn(f"lifecycle: the checkpoint was kept, but {each.trouble}")
            if every is None:
                break
            time.sleep(every.total_seconds())
    if any(each.trouble for each in handed):
        raise typer.Exit(NO)


def signing_key(log: Log, path: Path | None) -> PrivateKey:
    """Return the key to sign with; one that is made now is said.

    Raises:
        Refusal: there is no file for it, or it cannot be used.
    """
    if path is None and log.url.startswith(_FILE_URL):
        path = Path(f"{log.url.removeprefix(_FILE_URL)}.checkpoint-key")
    if path is None:
        raise Refusal("this log lies in no file beside which a key could lie; give --key FILE")
    try:
        key, is_new = key_at(path)
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
    except InvalidArgumentError as refused:
        raise Refusal(f"{str(path)!a} holds no key: expected {refused.expected}") from None
    if is_new:
        warn(f"lifecycle: a key was made in {visible(str(path))}; its public part: {key.public}")
    return key


def taken(log: Log, key: PrivateKey, files: list[Path]) -> Note:
    """Return a checkpoint, signed now, that goes on from those in some files.

    Raises:
        Refusal: the log does not go on from one of them, or a file holds something else.
    """
    held = [read_checkpoint(str(path)) for path in files if path.exists()]
    note = take(log, key, lambda: datetime.now(UTC), held)
    if isinstance(note, Contradiction):
        raise Refusal(
            f"not signed: of the {note.held.head.size} records that a checkpoint saw, some are "
            "others now or gone; run: lifecycle verify --checkpoint FILE",
            NO,
        )
    return note


def public_key(text: str | None) -> PublicKey | None:
    """Return the key that a value of `--key` is.

    Raises:
        BadParameter: it is none.
    """
    try:
        return None if text is None else PublicKey.parse(text)
    except InvalidArgumentError as refused:
        raise typer.BadParameter(f"{text!a} is no key; expected {refused.expected}") from None


def read_checkpoint(text: str, trusted: PublicKey | None = None) -> Checkpoint:
    """Return the checkpoint that a value of `--checkpoint` is, or that its file holds.

    Raises:
        BadParameter: it is neither.
        Refusal: it is not signed with the key that is `trusted`.
    """
    written = _written(text)
    try:
        checkpoint = Checkpoint.read(written)
        if trusted is not None and not trusted.has_signed(Note.parse(written)):
            raise Refusal(f"{text!a} is not signed with the key {trusted.name!a}", NO)
    except InvalidArgumentError:
        expected = "a file with a signed checkpoint, or SIZE:ROOT as verify prints it"
        raise typer.BadParameter(f"{text!a} is no checkpoint; expected {expected}") from None
    return checkpoint


def _written(text: str) -> str:
    path = Path(text)
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_MOST_BYTES).decode()
    except (OSError, ValueError):
        return ""
    return text


def _handed(
    log: Log, note: Note, seen: int, commands: list[str] | None, witnesses: list[str] | None
) -> list[Handed]:
    tree, size = LogTree(log), Checkpoint.parse(note.text).head.size
    asked = [to_command(command, note) for command in commands or []]
    return asked + [to_witness(url, tree, size, note, seen) for url in witnesses or []]


def _print(note: Note, signer: PrivateKey, *, json: bool) -> None:
    if not json:
        print_text(str(note))
        return
    head = Checkpoint.parse(note.text).head
    told = {"size": head.size, "root": head.root.hex(), "key": str(signer.public)}
    print_json({**told, "note": str(note)})
