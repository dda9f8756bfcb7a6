"""Validation of create requests, with the provider's error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lifecycle.providers.instacart.error_bodies import (
    BAD_ADDRESS,
    BAD_FIELDS,
    FieldError,
    rejection_body,
)
from lifecycle.providers.instacart.simulated_scenarios import SCENARIOS, forced_scenarios_of
from lifecycle.simulator.http import Reply
from lifecycle.simulator.order import Order
from lifecycle.simulator.order_api import OrderApi
from lifecycle.simulator.plan import Body
from lifecycle.simulator.scenarios import names_of_kind

UNKNOWN_STORE: Final = (FieldError("location_code", "Store location not found"),)
NO_CAPACITY: Final = (
    FieldError("service_option_hold_id", "Requested delivery window not available at this store"),
)
REPEATED: Final = (FieldError("order_id", "has already been taken"),)
FORCED_ERRORS: Final[Mapping[str, tuple[FieldError, ...]]] = {
    "bad-address": BAD_ADDRESS,
    "bad-fields": BAD_FIELDS,
    "unknown-store": UNKNOWN_STORE,
    "no-capacity": NO_CAPACITY,
}

_TEXTS: Final = ("order_id", "location_code", "first_name", "last_name", "user_phone")
_ZIP: Final = re.compile(r"[0-9]{5}(-[0-9]{4})?")


def reject(
    api: OrderApi, order: Order, body: Mapping[str, Any], forced: frozenset[str]
) -> Reply | None:
    """Return the answer that rejects a create request, or None."""
    errors = _errors(api, order, body, forced)
    return Reply(400, rejection_body(errors)) if errors else None


def _errors(
    api: OrderApi, order: Order, body: Mapping[str, Any], forced: frozenset[str]
) -> Sequence[FieldError]:
    wrong = find_field_errors(body, api.settings)
    if wrong:
        return wrong
    for name in names_of_kind(forced, "refusal", SCENARIOS):
        return FORCED_ERRORS[name]
    if order.created_orders and api.settings.on_repeat == "refuse":
        return REPEATED
    return NO_CAPACITY if _is_full(api, str(body["location_code"])) else ()


def _is_full(api: OrderApi, store: str) -> bool:
    now = api.clock.now()
    most: int | None = api.settings.capacity
    if most is None:
        return False
    return sum(_occupies(order.open_at(now), store) for order in api.orders.values()) >= most


def _occupies(orders: list[Body], store: str) -> bool:
    """Tell whether one of these occupies capacity of a store."""
    return any(str(order["fulfillment_details"]["store_location"]) == store for order in orders)


def find_field_errors(request: Mapping[str, Any], settings: Any) -> list[FieldError]:
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


def _store(request: Mapping[str, Any], settings: Any) -> Iterator[FieldError]:
    code = request.get("location_code")
    if settings.stores is not None and isinstance(code, str) and code not in settings.stores:
        yield from UNKNOWN_STORE


def _scenarios(request: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in sorted(forced_scenarios_of(request) - SCENARIOS.keys()):
        yield FieldError("special_instructions", f"there is no scenario {name[:40]!a}")
