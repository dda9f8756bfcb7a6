"""Verifying evidence: nothing but the file and, to fold again, its provider."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.difference import Difference
from lifecycle.audit.evidence import SEAL, end_leaf, ends_origin, seal_text, told_of
from lifecycle.audit.merkle import TreeHead, is_included, leaf_hash
from lifecycle.audit.note import Note, PublicKey
from lifecycle.audit.stream_check import Chain, Links, check
from lifecycle.core.provider import Provider
from lifecycle.errors import LifecycleError
from lifecycle.log.codec import hash_of, parse_header
from lifecycle.log.contract import Record

_TOLD: Final = ("view", "history", "story", "picture")
_MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError, LifecycleError)


def check_evidence(
    file: Mapping[str, Any], providers: Mapping[str, Provider], key: PublicKey | None = None
) -> list[str]:
    """Return a sentence for each thing that does not hold; none if the evidence does.

    Args:
        file: what `make_evidence` returned, read from JSON.
        providers: who can fold again what the bodies say; without its provider it is not.
        key: the only key that is trusted; any by default.
    """
    try:
        return list(_faults(file, providers, key))
    except _MALFORMED as trouble:
        return [f"a part of it is missing or is not what it should be ({type(trouble).__name__})"]


def _faults(
    file: Mapping[str, Any], providers: Mapping[str, Provider], key: PublicKey | None
) -> Iterator[str]:
    signer = PublicKey.parse(file["key"])
    note, seal = Note.parse(file["checkpoint"]), Note.parse(file[SEAL])
    checkpoint = Checkpoint.parse(note.text)
    if key not in (None, signer):
        yield f"it is signed with the key {signer}, not with {key}"
    if not signer.has_signed(note) or checkpoint.origin != signer.name:
        yield "the checkpoint is not signed with the key that the file names"
    if not signer.has_signed(seal):
        yield "the seal is not signed with the key that the file names"
    if seal.text != seal_text(file):
        changed = set(seal_text(file).splitlines()) ^ set(seal.text.splitlines())
        parts = sorted({line.partition(" ")[0] for line in changed})
        yield f"changed since it was sealed: {', '.join(parts)}"
    lines, stream = file["records"], file["order"]["stream"]
    records = [_record(line, stream) for line in lines]
    yield from _misplaced(lines, records, checkpoint.head)
    yield from _broken(lines, records, stream)
    if file["complete"] is not None:
        yield from _incomplete(file["complete"], records[-1], checkpoint, signer)
    provider = providers.get(file["order"]["provider"])
    if provider is not None and all(map(_has_body, lines)):
        yield from _otherwise(file, told_of(provider, stream, records))


def _record(line: Mapping[str, Any], stream: str) -> Record:
    header = base64.b64decode(line["header_base64"], validate=True)
    stored = header + b"\n" + _content(line, "body_text", "body_base64")
    stored += _content(line, "context", "context_base64")
    topic = parse_header(header, stream, line["version"]).kind_of_record
    return Record(stream, line["version"], topic, line["position"], stored)


def _content(line: Mapping[str, Any], text: str, exact: str) -> bytes:
    if exact in line:
        return base64.b64decode(line[exact], validate=True)
    content = line.get(text, "")
    return str(content).encode()


def _has_body(line: Mapping[str, Any]) -> bool:
    return "body_text" in line or "body_base64" in line


def _misplaced(
    lines: Sequence[Mapping[str, Any]], records: Sequence[Record], head: TreeHead
) -> Iterator[str]:
    """Yield the records that the checkpoint did not see, or not in this order."""
    last = -1
    for line, record in zip(lines, records, strict=True):
        index, leaf = line["index"], leaf_hash(record.state.partition(b"\n")[0])
        proof = [base64.b64decode(each, validate=True) for each in line["proof"]]
        if not is_included(leaf, index, head, proof):
            yield f"record {record.version} was not in the log that the checkpoint is of"
        if index <= last:
            yield f"record {record.version} does not stand after the one before it"
        last = index


def _broken(
    lines: Sequence[Mapping[str, Any]], records: Sequence[Record], stream: str
) -> Iterator[str]:
    """Yield the records that are not what their headers say, or do not follow each other."""
    found: list[Difference] = []
    check(records, Chain(stream, Links(0), found.append))
    left_out = {line["version"] for line in lines if not _has_body(line)}
    for each in found:
        if each.field != "body" or each.version not in left_out:
            yield f"record {each.version}: its {each.field} is not what it was"


def _incomplete(
    proof: Mapping[str, Any], last: Record, checkpoint: Checkpoint, signer: PublicKey
) -> Iterator[str]:
    note = Note.parse(proof["note"])
    ends = Checkpoint.parse(note.text)
    leaf = end_leaf(last.stream, last.version, hash_of(last.state.partition(b"\n")[0]))
    hashes = [base64.b64decode(each, validate=True) for each in proof["proof"]]
    if not signer.has_signed(note) or ends.origin != ends_origin(checkpoint.origin):
        yield "the root over the ends of all streams is not signed with the key"
    if f"log-size {checkpoint.head.size}" not in note.text.splitlines()[3:]:
        yield "the root over the ends of all streams is of another moment than the checkpoint"
    if not is_included(leaf, proof["index"], ends.head, hashes):
        yield "the last record here was not the last of its order"


def _otherwise(file: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the records do not come to when they are folded again."""
    if file["rules"] != again["rules"]:
        return  # this release has other rules: what they come to says nothing of the file
    for part in _TOLD:
        if file[part] != again[part]:
            yield f"the {part} is not what the records come to"
