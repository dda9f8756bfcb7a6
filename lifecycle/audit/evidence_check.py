"""Verifies evidence: needs only the file and, to fold its records again, its provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lifecycle.audit.checkpoint import Checkpoint, is_continued
from lifecycle.audit.difference import Difference
from lifecycle.audit.evidence import (
    BODY_FIELDS,
    FORMAT,
    SEAL,
    Bodies,
    derived_from,
    end_leaf,
    ends_origin,
    seal_text,
    what_it_proves,
)
from lifecycle.audit.export import line_of
from lifecycle.audit.merkle import TreeHead, is_included, leaf_hash
from lifecycle.audit.signed_note import Note, PublicKey
from lifecycle.audit.stream_check import Chain, Links, check
from lifecycle.core.event import Rules, stream_of
from lifecycle.core.provider import Provider
from lifecycle.errors import LifecycleError
from lifecycle.log.cipher import DECRYPTED
from lifecycle.log.codec import decode, hash_of, parse_header
from lifecycle.log.contract import CONTROL, Record

_DERIVED: Final = ("rules", "view", "history", "story", "picture")
_BESIDE: Final = {*BODY_FIELDS, "body_masked", "erased", "index", "proof"}
_MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError, LifecycleError)


def check_evidence(
    file: Mapping[str, Any],
    providers: Mapping[str, Provider],
    key: PublicKey | None = None,
    held: Iterable[Checkpoint] = (),
) -> list[str]:
    """Return a sentence for each part of the evidence that does not hold; empty if all holds.

    Args:
        file: what `make_evidence` returned, read from JSON.
        providers: the installed ones; without that of the order, nothing is folded again.
        key: the only trusted key; by default any key is.
        held: checkpoints from elsewhere; the file must show that its log is the same, or grew
            from theirs.
    """
    try:
        signer = PublicKey.parse(file["key"])
        return [
            *_unsigned(file, signer, key),
            *_misled(file),
            *_unproved(file, signer),
            *_not_from(file, signer, held),
            *_derived_otherwise(file, providers),
        ]
    except _MALFORMED as trouble:
        return [f"a part of it is missing or is not what it should be ({type(trouble).__name__})"]


def why_not_folded(file: Mapping[str, Any], providers: Mapping[str, Provider]) -> str | None:
    """Return why the records cannot be folded again here; None if they can."""
    provider = providers.get(file["order"]["provider"])
    if not all(map(_has_body, file["records"])):
        return "the bodies are not in the file"
    if provider is None:
        return "the provider is not known here"
    if file["rules"]["fingerprint"] != provider.definition.fingerprint:
        return "it was made under other rules than those of this release"
    return None


def _unsigned(file: Mapping[str, Any], signer: PublicKey, key: PublicKey | None) -> Iterator[str]:
    """Yield a sentence for each part that the key has not signed."""
    note, seal = Note.parse(file["checkpoint"]), Note.parse(file[SEAL])
    if key not in (None, signer):
        yield f"it is signed with the key {signer}, not with {key}"
    if not signer.has_signed(note) or Checkpoint.parse(note.text).origin != signer.name:
        yield "the checkpoint is not signed with the key that the file names"
    if not signer.has_signed(seal):
        yield "the seal is not signed with the key that the file names"
    if len(seal.signatures) != 1 or str(seal) != file[SEAL]:
        yield "the seal is more than what was signed"
    if seal.text != seal_text(file):
        changed = set(seal_text(file).splitlines()) ^ set(seal.text.splitlines())
        parts = sorted({line.partition(" ")[0] for line in changed})
        yield f"changed since it was sealed: {', '.join(parts)}"


def _misled(file: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each false claim to the reader, even one that is properly sealed."""
    order, lines = file["order"], file["records"]
    if file["format"] != FORMAT:
        yield f"it has another format; this release reads {FORMAT}"
    if order["stream"] != stream_of(order["provider"], order["order_id"]):
        yield "the order that it names is not the one of its records"
    complete, grown = file["complete"] is not None, file["since"] is not None
    if file["proves"] != what_it_proves(_bodies_of(lines), complete=complete, grown=grown):
        yield "it says that it proves something else than it does"
    for line in lines:
        if names := _told_otherwise(line, order["stream"]):
            yield f"record {line['version']}: its header says otherwise: {', '.join(names)}"
    for line in file["in_force"]:
        if names := _told_otherwise(line, CONTROL):
            yield f"rules in force: their header says otherwise: {', '.join(names)}"


def _told_otherwise(line: Mapping[str, Any], stream: str) -> list[str]:
    """Return the fields of a line that differ from its header."""
    written = json.loads(line_of(_record(line, stream), DECRYPTED))
    names = (line.keys() | written.keys()) - _BESIDE
    return sorted(name for name in names if line.get(name) != written.get(name))


