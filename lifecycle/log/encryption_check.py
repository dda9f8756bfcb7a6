"""Keeps plain bodies and encrypted ones, and the keys of two stores, out of the same log.

The first body that is stored decides for all others. Two processes may open an empty log at
once, one with keys and one without: so the first commit of each looks again, under the lock.
A store without such a lock lets one of them lose the place of the rules, which both write first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from lifecycle.errors import KeyStoreError, StoredFormatError, UnknownKeyError
from lifecycle.log.append_queue import Batch
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import header_and_body
from lifecycle.log.contract import CONTROL, MAX_POSITION, Record
from lifecycle.log.encrypted_body import decrypted
from lifecycle.log.header import Bodiless
from lifecycle.log.store_port import Recorder, TryAgainError

NO_KEYS_GIVEN: Final = (
    "it is encrypted, and none are given or lie beside it; pass keys=, set LIFECYCLE_KEYS, "
    "or restore the key store"
)
IS_PLAIN: Final = (
    "it is plain and has none; open it without, or encrypt it: lifecycle copy --encrypt"
)
_OF_ANOTHER: Final = (
    "the key store that was given belongs to another log, and has other keys for the same orders; "
    "open the log with the key store that it was written with"
)
_BEGUN_BY_ANOTHER: Final = (
    "another process began it with another key store; open the log with that one"
)
_TRIED: Final = 20
_FEW: Final = (1, 8)


class EncryptionCheck:
    """Checks, before the first commit of a writer, that it stores bodies as the log does."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._was_empty = False
        self.has_passed: bool = False

    def look(self) -> bool | None:
        """Tell whether bodies are stored encrypted; None where none is stored yet."""
        found = is_encrypted(self._recorder)
        self._was_empty |= found is None
        return found

    def passes(self, group: Sequence[Batch], cipher: Cipher | None) -> bool:
        """Tell whether what is to be stored fits what is; False if it may be the first.

        Raises:
            KeyStoreError: it does not fit.
        """
        if any(map(_has_body, group)):
            found = self.look()
            if found is None:
                return False
            check_form(self._recorder.url, is_encrypted=found, has_keys=cipher is not None)
            if cipher is not None:
                check_keys(self._recorder, cipher, all_known=self._was_empty)
            self.has_passed = True
        return True

    def confirm_first(self) -> None:
        """Return if there is still no body in the log; asked under the lock of all writers.

        Raises:
            TryAgainError: somebody else stored one meanwhile.
        """
        if is_encrypted(self._recorder) is not None:
            raise TryAgainError("another process stored the first body")


def is_encrypted(recorder: Recorder) -> bool | None:
    """Tell whether the first body in a log is stored encrypted; None if there is none."""
    for record in _records_in(recorder):
        with suppress(StoredFormatError):
            header, _ = header_and_body(record)
            if not isinstance(header, Bodiless):
                return header.key_id is not None
    return None


def check_form(url: str, *, is_encrypted: bool, has_keys: bool) -> None:
    """Refuse keys for a plain log, and no keys for an encrypted one.

    Raises:
        KeyStoreError: so it is.
    """
    if is_encrypted is not has_keys:
        raise KeyStoreError(url, NO_KEYS_GIVEN if is_encrypted else IS_PLAIN)


def check_keys(recorder: Recorder, cipher: Cipher, *, all_known: bool = False) -> None:
    """Refuse the key store of another log, with which none of some bodies can be read.

    One that can be read is enough: whoever may append could add others. A key that the store
    does not know is one that was lost, unless all must be known. A key store that fails says so
    when a key is needed.

    Raises:
        KeyStoreError: it is another log's.
    """
    cipher.catch_up()
    wrong = None
    for record in _some_records(recorder):
        try:
            if _is_readable(record, cipher):
                return
        except UnknownKeyError as failed:
            if failed.foreign or all_known:
                wrong = wrong or (_OF_ANOTHER if failed.foreign else _BEGUN_BY_ANOTHER)
        except KeyStoreError:
            return
        except StoredFormatError:  # it is damaged: others tell
            continue
    if wrong is not None:
        raise KeyStoreError(recorder.url, wrong)


def _some_records(recorder: Recorder) -> Iterator[Record]:
    """Yield the newest records, of which fewest are erased, and then the oldest."""
    last = recorder.last_position()
    for position in (*range(last, max(0, last - _TRIED), -1), *range(1, min(last, _TRIED) + 1)):
        yield from recorder.page(position - 1, position)


def _is_readable(record: Record, cipher: Cipher) -> bool:
    header, stored = header_and_body(record)
    if isinstance(header, Bodiless) or header.key_id is None:
        return False
    return decrypted(header, record, stored, cipher) is not None


def _has_body(batch: Batch) -> bool:
    return any(append.stream != CONTROL for append in batch.appends)


def _records_in(recorder: Recorder) -> Iterator[Record]:
    """Yield all records; few at first, as nearly always one of these tells."""
    position = 0
    for until in _FEW:
        yield from recorder.page(position, until)
        position = until
    while page := recorder.page(position, MAX_POSITION):
        yield from page
        position = page[-1].position
