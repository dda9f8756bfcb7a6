"""`evidence`: one order in one file that a stranger can verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lifecycle.audit.evidence import make_evidence
from lifecycle.audit.evidence_check import check_evidence
from lifecycle.cli.checkpoint import KeyFile, public_key, signing_key, taken
from lifecycle.cli.choice import orders_with
from lifecycle.cli.failure import NO, Refusal, unusable
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.option import DEFAULT_DATABASE, Database, OrderId, Output, ProviderName
from lifecycle.cli.output import print_json, print_text, say, visible
from lifecycle.registry import known_providers


def evidence(
    order: OrderId,
    *,
    output: Output = STDOUT,
    without_bodies: Annotated[
        bool, typer.Option("--without-bodies", help="Leave out what was sent and received.")
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Also show that no record of the order is missing.")
    ] = False,
    key: KeyFile = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Write one order into a file that a stranger can verify."""
    with orders_with(db, provider, order) as orders:
        orders.get(order)
        signer = signing_key(orders.log, key)
        note = taken(orders.log, signer, [])
        bodies = not without_bodies
        file = make_evidence(
            orders.log, orders.provider, order, signer, note, bodies=bodies, complete=complete
        )
    text = json.dumps(file, indent=1, ensure_ascii=False) + "\n"
    if output == STDOUT:
        print_text(text)
        return
    with whole_or_not_there(Path(output), "evidence") as written:
        written.write(text.encode())


def verify_evidence(path: Path, key: str | None, *, json: bool) -> None:
    """Verify a file of evidence, and print what it shows; nothing else is needed.

    Raises:
        Refusal: it cannot be read.
    """
    file = _read(path)
    faults = check_evidence(file, known_providers(), public_key(key))
    if json:
        print_json({"ok": not faults, "findings": faults, "key": file.get("key")})
    elif faults:
        for fault in faults:
            say(visible(fault), "red")
    else:
        say(f"{len(file['records'])} records: each stood in the log, and nothing was changed since")
        for sentence in (*file["proves"], f"signed with the key {file['key']}"):
            say(visible(sentence))
    if faults:
        raise typer.Exit(NO)


def _read(path: Path) -> dict[str, Any]:
    try:
        file = json.loads(path.read_bytes())
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
    except ValueError:
        file = None
    if not isinstance(file, dict):
        raise Refusal(f"{str(path)!a} holds no evidence; expected a file of lifecycle evidence")
    return file
