"""Evidence: one order in one file that anybody can verify without the log.

    records ─→ inclusion proofs ─→ checkpoint ─→ signature
    view, history, picture, ... ─→ SHA-256 each ─→ seal ─→ signature by the same key

It proves that these records stood in the log, in this sequence, when the checkpoint was signed.
With `complete`, a second signed root over the last record of every stream attests that no record
is missing. With `since`, a proof shows that the log only grew since an earlier checkpoint.
The key in the file proves nothing by itself: readers need it from another source.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any, Final, Literal

from lifecycle.audit.checkpoint import Checkpoint, Contradiction, OtherKey, take
from lifecycle.audit.explain import explain_order
from lifecycle.audit.export import line_of
from lifecycle.audit.masking import masked
from lifecycle.audit.merkle import Frontier, Nodes, head_of, inclusion, leaf_hash
from lifecycle.audit.signed_note import Note, PrivateKey
from lifecycle.audit.stream_check import Chain, Links, rederived
from lifecycle.audit.tree import LogTree, leaf_of
from lifecycle.core.definition import NoDetails
from lifecycle.core.event import stream_of
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.strict_json import canonical
from lifecycle.core.view import OrderView
from lifecycle.diagram.picture import draw_history
from lifecycle.errors import InvalidArgumentError, StoredFormatError, UnknownOrderError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import hash_of, split
from lifecycle.log.contract import Log, Record
from lifecycle.log.order_stream import order_in, provider_in
from lifecycle.log.recorded_rules import recorded_rules

FORMAT: Final = "lifecycle-evidence/1"
SEAL: Final = "seal"

_CHANGED: Final = "its header is not the one that the tree beside the log holds"

_CONTEXT_FIELDS: Final = ("context", "context_base64")
BODY_FIELDS: Final = ("body_text", "body_base64", *_CONTEXT_FIELDS)

Bodies = Literal["whole", "masked", "left out"]
"""How much of the bodies the file holds."""

_WHOLE: Final = (
    "These records stood in the log, in this sequence, with these headers and bodies, when the "
    "checkpoint was signed. "
)
_HEADERS: Final = (
    "Records with these headers stood in the log, in this sequence, when the checkpoint was "
    "signed. Their bodies are left out; each header holds the SHA-256 of its own. "
)
_MASKED: Final = (
    "Records with these headers stood in the log, in this sequence, when the checkpoint was "
    "signed. Each header holds the SHA-256 of its body; of the body only the shape is here, and "
    "what the header says too. "
)
_SEALED: Final = (
    "The seal shows that whoever holds the key stands by every other part of this file."
)
_COMPLETE: Final = (
    "The second signed root is over the last record of every stream: no further record of this "
    "order was in the log then, by the word of whoever holds the key."
)
_GROWN: Final = (
    "A proof shows that the log only grew since the checkpoint of `since`: whoever holds that one "
    "knows that nothing before it was changed."
)
_INCOMPLETE: Final = (
    "That no other record of this order was in the log is not shown: that takes a file made with "
    "--complete, or an export of the whole log."
)


def evidence_now(
    log: Log,
    provider: Provider,
    order_id: str,
    key: PrivateKey,
    now: Callable[[], datetime],
    *,
    bodies: Bodies = "whole",
) -> dict[str, Any]:
    """Return the evidence of one order under a checkpoint that is signed now.

    Raises:
        InvalidArgumentError: the log contradicts its own last checkpoint, or holds one over the
            same records by another key.
        UnknownOrderError: nothing is stored about the order.
    """
    note = take(log, key, now)
    if isinstance(note, Contradiction):
        raise InvalidArgumentError("the log", "one that goes on from its last checkpoint")
    if isinstance(note, OtherKey):
        raise InvalidArgumentError("key", "the one that signed the last checkpoint")
    return make_evidence(log, provider, order_id, key, note, bodies=bodies)


def make_evidence(
    log: Log,
    provider: Provider,
    order_id: str,
    key: PrivateKey,
    note: Note,
    *,
    bodies: Bodies = "whole",
    complete: bool = False,
    since: Note | None = None,
) -> dict[str, Any]:
    """Return the evidence of a provider's order as a JSON object.

    Args:
        log: the log that the checkpoint is about.
        provider: the provider of the order.
        order_id: the id of the order.
        key: seals the file, and signs the root over the ends of streams.
        note: the checkpoint, signed by `key`; later records are left out.
        bodies: how much of the bodies to include; unless `whole`, no details and messages either.
        complete: whether to prove that no record of the order is missing; reads the whole log.
        since: an earlier checkpoint, to prove that the log only grew since.

    Raises:
        UnknownOrderError: the checkpoint covers no record of the order.
        InvalidArgumentError: `key` did not sign `note`, or the log contradicts it or `since`.
    """
    size, stream = _covered_size(note, key), stream_of(provider.name, order_id)
    records, parts, bodies = _record_parts(log, stream, size, bodies)
    file: dict[str, Any] = {
        "format": FORMAT,
        "proves": what_it_proves(bodies, complete=complete, grown=since is not None),
        "order": {"provider": provider.name, "order_id": order_id, "stream": stream},
        **parts,
        **_checkpoints(log, note, since, size),
        "complete": _stream_ends(log, stream, size, key) if complete else None,
        **derived_from(provider, stream, list(records.values()), bodies, log.cipher),
        "key": str(key.public),
    }
    return {**file, SEAL: str(key.sign(seal_text(file)))}


def what_it_proves(bodies: Bodies, *, complete: bool, grown: bool) -> list[str]:
    """Return sentences for the reader: what a file proves and what it does not."""
    records = {"whole": _WHOLE, "masked": _MASKED, "left out": _HEADERS}[bodies]
    completeness = _COMPLETE if complete else _INCOMPLETE
    return [records + _SEALED, completeness, *([_GROWN] if grown else [])]


def derived_from(
    provider: Provider,
    stream: str,
    records: Sequence[Record],
    bodies: Bodies = "whole",
    cipher: Cipher | None = None,
) -> dict[str, Any]:
    """Return what is derived from an order's records: rules, view, history, story and picture."""
    events = rederived(provider, records, Chain(stream, Links(0), lambda _: None, cipher))
    folding = Folding.of(provider.definition, events)
    view, history = folding.view(), folding.history()
    view = view if bodies == "whole" else _without_body_content(view)
    return {
        "rules": {
            "fingerprint": provider.definition.fingerprint,
            "definition": json.loads(provider.definition.to_json()),
        },
        "view": view.model_dump(mode="json"),
        "history": [entry.model_dump(mode="json") for entry in history],
        "story": explain_order(view, history).text(),
        "picture": draw_history(provider.definition, view, history).svg(),
    }


