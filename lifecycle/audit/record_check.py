"""Checks one record by itself: is its header intact, and is its body the one it was hashed from?"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from lifecycle.core.event import Value
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import is_intact, parse_header
from lifecycle.log.contract import Record
from lifecycle.log.header import WITH_BODY, Header, RulesHeader, sections

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
    header_hash = sha256(raw).hexdigest()
    try:
        header = parse_header(raw, record.stream, record.version)
    except StoredFormatError as damaged:
        return CheckedRecord(None, header_hash, body, damaged.found)
    if not newline:
        return CheckedRecord(None, header_hash, body, "its header has no end")
    if not is_intact(raw):
        return CheckedRecord(None, header_hash, body, "its header was changed")
    if not isinstance(header, WITH_BODY):
        if isinstance(header, RulesHeader) and not header.is_sound:
            damage = "its definition is not the one of its fingerprint"
            return CheckedRecord(None, header_hash, body, damage)
        return CheckedRecord(header, header_hash, body, None, _NOTHING, sha256(body).hexdigest())
    if header.key_id is not None and not decrypted:
        found = sha256(body).hexdigest()
        return CheckedRecord(header, header_hash, body, None, header.stored_sha256, found)
    if header.size is None:
        found = sha256(body).hexdigest()
        return CheckedRecord(header, header_hash, body, None, header.sha256, found)
    body, context = sections(header, body)
    found, stated = sha256(body).hexdigest(), header.sha256
    if context is not None and header.context_sha256 is not None and stated == found:
        stated, found = header.context_sha256, sha256(context).hexdigest()
    return CheckedRecord(header, header_hash, body, None, stated, found)
