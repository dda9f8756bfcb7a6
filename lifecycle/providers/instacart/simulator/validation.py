"""Validation of create requests, with the provider's error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.providers.instacart.error_bodies import BAD_ADDRESS, BAD_FIELDS, FieldError
from lifecycle.providers.instacart.simulator.scenarios import SCENARIOS, forced_scenarios_of
from lifecycle.providers.instacart.simulator.settings import Settings

UNKNOWN_STORE: Final = (FieldError("location_code", "Store location not found"),)
NO_CAPACITY: Final = (
    FieldError("service_option_hold_id", "Requested delivery window not available at this store"),
)
REPEATED: Final = (FieldError("order_id", "has already been taken"),)
FORCED_ERRORS: Final = {
    "bad-address": BAD_ADDRESS,
    "bad-fields": BAD_FIELDS,
    "unknown-store": UNKNOWN_STORE,
    "no-capacity": NO_CAPACITY,
}

_TEXTS: Final = ("order_id", "location_code", "first_name", "last_name", "user_phone")
_ZIP: Final = re.compile(r"[0-9]{5}(-[0-9]{4})?")


def find_field_errors(request: Mapping[str, Any], settings: Settings) -> list[FieldError]:
    """Return the errors in a create request."""
    return [
        *_texts(request),
        *_numbers(request),
        *_address(request.get("address")),
        *_store(request, settings),
        *_scenarios(request),
    ]


def _texts(request: Mapping[str, Any]) -> Iterator[FieldError]:
    for key in _TEXTS:
        value = request.get(key)
        if not isinstance(value, str) or not value.strip():
            yield FieldError(key, "can't be blank")


def _numbers(request: Mapping[str, Any]) -> Iterator[FieldError]:
    hold = request.get("service_option_hold_id")
    if type(hold) not in (int, str) or hold == "":
        yield FieldError("service_option_hold_id", "can't be blank")
    count = request.get("items_count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        yield FieldError("items_count", "must be greater than 0")
    weight = request.get("items_weight")
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight > 0:
        yield FieldError("items_weight", "must be greater than 0")


def _address(address: object) -> Iterator[FieldError]:
    if not isinstance(address, dict):
        yield from BAD_ADDRESS
        return
    line, postal_code = address.get("address_line_1"), address.get("postal_code")
    if not isinstance(line, str) or not line.strip():
        yield FieldError("address.address_line_1", "can't be blank")
    if not isinstance(postal_code, str) or not _ZIP.fullmatch(postal_code):
        yield FieldError("address.postal_code", "is invalid")


def _store(request: Mapping[str, Any], settings: Settings) -> Iterator[FieldError]:
    code = request.get("location_code")
    if settings.stores is not None and isinstance(code, str) and code not in settings.stores:
        yield from UNKNOWN_STORE


def _scenarios(request: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in sorted(forced_scenarios_of(request) - SCENARIOS.keys()):
        yield FieldError("special_instructions", f"there is no scenario {name[:40]!a}")
