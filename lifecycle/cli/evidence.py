"""`evidence`: one order in one file that a stranger can verify."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.evidence import Bodies, make_evidence
from lifecycle.audit.evidence_check import check_evidence, why_not_folded
from lifecycle.audit.signed_note import Note, PrivateKey, PublicKey
from lifecycle.cli.checkpoint import (
    KeyFile,
    check_continued,
    read_note,
    signing_key,
    taken,
    unsigned,
)
from lifecycle.cli.choice import orders_with
from lifecycle.cli.failure import NO, Refusal, unusable
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.option import DEFAULT_DATABASE, Database, OrderId, Output, ProviderName
from lifecycle.cli.output import print_json, print_text, say, visible
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import MAX_DEPTH, parse
from lifecycle.errors import InvalidArgumentError, JsonError, StoredFormatError, UnknownKeyError
from lifecycle.log.contract import Log
from lifecycle.registry import known_providers
from lifecycle.service.orders import Orders

_MAX_DEPTH: Final = MAX_DEPTH + 3
"""That of a body, and of the list of lines around it."""


_WithoutBodies = Annotated[
    bool, typer.Option("--without-bodies", help="Leave out what was sent and received.")
]
_MaskBodies = Annotated[
    bool, typer.Option("--mask-bodies", help="Show only the shape of what was sent.")
]
_Complete = Annotated[
    bool, typer.Option("--complete", help="Also show that no record of the order is missing.")
]
_Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint", metavar="FILE", help="Prove it by this one, which somebody holds."
    ),
]
_Since = Annotated[
    Path | None,
    typer.Option(
        "--since", metavar="FILE", help="Also show that the log only grew since this one."
    ),
]


def evidence(
    order: OrderId,
    *,
    output: Output = STDOUT,
    without_bodies: _WithoutBodies = False,
    mask_bodies: _MaskBodies = False,
    complete: _Complete = False,
    checkpoint: _Checkpoint = None,
    since: _Since = None,
    key: KeyFile = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Write one order into a file that a stranger can verify."""
    if mask_bodies and without_bodies:
        raise Refusal("--mask-bodies and --without-bodies do not go together; choose one")
    bodies: Bodies = "left out" if without_bodies else "masked" if mask_bodies else "whole"
    with orders_with(db, provider, order) as orders, _none_of_changed_records():
        orders.get(order)
        signer = signing_key(orders.log, key, checkpoint)
        note = _note(orders.log, signer, checkpoint, since)
        earlier = None if since is None else read_note(since)
        subject = (orders.log, orders.provider, order, signer, note)
        try:
            file = make_evidence(*subject, bodies=bodies, complete=complete, since=earlier)
        except InvalidArgumentError as failure:
            raise Refusal(
                f"no evidence was written: {failure}; run: lifecycle verify", NO
            ) from None
        _check(file, orders, signer.public)
    text = json.dumps(file, indent=1, ensure_ascii=False) + "\n"
    if output == STDOUT:
        print_text(text)
        return
    with whole_or_not_there(Path(output), "evidence") as written:
        written.write(text.encode())


def verify_evidence(
    path: Path,
    key: PublicKey | None,
    held: Sequence[Checkpoint],
    witnesses: Sequence[PublicKey],
    *,
    json: bool,
) -> None:
    """Verify a file of evidence, and print what it shows; nothing else is needed.

    Raises:
        Refusal: it cannot be read.
    """
    file = _read(path)
    faults = check_evidence(file, known_providers(), key, held)
    if not faults:
        note = Note.parse(file["checkpoint"])
        faults = [f"{name!a} did not sign the checkpoint" for name in unsigned(note, witnesses)]
    if json:
        print_json({"ok": not faults, "findings": faults, "key": file.get("key")})
    elif faults:
        for fault in faults:
            say(visible(fault), "red")
    else:
        say(f"{len(file['records'])} records: each stood in the log, and nothing was changed since")
        own = () if key else ("by the key in the file itself: compare it",)
        for sentence in (*file["proves"], f"signed with the key {file['key']}", *own):
            say(visible(sentence))
        if (why := why_not_folded(file, known_providers())) is not None:
            say(f"what the records come to was not folded again: {why}")
        for witness in witnesses:
            if (at := witness.cosigned_at(note)) is not None:
                say(f"{visible(witness.name)} signed the checkpoint too, at {format_instant(at)}")
    if faults:
        raise typer.Exit(NO)


def _note(log: Log, signer: PrivateKey, checkpoint: Path | None, since: Path | None) -> Note:
    """Return the checkpoint to prove it by: the one that somebody holds, or one signed now."""
    earlier = [] if since is None else [since]
    if checkpoint is None:
        return taken(log, signer, earlier)
    note = _signed(checkpoint, signer.public)
    check_continued(log, [checkpoint, *earlier])
    return note


@contextmanager
def _none_of_changed_records() -> Iterator[None]:
    """Refuse evidence of a log whose records were changed; a key that is lost changes none."""
    try:
        yield
    except UnknownKeyError:
        raise
    except StoredFormatError as failure:
        raise Refusal(f"no evidence was written: {failure}", NO) from None


def _check(file: Mapping[str, Any], orders: Orders, key: PublicKey) -> None:
    """Check evidence as whoever gets it will.

    Raises:
        Refusal: it would not be verified.
    """
    providers = {**known_providers(), orders.provider.name: orders.provider}
    if faults := check_evidence(file, providers, key):
        raise Refusal(f"no evidence was written: {faults[0]}; run: lifecycle verify", NO)


def _signed(path: Path, key: PublicKey) -> Note:
    """Return the checkpoint of a file that has to be signed with the key of the evidence.

    Raises:
        Refusal: it is not.
    """
    note = read_note(path)
    if unsigned(note, [key]):
        told = f"{str(path)!a} is not signed with the key {key.name!a}"
        raise Refusal(f"{told}; pass the one that signed it: --key FILE", NO)
    return note


def _read(path: Path) -> dict[str, Any]:
    try:
        file = parse(path.read_bytes(), max_depth=_MAX_DEPTH)
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
    except JsonError:
        file = None
    if not isinstance(file, dict):
        raise Refusal(f"{str(path)!a} holds no evidence; expected a file of lifecycle evidence")
    return file