def seal_text(file: Mapping[str, Any]) -> str:
    """Return the text that the seal signs: the SHA-256 of every other part, as canonical JSON."""
    origin = Note.parse(file["checkpoint"]).text.partition("\n")[0]
    parts = sorted(name for name in file if name != SEAL)
    hashes = [f"{name} {sha256(canonical(file[name])).hexdigest()}\n" for name in parts]
    return f"{origin}/evidence\n{''.join(hashes)}"


def end_leaf(stream: str, version: int, header_hash: str) -> bytes:
    """Return the leaf for the last record of a stream in the tree of stream ends."""
    return leaf_hash(canonical([stream, version, header_hash]))


def ends_origin(origin: str) -> str:
    """Return the origin of the checkpoint over the ends of streams."""
    return f"{origin}/streams"


def _covered_size(note: Note, key: PrivateKey) -> int:
    if not key.public.has_signed(note):
        raise InvalidArgumentError("note", "a checkpoint that the key has signed")
    return Checkpoint.parse(note.text).head.size


def _without_body_content(view: OrderView) -> OrderView:
    """Return a view without details and messages; its digest stays that of the full view."""
    errors = tuple(error.model_copy(update={"message": None}) for error in view.errors)
    update = {"details": NoDetails(), "errors": errors, "digest": view.digest}
    return view.model_copy(update=update)


def _records_by_index(log: Log, stream: str, size: int) -> dict[int, Record]:
    """Return the records of a stream that a checkpoint covers, keyed by leaf index."""
    tree, found = LogTree(log), dict[int, Record]()
    for record in log.read(stream):
        index = tree.index_of(record)
        if index is None and log.tree.around(record.position) is not None:
            raise StoredFormatError(stream, record.version, _CHANGED)
        if index is not None and index < size:
            found[index] = record
    if not found:
        raise UnknownOrderError(provider_in(stream), order_in(stream))
    return found


