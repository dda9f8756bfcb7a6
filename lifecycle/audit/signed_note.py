"""Signed notes, as C2SP specifies them: a text, and lines of signatures below it.

    example.com/orders           ← the text
    24
    <root in base64>
                                 ← an empty line
    — example.com/orders <key id and signature in base64>

Keys are written as Go's `note` package writes them: `name+id+key` and `PRIVATE+KEY+name+id+key`.
A witness signs the same text with its own key and the time (`cosignature/v1`).
A log's own key lies in a file that only its owner may read.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, NamedTuple, Self

from lifecycle.errors import InvalidArgumentError, MissingExtraError
from lifecycle.log.private_file import part_of, sync_folder

_ED25519: Final = 1
_COSIGNATURE: Final = 4
_KEY_BYTES: Final = 32
_LATEST: Final = 253_402_300_799
"""Seconds up to the end of the year 9999."""

_NAME: Final = re.compile(r"[^\s+]+")
_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)")
_PRIVATE: Final = "PRIVATE+KEY+"


class Signature(NamedTuple):
    """One line below a note: who signed, the four bytes of the key's id, and the signature."""

    name: str
    key_id: bytes
    made: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.made).decode()}\n"


class Note(NamedTuple):
    """A text that ends with a line break, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """Return the note that `str(note)` wrote, without verifying it.

        Raises:
            InvalidArgumentError: the text is not a signed note.
        """
        text, separator, lines = written.rpartition("\n\n")
        signatures = read_signatures(lines)
        if not separator or not signatures:
            raise InvalidArgumentError("note", "a text, an empty line and lines of signatures")
        return cls(f"{text}\n", signatures)

    def with_signatures(self, more: Sequence[Signature]) -> Self:
        """Return the note with further signatures, without repeats."""
        return self._replace(signatures=tuple(dict.fromkeys([*self.signatures, *more])))


class PublicKey(NamedTuple):
    """A key that verifies signatures; its text may be given to anybody."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name this key."""
        return sha256(b"%b\n%c%b" % (self.name.encode(), self.kind, self.public)).digest()[:4]

    def __str__(self) -> str:
        return _written(self.name, self.key_id, self.kind, self.public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that `str(key)` wrote.

        Raises:
            InvalidArgumentError: the text is not a key, or its id belongs to another key.
        """
        name, key_id, kind, public = _read_key(text)
        key = cls(name, kind, public)
        if kind not in (_ED25519, _COSIGNATURE) or key.key_id != key_id:
            raise InvalidArgumentError("key", "one of Ed25519, as NAME+ID+KEY")
        return key

    def has_signed(self, note: Note) -> bool:
        """Tell whether the note has a valid signature of this key."""
        return any(self._held(note))

    def cosigned_at(self, note: Note) -> datetime | None:
        """Return when a witness with this key signed, by its own clock; None if it did not."""
        if self.kind != _COSIGNATURE:
            return None
        times = [int.from_bytes(each.made[:8], "big") for each in self._held(note)]
        return datetime.fromtimestamp(min(*times, _LATEST), UTC) if times else None

    def _held(self, note: Note) -> Iterator[Signature]:
        """Yield the valid signatures of this key."""
        return (each for each in note.signatures if self._holds(each, note.text.encode()))

    def _holds(self, signature: Signature, text: bytes) -> bool:
        if (signature.name, signature.key_id) != (self.name, self.key_id):
            return False
        if self.kind == _ED25519:
            return self._is_valid(signature.made, text)
        return self._is_valid(signature.made[8:], _cosigned(signature.made[:8], text))

    def _is_valid(self, made: bytes, text: bytes) -> bool:
        ed25519 = _ed25519()
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(made, text)
        except _invalid_signature():
            return False
        return True


class PrivateKey:
    """A key that signs; its text is a secret."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError("name", "a name of a key, without spaces and plus signs")
        self._seed = seed
        self._key = _ed25519().Ed25519PrivateKey.from_private_bytes(seed)
        self.public: PublicKey = PublicKey(
            name, _ED25519, self._key.public_key().public_bytes_raw()
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that `written` wrote.

        Raises:
            InvalidArgumentError: the text is not a private key.
        """
        name, key_id, kind, seed = _read_key(text.strip().removeprefix(_PRIVATE))
        key = cls(name, seed)
        if kind != _ED25519 or key.public.key_id != key_id:
            raise InvalidArgumentError("key", "a private one of Ed25519")
        return key

    def written(self) -> str:
        """Return the secret text, for a file that nobody else may read."""
        return _PRIVATE + _written(self.public.name, self.public.key_id, _ED25519, self._seed)

    def sign(self, text: str) -> Note:
        """Return a note with this key's signature."""
        made = self._key.sign(text.encode())
        return Note(text, (Signature(self.public.name, self.public.key_id, made),))

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.public.name!a}>"


def read_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures of some lines; none unless every line is one."""
    found = [_LINE.fullmatch(line) for line in lines.removesuffix("\n").split("\n")]
    try:
        signed = [(each[1], base64.b64decode(each[2], validate=True)) for each in found if each]
    except binascii.Error:
        return ()
    if len(signed) < len(found) or any(len(made) <= 4 for _, made in signed):
        return ()
    return tuple(Signature(name, made[:4], made[4:]) for name, made in signed)


def _cosigned(seconds: bytes, text: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (int.from_bytes(seconds, "big"), text)


def _written(name: str, key_id: bytes, kind: int, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{base64.b64encode(bytes([kind]) + key).decode()}"


def _read_key(text: str) -> tuple[str, bytes, int, bytes]:
    try:
        name, key_id, encoded = text.strip().split("+", 2)
        key = base64.b64decode(encoded, validate=True)
        parts = name, bytes.fromhex(key_id), key[0], key[1:]
    except (ValueError, IndexError):
        raise InvalidArgumentError("key", "NAME+ID+KEY") from None
    if len(parts[3]) != _KEY_BYTES:
        raise InvalidArgumentError("key", "one of 32 bytes")
    return parts


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("crypto", "cryptography") from None
    return ed25519


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra

    return InvalidSignature


def key_at(path: Path) -> tuple[PrivateKey, bool]:
    """Return the key in a file, made if there is none, and whether it was made now.

    Raises:
        OSError: the file cannot be read or made.
        InvalidArgumentError: the file does not hold a key.
    """
    was_there = path.exists()
    if not was_there:
        _make(path)
    return PrivateKey.parse(path.read_text(encoding="utf-8", errors="replace")), not was_there


def _make(path: Path) -> None:
    seed = token_bytes(_KEY_BYTES)
    key = PrivateKey(f"order-log/{sha256(seed).hexdigest()[:12]}", seed)
    with part_of(path) as file:
        file.write(f"{key.written()}\n".encode())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(file.name, path)
    sync_folder(path.parent)
