"""The wrapped keys of an encrypted log, in a table: in a file of their own, or beside the log.

A destroyed key leaves its id with an empty value. All writers take one lock, so that a rotation
of the master key misses no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_bytes
from typing import Final

from lifecycle.log.key_store import KEY_BYTES, Keys, KeyStore
from lifecycle.log.master_key import MasterKey
from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.database import Cursor, KeyDatabase
from lifecycle.log.stores.sql.tables import KEYS

_MAKE: Final = (
    "INSERT INTO data_keys (key_id, wrapped) VALUES (?, ?) ON CONFLICT (key_id) DO NOTHING"
)
_DESTROY: Final = (
    "INSERT INTO data_keys (key_id, wrapped) VALUES (?, ?) "
    "ON CONFLICT (key_id) DO UPDATE SET wrapped = excluded.wrapped"
)
_ANY: Final = "SELECT 1 FROM data_keys WHERE wrapped <> ? LIMIT 1"
_FIND: Final = "SELECT key_id, wrapped FROM data_keys WHERE "
_PAGE: Final = (
    "SELECT key_id, wrapped FROM data_keys WHERE key_id > ? AND wrapped <> ? "
    "ORDER BY key_id LIMIT ?"
)
_REWRAP: Final = "UPDATE data_keys SET wrapped = ? WHERE key_id = ?"
_SIZES: Final = (1, 8, 64)
_AT_ONCE: Final = 1000
_DESTROYED: Final = b""


class TableKeys(KeyStore):
    """A `KeyStore` in a table of a database."""

    def __init__(self, database: KeyDatabase, master: MasterKey) -> None:
        self.url: str = database.url
        self.retry_timeout: float = database.retry_timeout
        self._database = database
        self._master = master
        self._is_there = False

    @retried
    def create(self) -> None:
        """Make the table and the master key, unless they are there.

        A master key that is lost is made anew for nothing that another one wrapped: whoever
        restored it would lose what was written meanwhile.
        """
        is_there = self._database.holds(KEYS)
        if not self._master.is_there() and not (is_there and self._holds_any()):
            self._master.make()
        if not is_there:
            with self._database.writing() as transaction:
                self._database.make(KEYS, transaction)

    @retried
    def find(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids; unknown ids are left out."""
        if not self._is_there:
            self._is_there = self._database.holds(KEYS)
        return self._unwrapped(self._rows(key_ids)) if self._is_there else {}

    @retried
    def make(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids, and make a random key for each unknown id."""
        if not self._is_there:  # nearly all that is asked for is new: it is made unseen
            self.create()
        with self._database.overwriting() as (cursor, _):
            new = [
                (key_id, self._master.wrap(key_id, token_bytes(KEY_BYTES))) for key_id in key_ids
            ]
            cursor.executemany(self._database.spelled(_MAKE), new)
        return self.find(key_ids)

    @retried
    def destroy(self, key_ids: Sequence[str]) -> None:
        """Destroy the keys of these ids; the database files no longer hold them."""
        self.create()
        with self._database.overwriting() as (cursor, _):
            destroyed = [(key_id, _DESTROYED) for key_id in key_ids]
            cursor.executemany(self._database.spelled(_DESTROY), destroyed)

    @retried
    def rotate(self) -> int:
        """Wrap every key with a new master key, and return how many.

        If it was interrupted, call it again. The file of the master key changes only under the
        lock of the table: two rotations at once do not remove each other's key.
        """
        with self._database.overwriting() as (cursor, _):
            mark = self._master.add()
            rotated = self._rewrap(cursor)
        with self._database.overwriting():
            self._master.drop_before(mark)
        return rotated

    def _holds_any(self) -> bool:
        return bool(self._database.ask(self._database.spelled(_ANY), _DESTROYED))

    def _rewrap(self, cursor: Cursor) -> int:
        rotated, after = 0, ""
        page_of, rewrap = map(self._database.spelled, (_PAGE, _REWRAP))
        while True:
            cursor.execute(page_of, (after, _DESTROYED, _AT_ONCE))
            page = cursor.fetchall()
            if not page:
                return rotated
            keys = {key_id: self._master.unwrap(key_id, wrapped) for key_id, wrapped in page}
            anew = [(self._master.wrap(key_id, key), key_id) for key_id, key in keys.items()]
            cursor.executemany(rewrap, anew)
            rotated, after = rotated + len(page), page[-1][0]

    def _rows(self, key_ids: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for start in range(0, len(key_ids), _SIZES[-1]):
            chunk = key_ids[start : start + _SIZES[-1]]
            # Padded with the last id, so that only a few different statements are prepared.
            size = next(size for size in _SIZES if size >= len(chunk))
            statement = _FIND + " OR ".join(["key_id = ?"] * size)
            padded = [*chunk, *([chunk[-1]] * (size - len(chunk)))]
            rows = self._database.ask(self._database.spelled(statement), *padded)
            found |= {key_id: bytes(wrapped) for key_id, wrapped in rows}
        return found

    def _unwrapped(self, rows: dict[str, bytes]) -> dict[str, bytes | None]:
        return {
            key_id: self._master.unwrap(key_id, wrapped) if wrapped else None
            for key_id, wrapped in rows.items()
        }

    def __repr__(self) -> str:
        return f"<TableKeys in {self.url!a}>"
