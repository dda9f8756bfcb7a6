"""Encrypts body and context of a record into one ciphertext, whose hash the header holds.

    header: …,"sha256":<of the plain body>,…,"stored_sha256":<of the ciphertext>,"key_id":…
    stored: nonce, then the AES-256-GCM ciphertext of body + context

What arrives about an erased order is stored as its header alone, under the order's key: also what
cannot be read, and goes to the quarantine.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from msgspec import json

from lifecycle.errors import StoredFormatError, UnknownKeyError
from lifecycle.log.cipher import CannotDecryptError, Cipher
from lifecycle.log.contract import CONTROL, QUARANTINE, Append, Record
from lifecycle.log.header import EventHeader, ItemHeader, sections
from lifecycle.log.key_store import key_id_of, new_key_id


class Stored(NamedTuple):
    """What is stored after a header, and the header fields about it, as JSON."""

    body: bytes
    fields: bytes


class Plain(NamedTuple):
    """A decrypted body, and its context if there is one."""

    body: bytes
    context: bytes | None


def for_encryption(append: Append) -> Append:
    """Choose the key with which `seal` encrypts the body of an entry, and return the entry.

    Control records stay plain. The header of an encrypted record leaves out the hash of the
    context: short texts can be guessed from it.
    """
    if append.stream == CONTROL:
        return append
    append.key_id = new_key_id() if append.stream == QUARANTINE else key_id_of(append.stream)
    if append.context is not None:
        fields = json.decode(append.opening + b"}")
        fields.pop("context_sha256", None)
        append.opening = json.encode(fields)[:-1]
    return append


def encrypted(append: Append, cipher: Cipher) -> Stored:
    """Return a body and its context encrypted, as they are stored.

    Raises:
        UnknownKeyError: there is no key for it.
    """
    plain = append.body + (append.context or b"")
    about = _about(append.stream, append.key, append.digest)
    is_late = cipher.is_erased(append.order_key_id)
    key_id = append.order_key_id if is_late else append.key_id
    try:
        body = cipher.encrypt(key_id, plain, about) or b""
    except LookupError:
        raise UnknownKeyError(append.stream, append.version, key_id) from None
    fields = f',"stored_sha256":"{sha256(body).hexdigest()}","key_id":"{key_id}"'
    return Stored(body, fields.encode("ascii"))


def decrypted(
    fields: EventHeader | ItemHeader, record: Record, stored: bytes, cipher: Cipher | None
) -> Plain | None:
    """Return the decrypted body and context; None if they were erased.

    Raises:
        UnknownKeyError: it was not erased, but its key is missing, or another one.
        StoredFormatError: the log was opened without keys, or the ciphertext is not of this place.
    """
    stream, version, key_id = record.stream, record.version, fields.key_id or ""
    if cipher is None:
        found = "it is encrypted, and the log was opened without keys"
        raise StoredFormatError(stream, version, found)
    try:
        plain = cipher.decrypt(key_id, stored, _about(stream, *fields.identity))
    except LookupError:
        raise UnknownKeyError(stream, version, key_id) from None
    except CannotDecryptError:
        if sha256(stored).hexdigest() == fields.stored_sha256:  # it is as it was written
            raise UnknownKeyError(stream, version, key_id, foreign=True) from None
        found = "its body is not what was encrypted for this place"
        raise StoredFormatError(stream, version, found) from None
    return None if plain is None else Plain(*sections(fields, plain))


def _about(stream: str, key: str, digest: str) -> bytes:
    """Return the associated data of a ciphertext, which binds it to the place of its record."""
    return f"{stream}\n{key}\n{digest}".encode("utf-8", "backslashreplace")
