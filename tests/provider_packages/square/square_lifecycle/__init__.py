"""The provider `square`: fulfilments, of which one webhook may tell several changes.

A fulfilment is known by its `fulfillment_uid`. The `version` of its order says which of two
webhooks is the newer; the same state may come again with a higher one.
"""

from typing import Any, Final

from lifecycle import Arrival, Definition, NoReading, Reading
from lifecycle.core.details import Details
from lifecycle.core.identity import id_text, plain_text, spoken_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.moves import move, moves_of

ACTIVE: Final = ("proposed", "reserved", "prepared")
ENDED: Final = ("completed", "canceled", "unfulfilled")
# `failed` is a name that only the library gives: to a request without an answer.
NAMES: Final = {"failed": "unfulfilled"}


class FulfillmentDetails(Details):
    """What a webhook tells about a fulfilment beside its state."""

    square_order_id: str | None = None
    location_id: str | None = None


FULFILLMENT: Final = Definition.write(
    "square.fulfillment",
    states=("announced", *ACTIVE, *ENDED),
    moves=[
        *moves_of(
            {
                "announced": ACTIVE,
                "proposed": ("reserved", "prepared"),
                "reserved": ("prepared", "proposed"),
                "prepared": ("reserved",),
            }
        ),
        *(move(("announced", *ACTIVE), end) for end in ENDED),
    ],
    terminal=ENDED,
    aborts=("canceled", "unfulfilled"),
    birth=("proposed",),
    details=FulfillmentDetails,
    numbered=True,
)
_NOTHING: Final = NoReading("no_name", "the body tells no change of a fulfilment")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Square:
    """Reads webhooks of the type `order.fulfillment.updated`."""

    name = "square"
    definition = FULFILLMENT
    kept_headers: frozenset[str] = frozenset()

    def read(
        self, arrival: Arrival, body: dict[str, Any] | None
    ) -> NoReading | tuple[Reading | NoReading, ...]:
        """Return what a webhook says of each fulfilment that it names."""
        envelope = _object(body)
        told = _object(_object(_object(envelope.get("data")).get("object")).get(_CHANGED))
        changes = told.get("fulfillment_update")
        if arrival.kind != "callback" or not isinstance(changes, list) or not changes:
            return _NOTHING
        return tuple(self._change(envelope, told, _object(change)) for change in changes)

    def _change(
        self, envelope: dict[str, Any], told: dict[str, Any], change: dict[str, Any]
    ) -> Reading | NoReading:
        name, version = spoken_word(change.get("new_state")), told.get("version")
        if name is None:
            return _NOTHING
        occurred_at, problems = read_event_time(told.get("updated_at"))
        named = {"square_order_id": told.get("order_id"), "location_id": told.get("location_id")}
        return Reading(
            NAMES.get(name, name),
            order_id=id_text(change.get("fulfillment_uid")),
            status=change["new_state"],
            event_id=id_text(envelope.get("event_id")),
            occurred_at=occurred_at,
            details={key: text for key, value in named.items() if (text := plain_text(value))},
            problems=problems,
            sequence=version if type(version) is int and 0 <= version < 1 << 63 else None,
        )


_CHANGED: Final = "order_fulfillment_updated"
PROVIDER: Final = Square()
