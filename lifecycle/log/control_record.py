"""Converts control entries, which are about no single order, to and from record headers."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Raw, json

from lifecycle.core.event import Encrypted, Erased, Redriven, Reviewed, Rules, Unmasked
from lifecycle.log.control_key import (
    encryption_key,
    erasure_key,
    mark_key,
    review_key,
    rules_key,
    unmasking_key,
)
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

Identity = tuple[str, str]
"""The key and the digest of a record in its stream."""


def fields_of(entry: ControlEntry) -> tuple[_Fields, Identity]:
    """Return the header fields of an entry, and its identity.

    Raises:
        TypeError, ValueError, AttributeError: a field has a wrong type or value.
    """
    if isinstance(entry, Rules):
        return _rules_fields(entry), (rules_key(entry.provider), entry.fingerprint)
    if isinstance(entry, Reviewed):
        subject, at = entry.subject, utc(entry.reviewed_at)
        review = ReviewFields(v=FORMAT, subject=subject, by=entry.by, why=entry.why, at=at)
        return review, (review_key(subject), "")
    if isinstance(entry, Encrypted):
        at = utc(entry.encrypted_at)
        move = EncryptionFields(v=FORMAT, checkpoint=entry.checkpoint, at=at)
        return move, (encryption_key(entry.checkpoint), "")
    if isinstance(entry, Erased):
        return _erasure_fields(entry), (erasure_key(entry.stream, entry.item), "")
    if isinstance(entry, Unmasked):
        stream, item, by, at = entry.stream, entry.item, entry.by, utc(entry.unmasked_at)
        seen = UnmaskingFields(v=FORMAT, stream=stream, item=item, by=by, at=at)
        return seen, (unmasking_key(stream, item, by, at), "")
    item, stream, at = entry.item, entry.stream, utc(entry.redriven_at)
    mark = ControlFields(v=FORMAT, kind="redriven", item=item, stream=stream, key=entry.key, at=at)
    return mark, (mark_key(item), "")


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
