"""The keys of a log: finds the key store that a name stands for, and gives it to the log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lifecycle.errors import InvalidArgumentError, KeyStoreError
from lifecycle.log.key_store import KeyStore

if TYPE_CHECKING:
    from lifecycle.log.event_log import EventLog
    from lifecycle.log.partitioned import PartitionedLog
    from lifecycle.log.stores.sql.keys import TableKeys

_SQLITE: Final = "sqlite:///"
_KEYS: Final = re.compile(
    r"file:(?P<path>[^?\0]+)(?:\?master=(?P<master>[^\0]+))?|database:\?master=(?P<only>[^\0]+)"
)

# An erasure would be known to one of them alone.
_PARTITIONED: Final = "it has several partitions, which take none; open it without"

Keys = str | KeyStore | None
"""The keys of a log: the name of a store, or a store."""


def check_keys_named(keys: Keys) -> None:
    """Refuse what names no key store, before anything is opened or made for it.

    Raises:
        InvalidArgumentError: it is neither the name of a key store nor one.
    """
    if isinstance(keys, str):
        _parts_of(keys)
    elif not isinstance(keys, KeyStore | None):
        raise InvalidArgumentError("keys", "the name of a key store, a KeyStore, or None")


def give_keys(
    log: EventLog | PartitionedLog, url: str, keys: Keys, *, create: bool, needs_keys: bool
) -> None:
    """Have a log encrypt and decrypt, if that is how it is stored; finish what was being erased."""
    from lifecycle.log.event_log import EventLog

    if not isinstance(log, EventLog) or not log.takes_keys:
        if keys is not None:
            raise KeyStoreError(log.url, _PARTITIONED)
        return
    is_encrypted = log.is_encrypted()
    if keys is None and is_encrypted is not False:
        keys = keys_beside(url)
    if is_encrypted is not None and (needs_keys or keys is not None):
        from lifecycle.log.encryption_check import check_form

        check_form(log.url, is_encrypted=is_encrypted, has_keys=keys is not None)
    if keys is None:
        return
    if isinstance(keys, str):
        keys = open_key_store(keys, log, create=create and is_encrypted is None)
    log.use_keys(keys)
    if create or needs_keys:
        log.check_keys()
    if create and log.cipher is not None:
        log.cipher.finish()


def keys_beside(url: str) -> str | None:
    """Return the key file that lies beside a log in a file, if there is one."""
    path = f"{url.removeprefix(_SQLITE)}.keys"
    return f"file:{path}" if url.startswith(_SQLITE) and Path(path).exists() else None


def open_key_store(named: str, log: Any, *, create: bool) -> TableKeys:
    """Return the key store of that name: a file, or a table in the database of the log.

    Raises:
        InvalidArgumentError: it is no name of a key store.
        KeyStoreError: there is none, and none is to be made.
    """
    from lifecycle.log.master_key import MasterKey
    from lifecycle.log.stores.sql.keys import TableKeys

    found = _parts_of(named)
    path = found["path"]
    master = MasterKey(found["only"] or found["master"] or f"{path}.master")
    if path is None:
        store = TableKeys(_database_of(log), master)
    elif not create and not Path(path).exists():
        found_nothing = "it is not there; restore it: without it nothing encrypted can be read"
        raise KeyStoreError(path, found_nothing)
    else:
        from lifecycle.log.retry_policy import RETRY_SECONDS
        from lifecycle.log.stores.sqlite.key_file import KeyFile

        store = TableKeys(KeyFile(path, RETRY_SECONDS), master)
    if create:
        store.create()
    return store


def _parts_of(named: str) -> re.Match[str]:
    found = _KEYS.fullmatch(named)
    if found is None:
        expected = "file:NAME, file:NAME?master=FILE or database:?master=FILE"
        raise InvalidArgumentError("keys", expected)
    return found


def _database_of(log: Any) -> Any:
    datastore = getattr(getattr(log, "beside", log).recorder, "datastore", None)
    if datastore is None:
        raise InvalidArgumentError("keys", "a file, or an object: this store has no tables")
    return datastore
