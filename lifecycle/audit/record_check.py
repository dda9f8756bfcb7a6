"""Checks one record by itself: is its header intact, and is its body the one it was hashed from?"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from lifecycle.core.event import Value
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import hash_of, is_intact, parse_header
from lifecycle.log.contract import Record
from lifecycle.log.header import Bodiless, Header, RulesHeader, sections

_NOTHING: Final = sha256(b"").hexdigest()


class CheckedRecord(Value, frozen=True, gc=False):
    """A record that was checked.

    `header` is None if it cannot be trusted, and `damage` says why. `stated` is the hash of the
    body in the header, `found` that of the body itself.
    """

    header: Header | None
    header_hash: str
    body: bytes
    damage: str | None = None
    stated: str | None = None
    found: str | None = None


def check_record(record: Record, *, decrypted: bool = False) -> CheckedRecord:
    """Return the parsed record, and what is wrong with it apart from its place.

    An encrypted body is compared with its stored hash. If it is `decrypted`, as in a file of
    evidence, it is compared with the hash of the plain body; its context has no hash.
    """
    raw, newline, body = record.state.partition(b"\n")
    try:
        header = parse_header(raw, record.stream, record.version)
    except StoredFormatError as damaged:
        return CheckedRecord(None, hash_of(raw), body, damaged.found)
    if not newline:
        return CheckedRecord(None, hash_of(raw), body, "its header has no end")
    if not is_intact(raw):
        return CheckedRecord(None, hash_of(raw), body, "its header was changed")
    if isinstance(header, RulesHeader) and not header.is_sound:
        damage = "its definition is not the one of its fingerprint"
        return CheckedRecord(None, hash_of(raw), body, damage)
    if isinstance(header, Bodiless):
        found = sha256(body).hexdigest()
        return CheckedRecord(header, hash_of(raw), body, None, _NOTHING, found)
    if header.key_id is not None and not decrypted:
        found = sha256(body).hexdigest()
        return CheckedRecord(header, hash_of(raw), body, None, header.stored_sha256, found)
    body, context = sections(header, body)
    found, stated = sha256(body).hexdigest(), header.sha256
    if context is not None and header.context_sha256 is not None and stated == found:
        stated, found = header.context_sha256, sha256(context).hexdigest()
    return CheckedRecord(header, hash_of(raw), body, None, stated, found)
