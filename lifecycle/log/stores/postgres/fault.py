"""What PostgreSQL complains about, in our words: no error of a driver leaves the store.

The server's own sentences quote what is stored, and those of a failed connection say who
wanted to log in. So ours carry the SQLSTATE alone, and the original is not chained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from eventsourcing.persistence import PersistenceError

from lifecycle.errors import (
    InvalidArgumentError,
    StoreMissingError,
    StoreUnavailableError,
)
from lifecycle.log.store_port import InDoubtError, TryAgainError, cause_of

# By SQLSTATE, or its first two letters. The transaction is known to be rolled back.
_LOCKED, _TOO_LONG = "55P03", "57014"
_AGAIN: Final = {
    "23505": "other writers were always first",
    "40": "other transactions were always first",
    "53300": "the server takes no more connections",
    _LOCKED: "others held its lock for too long",
    _TOO_LONG: "a statement took longer than its time limit",
}
# The connection is gone, and with it the answer.
_GONE: Final = {
    "57P01": "the server ended the connection",
    "57P02": "the server crashed",
    "57P03": "the server is starting or stopping",
    "57P05": "the server ended the connection",
    "25P03": "the server ended the connection",
    "08": "the connection was lost",
}
_OF_ANOTHER: Final = (
    "a pool between us and the server hands sessions on, and with them what they prepared; "
    "add prepare=off to the URL"
)
_FOUND: Final = {
    "22021": "it cannot hold this text",
    "25006": "it can only be read",
    "26000": _OF_ANOTHER,
    "42P05": _OF_ANOTHER,
    "3F000": "its schema is not there",
    "42501": "this user may not do that",
    "42P01": "its table is gone",
    "53100": "the disk is full",
    "53200": "memory ran out",
    "58030": "reading or writing the disk failed",
    "XX001": "the database is damaged",
    "XX002": "the database is damaged",
}
_ADVICE: Final = {
    "42501": "; what roles need is given, by the owner, with: lifecycle db init "
    "--role, --follower or --reader NAME",
    "42P01": "; to make what is missing, as the owner: lifecycle db init",
}
_TOO_BIG: Final = ("54000", "54001")

# A connection that was never made has no SQLSTATE, only a sentence, which may be translated.
_PASSING: Final = (
    "starting up",
    "shutting down",
    "recovery mode",
    "not yet accepting connections",
    "not accepting connections",
    "too many clients",
    "connection slots",
    "too many connections",
)
_LASTING: Final = {
    "password": "it does not let this user in",
    "authentication": "it does not let this user in",
    "no pg_hba.conf entry": "it does not let this user in from here",
    "role": "it does not let this user in",
    "permission denied": "it does not let this user in",
    "certificate": "no secure connection could be made",
    "SSL": "no secure connection could be made",
}
_REFUSED: Final = {
    "could not translate host name": "its host is not known",
    "failed to resolve host": "its host is not known",
    "refused": "nobody answers there",
    "No such file": "nobody answers there",
    "timeout": "it did not answer in time",
}


class NoReplyError(psycopg.OperationalError):
    """The server did not answer within the time that a statement may take."""


class LockWaitError(TryAgainError):
    """Somebody else held a lock for longer than we wait, or than a statement may take."""


@contextmanager
def translated_errors(url: str, *, writes: bool = False) -> Iterator[None]:
    """Turn every error of psycopg and of the library's recorders into one of ours.

    `writes` tells that a lost connection leaves it open whether something was stored.
    """
    try:
        yield
    except BaseException as fault:
        cause = cause_of(fault)
        if isinstance(cause, psycopg.Error | PersistenceError):
            raise translated(url, cause, writes=writes) from None
        if cause is not None and cause is not fault:
            raise cause from None
        raise


def translated(url: str, fault: Exception, *, writes: bool) -> Exception:
    """Return what to raise instead of an error of psycopg or of the library's recorders."""
    state = state_of(fault)
    if state in _TOO_BIG:
        return InvalidArgumentError("the entry", "what a row and its index can hold")
    if is_lost(fault):
        found = _among(_GONE, state) or "the connection was lost"
        if isinstance(fault, NoReplyError):
            found = "it did not answer in time"
        return InDoubtError(found) if writes else TryAgainError(found)
    again = _among(_AGAIN, state)
    if again is not None:
        waited = state == _LOCKED or (writes and state == _TOO_LONG)
        return LockWaitError(again) if waited else TryAgainError(again)
    named = state or type(fault).__name__
    found = _among(_FOUND, state) or "PostgreSQL refused"
    return StoreUnavailableError(url, f"{found} ({named}){_ADVICE.get(state, '')}")


def unreachable(url: str, fault: psycopg.Error, *, opening: bool, create: bool) -> Exception:
    """Return what to raise for a connection that could not be made.

    Once a log was opened its server is known to be there, and is waited for.
    """
    sentence = str(fault)
    if any(sign in sentence for sign in _PASSING):
        return TryAgainError("the server is starting, stopping, or takes no more connections")
    if "database" in sentence and "does not exist" in sentence:
        missing = StoreUnavailableError(url, "there is no such database; create it first")
        return missing if create else StoreMissingError(url)
    lasting = next((said for sign, said in _LASTING.items() if sign in sentence), None)
    if lasting is not None:
        return StoreUnavailableError(url, lasting)
    found = next((said for sign, said in _REFUSED.items() if sign in sentence), None)
    found = found or "no connection could be made"
    return StoreUnavailableError(url, found) if opening else TryAgainError(found)


def is_lost(fault: BaseException) -> bool:
    """Tell whether the connection is gone, so that nobody knows what became of a commit."""
    state = state_of(fault)
    if state:
        return _among(_GONE, state) is not None
    return isinstance(fault, psycopg.OperationalError | psycopg.InterfaceError)


def state_of(fault: BaseException | None) -> str:
    """Return the SQLSTATE of an error, following what it was raised from; "" if it has none."""
    while fault is not None:
        if isinstance(fault, psycopg.Error) and fault.sqlstate:
            return fault.sqlstate
        fault = fault.__cause__
    return ""


def _among(meanings: dict[str, str], state: str) -> str | None:
    return meanings.get(state) or meanings.get(state[:2])