def _record_parts(
    log: Log, stream: str, size: int, bodies: Bodies
) -> tuple[dict[int, Record], dict[str, Any], Bodies]:
    """Return the records by index, the parts of the file with their lines, and `bodies`.

    The bodies of an erased order are left out, whatever was asked.
    """
    if log.cipher is not None:
        log.cipher.catch_up()
    found = _records_by_index(log, stream, size)
    lines = _lines(log, found, size, bodies)
    rules = _rules_in_force(log, provider_in(stream), found, size)
    included: Bodies = "left out" if "erased" in lines[0] else bodies
    return found, {"records": lines, "in_force": rules}, included


def _lines(
    log: Log, found: Mapping[int, Record], size: int, bodies: Bodies
) -> list[dict[str, Any]]:
    """Return the exported line of each record, with its inclusion proof."""
    tree = LogTree(log)
    return [
        {
            **_line(record, bodies, log.cipher),
            "index": index,
            "proof": _as_base64(tree.inclusion(index, size)),
        }
        for index, record in found.items()
    ]


def _line(record: Record, bodies: Bodies, cipher: Cipher | None) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(line_of(record, cipher))
    # No header holds the hash of an encrypted context, so nothing would prove it.
    left_out = BODY_FIELDS if bodies != "whole" else () if cipher is None else _CONTEXT_FIELDS
    kept = {name: value for name, value in line.items() if name not in left_out}
    is_masked = bodies == "masked" and "erased" not in line
    return kept | ({"body_masked": masked(record, cipher)} if is_masked else {})


def _checkpoints(log: Log, note: Note, since: Note | None, size: int) -> dict[str, Any]:
    """Return the checkpoint, and an earlier one with the consistency proof between them."""
    if since is None:
        return {"checkpoint": str(note), "since": None}
    old, tree = Checkpoint.parse(since.text).head, LogTree(log)
    if old.size > size or tree.head(old.size) != old:
        raise InvalidArgumentError("since", "a checkpoint that the log goes on from")
    earlier = {"checkpoint": str(since), "proof": _as_base64(tree.consistency(old.size, size))}
    return {"checkpoint": str(note), "since": earlier}


def _as_base64(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


def _rules_in_force(
    log: Log, provider: str, found: Mapping[int, Record], size: int
) -> list[dict[str, Any]]:
    """Return the lines of the rules that were in force while an order's records were appended."""
    positions = [record.position for record in found.values()]
    first, last = min(positions), max(positions)
    recorded = [each.record for each in recorded_rules(log, last).get(provider, [])]
    before = [each for each in recorded if each.position < first]
    meanwhile = [each for each in recorded if each.position > first]
    indexed = {LogTree(log).index_of(each): each for each in (*before[-1:], *meanwhile)}
    covered = {index: each for index, each in indexed.items() if index is not None and index < size}
    return _lines(log, covered, size, "whole")


def _stream_ends(log: Log, stream: str, size: int, key: PrivateKey) -> dict[str, Any]:
    """Return the signed root over the end of every stream, with the inclusion proof of one."""
    ends, read = dict[str, tuple[int, str]](), Frontier()
    for record in islice(log.scan(), size):
        ends[record.stream] = (record.version, hash_of(split(record)[0]))
        read.add(leaf_of(record))
    if read.head != LogTree(log).head(size):
        raise InvalidArgumentError("the log", "one with every record that the checkpoint saw")
    names = sorted(ends)
    leaves = [end_leaf(name, *ends[name]) for name in names]
    index = names.index(stream)
    proof = inclusion(_subtrees(leaves), index, len(leaves))
    text = Checkpoint(head_of(leaves), ends_origin(key.public.name)).text + f"log-size {size}\n"
    return {
        "note": str(key.sign(text)),
        "index": index,
        "proof": _as_base64(proof),
    }


def _subtrees(leaves: Sequence[bytes]) -> Nodes:
    return lambda level, index: head_of(leaves[index << level : (index + 1) << level]).root