def _bodies_of(lines: Sequence[Mapping[str, Any]]) -> Bodies:
    if all(map(_has_body, lines)):
        return "whole"
    return "masked" if any("body_masked" in line for line in lines) else "left out"


def _unproved(file: Mapping[str, Any], signer: PublicKey) -> Iterator[str]:
    """Yield a sentence for each record that the proofs do not cover."""
    checkpoint = Checkpoint.parse(Note.parse(file["checkpoint"]).text)
    lines, stream = file["records"], file["order"]["stream"]
    records = [_record(line, stream) for line in lines]
    yield from _misplaced(lines, records, checkpoint.head)
    yield from _misplaced_rules(file, checkpoint.head)
    yield from _broken(lines, records, stream)
    if file["complete"] is not None:
        yield from _incomplete(file["complete"], records[-1], checkpoint, signer)


def _not_from(
    file: Mapping[str, Any], signer: PublicKey, held: Iterable[Checkpoint]
) -> Iterator[str]:
    """Yield a sentence for each earlier checkpoint that the log is not shown to have grown from."""
    checkpoint, since = Checkpoint.parse(Note.parse(file["checkpoint"]).text), file["since"]
    heads = [checkpoint.head]
    if since is not None:
        note = Note.parse(since["checkpoint"])
        heads.append(Checkpoint.parse(note.text).head)
        if not signer.has_signed(note):
            yield "the checkpoint of `since` is not signed with the key"
        if not is_continued(Checkpoint.parse(note.text), checkpoint, _hashes(since["proof"])):
            yield "the log of the checkpoint did not go on from the one of `since`"
    for each in held:
        if each.head not in heads:
            told = f"the checkpoint over {each.head.size} records that is held"
            yield f"it does not show that its log goes on from {told}; ask for it with --since"


def _derived_otherwise(file: Mapping[str, Any], providers: Mapping[str, Provider]) -> Iterator[str]:
    """Yield a sentence for each derived part that differs when the records are folded again."""
    if why_not_folded(file, providers) is not None:
        return
    provider, stream = providers[file["order"]["provider"]], file["order"]["stream"]
    records = [_record(line, stream) for line in file["records"]]
    again = derived_from(provider, stream, records, cipher=DECRYPTED)
    for part in _DERIVED:
        if file[part] != again[part]:
            yield f"the {part} is not what the records come to"


def _record(line: Mapping[str, Any], stream: str) -> Record:
    header = base64.b64decode(line["header_base64"], validate=True)
    stored = header + b"\n" + _content(line, "body_text", "body_base64")
    stored += _content(line, "context", "context_base64")
    topic = parse_header(header, stream, line["version"]).topic
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
    """Yield a sentence for each record that the checkpoint does not cover at this index."""
    last = -1
    for line, record in zip(lines, records, strict=True):
        index, leaf = line["index"], leaf_hash(record.state.partition(b"\n")[0])
        if not is_included(leaf, index, head, _hashes(line["proof"])):
            yield f"record {record.version} was not in the log that the checkpoint is of"
        if index <= last:
            yield f"record {record.version} does not stand after the one before it"
        last = index


def _misplaced_rules(file: Mapping[str, Any], head: TreeHead) -> Iterator[str]:
    """Yield a sentence for each rules record that is not covered, or is another provider's."""
    provider, lines = file["order"]["provider"], file["in_force"]
    records = [_record(line, CONTROL) for line in lines]
    for sentence in _misplaced(lines, records, head):
        yield f"rules in force: {sentence}"
    for record in records:
        rules = decode(record)
        if not isinstance(rules, Rules) or rules.provider != provider:
            yield f"rules in force: record {record.version} holds no rules of {provider!a}"


def _broken(
    lines: Sequence[Mapping[str, Any]], records: Sequence[Record], stream: str
) -> Iterator[str]:
    """Yield a sentence for each record that differs from its header or breaks the chain."""
    found: list[Difference] = []
    check(records, Chain(stream, Links(0), found.append, DECRYPTED))
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
    if not signer.has_signed(note) or ends.origin != ends_origin(checkpoint.origin):
        yield "the root over the ends of all streams is not signed with the key"
    if f"log-size {checkpoint.head.size}" not in note.text.splitlines()[3:]:
        yield "the root over the ends of all streams is of another moment than the checkpoint"
    if not is_included(leaf, proof["index"], ends.head, _hashes(proof["proof"])):
        yield "the last record here was not the last of its order"


def _hashes(proof: Sequence[str]) -> list[bytes]:
    return [base64.b64decode(each, validate=True) for each in proof]
