"""Evidence: one order in one file, which a stranger verifies without the log.

    records ─→ inclusion proofs ─→ checkpoint ─→ signature
    view, history, picture, ... ─→ SHA-256 each ─→ seal ─→ signature of the same key

It proves that these records stood in the log, in this sequence, when the checkpoint was signed.
With `complete`, a second signed root over the end of every stream attests that none is missing.
The key in the file proves nothing by itself: the reader has to know it from elsewhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.explain import explain_order
from lifecycle.audit.export import line_of
from lifecycle.audit.merkle import head_of, inclusion, leaf_hash
from lifecycle.audit.note import Note, PrivateKey
from lifecycle.audit.stream_check import Chain, Links, rederived
from lifecycle.audit.tree import LogTree
from lifecycle.core.event import stream_of
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.strict_json import canonical
from lifecycle.diagram.picture import draw_history
from lifecycle.errors import UnknownOrderError
from lifecycle.log.codec import hash_of, split
from lifecycle.log.contract import Log, Record

FORM: Final = "lifecycle-evidence/1"
SEAL: Final = "seal"

_BODIES: Final = ("body_text", "body_base64", "context", "context_base64")
_WHOLE: Final = (
    "These records stood in the log, in this sequence, with these headers and bodies, when the "
    "checkpoint was signed. "
)
_HEADERS: Final = (
    "Records with these headers stood in the log, in this sequence, when the checkpoint was "
    "signed. Their bodies are left out; each header holds the SHA-256 of its own. "
)
_SEALED: Final = (
    "The seal shows that whoever holds the key stands by every other part of this file."
)
_COMPLETE: Final = (
    "The second signed root is over the last record of every stream: no further record of this "
    "order was in the log then, by the word of whoever holds the key."
)
_INCOMPLETE: Final = (
    "That no other record of this order was in the log is not shown: that takes a file made with "
    "--complete, or an export of the whole log."
)


def make_evidence(
    log: Log,
    provider: Provider,
    order_id: str,
    key: PrivateKey,
    note: Note,
    *,
    bodies: bool = True,
    complete: bool = False,
) -> dict[str, Any]:
    """Return the evidence of one order as a JSON object.

    Args:
        log: the log that the checkpoint is about.
        provider: the order's provider.
        order_id: the order's id.
        key: seals the file, and signs the root over the ends of streams.
        note: the checkpoint, signed by `key`; records that came after it are left out.
        bodies: whether what was sent and received is in it; the proofs hold without.
        complete: whether to show that no record of the order is missing; reads the log up to
            the checkpoint.

    Raises:
        UnknownOrderError: the checkpoint covers no record of the order.
    """
    size, stream = Checkpoint.parse(note.text).head.size, stream_of(provider.name, order_id)
    if not (placed := _placed(log, stream, size)):
        raise UnknownOrderError(provider.name, order_id)
    file: dict[str, Any] = {
        "form": FORM,
        "proves": _proves(bodies=bodies, complete=complete),
        "order": {"provider": provider.name, "order_id": order_id, "stream": stream},
        "records": _lines(log, placed, size, bodies=bodies),
        "checkpoint": str(note),
        "complete": _ends(log, stream, size, key) if complete else None,
        **told_of(provider, stream, list(placed.values())),
        "key": str(key.public),
    }
    return {**file, SEAL: str(key.sign(seal_text(file)))}


def _proves(*, bodies: bool, complete: bool) -> list[str]:
    return [(_WHOLE if bodies else _HEADERS) + _SEALED, _COMPLETE if complete else _INCOMPLETE]


def told_of(provider: Provider, stream: str, records: Sequence[Record]) -> dict[str, Any]:
    """Return what is derived from an order's records: rules, view, history, story and picture."""
    events = rederived(provider, records, Chain(stream, Links(0), lambda _: None))
    folding = Folding.of(provider.definition, events)
    view, history = folding.view(), folding.history()
    return {
        "rules": {"fingerprint": provider.definition.fingerprint},
        "view": view.model_dump(mode="json"),
        "history": [entry.model_dump(mode="json") for entry in history],
        "story": explain_order(view, history).text(),
        "picture": draw_history(provider.definition, view, history).svg(),
    }


def seal_text(file: Mapping[str, Any]) -> str:
    """Return what is signed over a file: the SHA-256 of each other part, as canonical JSON."""
    origin = Note.parse(file["checkpoint"]).text.partition("\n")[0]
    parts = sorted(name for name in file if name != SEAL)
    hashes = [f"{name} {sha256(canonical(file[name])).hexdigest()}\n" for name in parts]
    return f"{origin}/evidence\n{''.join(hashes)}"


def end_leaf(stream: str, version: int, header_hash: str) -> bytes:
    """Return the leaf that the end of a stream has in the second tree."""
    return leaf_hash(canonical([stream, version, header_hash]))


def ends_origin(origin: str) -> str:
    """Return the origin of the checkpoint that is signed over the ends of streams."""
    return f"{origin}/streams"


def _placed(log: Log, stream: str, size: int) -> dict[int, Record]:
    """Return the records of a stream that a checkpoint covers, keyed by leaf index."""
    tree = LogTree(log)
    found = [(tree.index_of(record), record) for record in log.read(stream)]
    return {index: record for index, record in found if index is not None and index < size}


def _lines(
    log: Log, placed: Mapping[int, Record], size: int, *, bodies: bool
) -> list[dict[str, Any]]:
    """Return the exported line of each record, with the proof that it stood in the log."""
    lines = []
    for index, record in placed.items():
        line = json.loads(line_of(record))
        kept = {name: line[name] for name in line if bodies or name not in _BODIES}
        proof = [base64.b64encode(each).decode() for each in LogTree(log).inclusion(index, size)]
        lines.append({**kept, "index": index, "proof": proof})
    return lines


def _ends(log: Log, stream: str, size: int, key: PrivateKey) -> dict[str, Any]:
    """Return the signed root over the end of every stream, and the proof for one."""
    ends = {
        record.stream: (record.version, hash_of(split(record)[0]))
        for record in islice(log.scan(), size)
    }
    names = sorted(ends)
    leaves = [end_leaf(name, *ends[name]) for name in names]
    index = names.index(stream)
    proof = inclusion(_over(leaves), index, len(leaves))
    text = Checkpoint(head_of(leaves), ends_origin(key.public.name)).text + f"log-size {size}\n"
    return {
        "note": str(key.sign(text)),
        "index": index,
        "proof": [base64.b64encode(each).decode() for each in proof],
    }


def _over(leaves: Sequence[bytes]) -> Any:
    return lambda level, index: head_of(leaves[index << level : (index + 1) << level]).root
