"""What the doctor says of the keys of an encrypted log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from lifecycle.cli.order_checks import Check
from lifecycle.cli.output import counted
from lifecycle.log.contract import Level, Log
from lifecycle.log.key_store import key_id_of

_AT_ONCE: Final = 256
_LOST: Final = (
    "nobody erased them, and what they encrypt cannot be read: open the log with the key store "
    "that it was written with, or restore that"
)
_UNFINISHED: Final = "erase them again, or open the log to write, as lifecycle ingest does"


def checks_of_keys(log: Log) -> Iterator[Check]:
    """Yield what there is to say of the keys of a log; nothing of a plain one."""
    cipher = log.cipher
    if cipher is None:
        return
    cipher.catch_up()
    lost, orders, names = 0, 0, log.streams()
    while page := list(islice(names, _AT_ONCE)):
        orders += len(page)
        lost += len(cipher.missing(map(key_id_of, page)))
    if lost:
        found = f"the key store does not know those of {counted(lost, 'order')} of {orders}"
        yield Check("keys", Level.FAIL, found, _LOST)
    elif unfinished := cipher.unfinished():
        found = f"{counted(len(unfinished), 'erased key')} still in the key store"
        yield Check("keys", Level.ATTENTION, found, _UNFINISHED)
    else:
        yield Check("keys", Level.OK, f"of {counted(orders, 'order')}, {cipher.erasures} erased")
