"""Converts control entries, which are about no single order, to and from record headers."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Raw, json

from lifecycle.core.event import Encrypted, Erased, Redriven, Reviewed, Rules, Unmasked
from lifecycle.log.header import (
    FORMAT,
    Bodiless,
    ControlFields,
    EncryptionFields,
    EncryptionHeader,
    ErasureFields,
    ErasureHeader,
    ReviewFields,
    ReviewHeader,
    RulesFields,
    RulesHeader,
    UnmaskingFields,
    UnmaskingHeader,
)
from lifecycle.log.item_record import utc

ControlEntry = Redriven | Reviewed | Erased | Rules | Encrypted | Unmasked
"""An entry of the control stream, about no single order."""

_Fields = (
    ControlFields | ReviewFields | ErasureFields | RulesFields | EncryptionFields | UnmaskingFields
)


def fields_of(entry: ControlEntry) -> _Fields:
    """Return the header fields of an entry.

    Raises:
        TypeError, ValueError, AttributeError: a field has a wrong type or value.
    """
    match entry:
        case Rules():
            return _rules_fields(entry)
        case Reviewed(subject, by, why, at):
            return ReviewFields(v=FORMAT, subject=subject, by=by, why=why, at=utc(at))
        case Encrypted(checkpoint, at):
            return EncryptionFields(v=FORMAT, checkpoint=checkpoint, at=utc(at))
        case Erased():
            return _erasure_fields(entry)
        case Unmasked(stream, by, at, item):
            return UnmaskingFields(v=FORMAT, stream=stream, item=item, by=by, at=utc(at))
        case Redriven(item, stream, key, at):
            return ControlFields(
                v=FORMAT, kind="redriven", item=item, stream=stream, key=key, at=utc(at)
            )


def entry_in(header: Bodiless) -> ControlEntry:
    """Return the entry in a header."""
    match header:
        case ReviewHeader():
            return Reviewed(header.subject, header.by, header.why, header.at)
        case ErasureHeader():
            what = (header.stream, header.key_id, header.by, header.why, header.at)
            return Erased(*what, header.item)
        case EncryptionHeader():
            return Encrypted(header.checkpoint, header.at)
        case UnmaskingHeader():
            return Unmasked(header.stream, header.by, header.at, header.item)
        case RulesHeader():
            definition, details = bytes(header.definition).decode(), bytes(header.details).decode()
            rules = (header.provider, header.fingerprint, definition, header.release)
            return Rules(*rules, header.origin, None if details == "null" else details)
    return Redriven(header.item, header.stream, header.key, header.at)


def _erasure_fields(entry: Erased) -> ErasureFields:
    return ErasureFields(
        v=FORMAT,
        stream=entry.stream,
        item=entry.item,
        key_id=entry.key_id,
        by=entry.by,
        why=entry.why,
        at=utc(entry.erased_at),
    )


def _rules_fields(rules: Rules) -> RulesFields:
    definition, details = rules.definition.encode(), (rules.details or "null").encode()
    if sha256(definition).hexdigest() != rules.fingerprint:
        raise ValueError
    for text in (definition, details):
        json.decode(text)
    return RulesFields(
        v=FORMAT,
        provider=rules.provider,
        fingerprint=rules.fingerprint,
        release=rules.release,
        origin=rules.origin,
        definition=Raw(definition),
        details=Raw(details),
    )
