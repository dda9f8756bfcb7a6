"""The manifest of an export: its files with their hashes, and which orders each shard holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import msgspec

from lifecycle.errors import InvalidArgumentError

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


_NAME: Final = re.compile(r"(?:records|views)/[0-9]{5,9}\.parquet")
_EXPECTED: Final = "one that `lifecycle export --format parquet` wrote, with its manifest.json"


class File(msgspec.Struct, frozen=True):
    """One file: its name in the folder, its rows, its size and its SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str


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


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the export in a folder.

    Raises:
        InvalidArgumentError: there is none, or it is not of this format.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidArgumentError("the folder", _EXPECTED) from None
    if not all(map(_NAME.fullmatch, names_of(manifest.shards))):
        raise InvalidArgumentError("the folder", _EXPECTED)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest: the last file of an export, so that none without it is complete."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    path = folder / MANIFEST
    path.touch(mode=0o600)
    path.write_bytes(text + b"\n")


def names_of(shards: Sequence[Shard]) -> list[str]:
    """Return the names of all files of some shards."""
    return [file.name for shard in shards for file in shard.files]
