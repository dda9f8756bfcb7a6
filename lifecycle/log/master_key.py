"""The master key wraps the keys of a log: a copy of the wrapped keys alone decrypts nothing.

It is in a file of its own, one key in each line. The last key wraps; during a rotation the one
before it still unwraps. A wrapped key names the master key that wrapped it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final

from lifecycle.errors import KeyStoreError, MissingExtraError
from lifecycle.log.key_store import KEY_BYTES
from lifecycle.log.private_file import part_of, sync_folder

_MARK_BYTES: Final = 8
_NONCE_BYTES: Final = 12

Stamp = tuple[int, int, int]
"""Identifies one state of a file: inode, time of change and size."""


class MasterKey:
    """The master key in the file at `path`; before it wraps, a file that changed is read again."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._stamp: Stamp | None = None
        self._keys: dict[bytes, bytes] = {}
        self._ciphers: dict[bytes, Any] = {}

    def is_there(self) -> bool:
        """Tell whether there is a file."""
        return self._path.exists()

    def make(self) -> None:
        """Make the file with a random key, unless it exists; only its owner may read it."""
        if not self.is_there():
            self._write([token_bytes(KEY_BYTES)], replace=False)

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Return a key wrapped, as it is stored."""
        mark, nonce = next(reversed(self._read())), os.urandom(_NONCE_BYTES)
        return mark + nonce + bytes(self._ciphers[mark].encrypt(nonce, key, key_id.encode()))

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the key in a wrapped one.

        Raises:
            KeyStoreError: it was wrapped with another master key, or was changed.
        """
        mark, sealed = wrapped[:_MARK_BYTES], wrapped[_MARK_BYTES:]
        master = self._ciphers.get(mark)
        if master is None:
            self._read()
            master = self._ciphers.get(mark)
        if master is None:
            raise self._unusable("the keys were wrapped with another master key than it holds")
        try:
            return bytes(
                master.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key_id.encode())
            )
        except Exception:  # noqa: BLE001 - the package has its own, and there is one reason
            raise self._unusable("a key that it wrapped was changed") from None

    def add(self) -> bytes:
        """Add a random key, which wraps from now on; return its mark. One process at a time."""
        key = token_bytes(KEY_BYTES)
        self._write([*self._read().values(), key])
        return _mark(key)

    def drop_before(self, mark: bytes) -> None:
        """Remove the keys that were added before one that is kept; one process at a time."""
        keys = self._read()
        if mark in keys:
            self._write([*keys.values()][[*keys].index(mark) :])

    def _read(self) -> dict[bytes, bytes]:
        """Return the keys by their marks; the last one wraps.

        Raises:
            KeyStoreError: there is no such file, or it holds no master key.
        """
        try:
            found = self._path.stat()
            stamp = found.st_ino, found.st_mtime_ns, found.st_size
            if stamp != self._stamp:
                lines = self._path.read_text(encoding="ascii").split()
                self._keys = {_mark(key): key for key in map(bytes.fromhex, lines)}
                self._ciphers = {mark: _aes(key) for mark, key in self._keys.items()}
                self._stamp = stamp
        except OSError as failed:
            raise self._unusable(f"it cannot be read ({failed.strerror})") from None
        except ValueError:
            raise self._unusable("it holds no master key") from None
        if not self._keys or {len(key) for key in self._keys.values()} != {KEY_BYTES}:
            raise self._unusable("it holds no master key")
        return self._keys

    def _write(self, keys: list[bytes], *, replace: bool = True) -> None:
        try:
            with part_of(self._path) as file:
                file.write("".join(f"{key.hex()}\n" for key in keys).encode())
                file.flush()
                os.fsync(file.fileno())
                if replace:
                    Path(file.name).replace(self._path)
                else:
                    with suppress(FileExistsError):  # another process was first: its key counts
                        os.link(file.name, self._path)
            sync_folder(self._path.parent)
        except OSError as failed:
            raise self._unusable(f"it cannot be written ({failed.strerror})") from None

    def _unusable(self, found: str) -> KeyStoreError:
        return KeyStoreError(str(self._path), found)

    def __repr__(self) -> str:
        return f"<MasterKey in {str(self._path)!a}>"


def _mark(key: bytes) -> bytes:
    return sha256(b"lifecycle master key " + key).digest()[:_MARK_BYTES]


def _aes(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("crypto", "cryptography") from None
    return AESGCM(key)
