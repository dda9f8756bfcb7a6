"""How body and context lie in an encrypted log: one ciphertext, which the header vouches for.

    header: …,"sha256":<of the plain body>,…,"stored_sha256":<of what is stored>,"key_id":…
    stored: nonce, then what AES-256-GCM makes of body + context

What arrives about an order that was erased is stored as its header alone.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from lifecycle.errors import StoredFormatError, UnknownKeyError
from lifecycle.log.cipher import CannotDecryptError, Cipher
from lifecycle.log.contract import Append, Record
from lifecycle.log.header import EventHeader, ItemHeader, sections


class Stored(NamedTuple):
    """What is stored after a header, and the fields that vouch for it, as JSON."""

    body: bytes
    fields: bytes


class Plain(NamedTuple):
    """What was encrypted: a body, and a context if there is one."""

    body: bytes
    context: bytes | None


def encrypted(append: Append, cipher: Cipher) -> Stored:
    """Return what is to be stored of a body and its context.

    Raises:
        UnknownKeyError: there is no key for it.
    """
    plain = append.body + (append.context or b"")
    about = _about(append.stream, append.key, append.digest)
    try:
        body = cipher.encrypt(append.key_id, plain, about) or b""
    except LookupError:
        raise UnknownKeyError(append.stream, append.version, append.key_id) from None
    fields = f',"stored_sha256":"{sha256(body).hexdigest()}","key_id":"{append.key_id}"'
    return Stored(body, fields.encode("ascii"))


def decrypted(
    fields: EventHeader | ItemHeader, record: Record, stored: bytes, cipher: Cipher | None
) -> Plain | None:
    """Return what was stored encrypted; None where it was erased.

    Raises:
        UnknownKeyError: nobody erased it, but its key is not there.
        StoredFormatError: there are no keys, or it is not what was encrypted.
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
        found = "its body is not what was encrypted for this place"
        raise StoredFormatError(stream, version, found) from None
    return None if plain is None else Plain(*sections(fields, plain))


def _about(stream: str, key: str, digest: str) -> bytes:
    """Return what a ciphertext is bound to: it cannot stand in another record's place."""
    return f"{stream}\n{key}\n{digest}".encode("utf-8", "backslashreplace")
