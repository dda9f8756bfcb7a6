"""The key that signs checkpoints, in a file that only its owner may read."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Final

from lifecycle.audit.signed_note import PrivateKey
from lifecycle.log.private_file import part_of, sync_folder

_SEED_BYTES: Final = 32


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
    seed = token_bytes(_SEED_BYTES)
    key = PrivateKey(f"order-log/{sha256(seed).hexdigest()[:12]}", seed)
    with part_of(path) as file:
        file.write(f"{key.written()}\n".encode())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(file.name, path)
    sync_folder(path.parent)
