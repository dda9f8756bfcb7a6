"""Masked bodies: their shape, and only those values that the header shows anyway."""

from __future__ import annotations

import json
from typing import Any, Final

from lifecycle.core.strict_json import parse
from lifecycle.errors import JsonError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Record

MASK: Final = "***"


def masked(record: Record, cipher: Cipher | None = None) -> Any:
    """Return a record's JSON body with its texts and numbers masked; None if it is not JSON.

    Values that are in the header too stay readable: whoever has headers knows them.
    """
    body = decode_event(record, cipher).body
    said = json.loads(record.state.partition(b"\n")[0])
    shown = {value for value in said.values() if isinstance(value, str)}
    try:
        return _masked(parse(body), shown)
    except JsonError:
        return None


def _masked(value: Any, shown: set[str]) -> Any:
    match value:
        case dict():
            return {name: _masked(item, shown) for name, item in value.items()}
        case list():
            return [_masked(item, shown) for item in value]
        case None | bool():
            return value
    return value if str(value) in shown else MASK
