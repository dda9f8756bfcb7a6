"""The manifest of an export: its files with their hashes, and which orders each shard holds."""

from __future__ import annotations

import os
import re
from datetime import datetime
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, Self

import msgspec

from lifecycle.errors import InvalidArgumentError
from lifecycle.log.private_file import PRIVATE

MANIFEST: Final = "manifest.json"
FORMAT: Final = "lifecycle-columns/1"


class Bodies(StrEnum):
    """How much of the bodies an export holds; masked, their shape and what headers say too."""

    WHOLE = "whole"
    MASKED = "masked"
    NONE = "none"


class Depth(StrEnum):
    """How far an audit goes.

    `headers`: chains, states and paths, without reading a body. `bodies`: their hashes and the
    details in them too. `rederive`: every body is recognized again, as `replay` does.
    """

    HEADERS = "headers"
    BODIES = "bodies"
    REDERIVE = "rederive"


_NAME: Final = re.compile(r"(?:records|views)/[0-9]{5,9}\.parquet|leaves/[0-9]{5,13}\.bin")
_EXPECTED: Final = "one that `lifecycle export --format parquet` wrote, with its manifest.json"


class File(msgspec.Struct, frozen=True):
    """One file: its name in the folder, its rows, its size and its SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, name: str, rows: int) -> Self:
        """Return what a manifest says of a file."""
        path = folder / name
        with path.open("rb") as file:
            return cls(name, rows, path.stat().st_size, file_digest(file, "sha256").hexdigest())


class FileFinding(NamedTuple):
    """What is wrong with one file of an export."""

    file: str
    sentence: str


class Shard(msgspec.Struct, frozen=True):
    """Neighboring streams, from `first` to `last` by name: all of them of one provider."""

    records: File
    views: File
    first: str
    last: str
    orders: int

    @property
    def files(self) -> tuple[File, File]:
        """Its two files."""
        return self.records, self.views


class ExportedViews(msgspec.Struct, frozen=True):
    """The views of one provider: `stored` beside the log, or else folded for the export.

    They were made under `definition`, a fingerprint, and have taken in all up to `position`.
    """

    provider: str
    definition: str
    position: int
    stored: bool


class Manifest(msgspec.Struct, frozen=True):
    """What an export holds.

    `position` is where the log ended when the export began, and `checkpoint` covers the records
    up to there; later ones may be in it. `signed` is the last signed checkpoint of the log.
    """

    format: Literal["lifecycle-columns/1"]
    release: str
    made_at: datetime
    bodies: Bodies
    gapless: bool
    position: int
    records: int
    orders: int
    checkpoint: str
    signed: str | None
    views: tuple[ExportedViews, ...]
    shards: tuple[Shard, ...]
    leaves: tuple[File, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """All files."""
        return (*(file for shard in self.shards for file in shard.files), *self.leaves)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the export in a folder.

    Raises:
        InvalidArgumentError: there is none, or it is not of this format.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidArgumentError("the folder", _EXPECTED) from None
    if not all(_NAME.fullmatch(file.name) for file in manifest.files):
        raise InvalidArgumentError("the folder", _EXPECTED)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest: the last file of an export, so that none without it is complete."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    path = folder / MANIFEST
    path.touch(mode=0o600)
    path.write_bytes(text + b"\n")


def new_file(path: Path) -> BinaryIO:
    """Return a new file that its owner alone may read; `finish` it at the end."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb")


def finish(file: BinaryIO) -> None:
    """Have a file on the disk, and close it."""
    with file:
        file.flush()
        os.fsync(file.fileno())
