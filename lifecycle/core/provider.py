"""The port to a provider: what one folder under `providers/` has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from msgspec import UNSET, UnsetType

from lifecycle.core.definition import Definition
from lifecycle.core.event import NOTHING, Arrival, Fate, Fault, Value, shown_word

JsonObject = dict[str, Any]


class Reading(Value, frozen=True, gc=False):
    """What one body says; what it does not say is None. Every value in it is plain.

    Attributes:
        name: what happened, in our vocabulary, public for ever: 1 to 255 bytes of UTF-8. Of
            a response one of `accepted`, `rejected`, `failed`; a request needs none.
        trigger: what the definition is asked with, where that is not the name: the state
            that an answer shows, or None where it shows none. Left out it is `UNSET`, which is
            false: the frame then takes the name, or None for a name that only we give.
        order_id: the order that the body names.
        status: the provider's word, verbatim. Trimmed and in lower case it is part of a
            callback's key; where there is none, the name is.
        event_id: opaque, 1 to 255 bytes of UTF-8; part of a callback's key.
        occurred_at: the provider's clock, with a zone. A poll is timed by its `Date` header.
        details: what the body says about the order, in JSON values: only what says something.
        faults: the errors of a response that is rejected or failed: `lifecycle.core.event.Fault`.
        problems: anomaly codes of what is odd about the body: `bad_time`, `unreadable_body`,
            `unrecognized`, or one that the definition has of its own.
        fate: what a failed response says about its request: `not_reached`, or `unknown` where
            it may have been carried out. None: neither.
        sequence: the provider's number of what a callback or poll shows, 0 to 2^63 - 1.
        is_test: whether the provider marks a callback as a test. It is quarantined as
            `test_event`, unless the provider has `takes_tests`.
        links: the provider's own ids of this order, by which later events may name it.
        refers_to: one such id, where the body names its order by that alone.

    Of a request only `order_id` counts: it is our own. It never changes: `replace` returns
    another.
    """

    name: str | None = None
    trigger: str | UnsetType | None = UNSET
    order_id: str | None = None
    status: str | None = None
    event_id: str | None = None
    occurred_at: datetime | None = None
    details: Mapping[str, Any] = NOTHING
    faults: tuple[Fault, ...] = ()
    problems: tuple[str, ...] = ()
    fate: Fate | None = None
    sequence: int | None = None
    is_test: bool = False
    links: tuple[str, ...] = ()
    refers_to: str | None = None

    def replace(self, **fields: Any) -> Self:
        """Return a reading that says the same but for these fields."""
        return self._replace(**fields)

    def __repr__(self) -> str:
        # Before it is checked, a name may be anything.
        name = shown_word(self.name) if type(self.name) is str else "without a name"
        return f"<Reading {name}>"


class NoReading(Value, frozen=True, gc=False):
    """Why a body says nothing that could be an event: a quarantine code, and a sentence.

    The sentence quotes nothing of the body.
    """

    reason: str
    detail: str


Said = Reading | NoReading | tuple[Reading | NoReading, ...]
"""What a provider says of one body: several readings where it holds several events."""


class Provider(Protocol):
    """One provider: its lifecycle, and how its bodies are read.

        class Kitchen:
            name = "kitchen"
            definition = Definition.write(...)
            kept_headers = frozenset()

            def read(self, arrival, body):
                if body is None or "state" not in body:
                    return NoReading("no_name", "the body says no state")
                return Reading(name=body["state"], order_id=body["order"])

    It may offer `read_details(kind, body)` besides, which returns what `read` tells as
    `details` of a callback, of a poll that succeeded or of an accepted response: stored events
    are read again for these alone. What only does that is several times as fast. Events beyond
    the first of a body are always read whole. `details_member` beside it names the member of a
    callback from which alone its details are read, where that is an object. `takes_tests = True`
    makes test events count, as where it is configured for tests.

    What is JSON, whose order it is, what identifies it, hashes and limits are decided by
    `lifecycle.core.recognizer`, once for all providers.
    """

    @property
    def name(self) -> str:
        """The short name, public for ever: it is part of every order's stream."""

    @property
    def definition(self) -> Definition:
        """The lifecycle of this provider's orders."""

    @property
    def kept_headers(self) -> frozenset[str]:
        """Names in lower case of the headers to keep beside the usual ones."""

    def read(self, arrival: Arrival, body: JsonObject | None) -> Said:
        """Return what an arrival says, or why it says nothing.

        A callback or poll that holds several events gives a tuple of readings, always in the
        same order: each is known by its place. The headers that are kept may be read too.

        `body` is the JSON object that the bytes spell; None where they spell none, which
        never happens for a callback. Called when something arrives and whenever a stored
        event is looked at: of the second reading only details, faults and fate count.
        Pure: it reads no clock, file or socket. If it raises, or returns what it may not,
        what arrived goes to the quarantine as `provider_fault`.
        """


@dataclass(frozen=True)
class PlainProvider:
    """A provider that is a name, a definition and a function.

    PROVIDER = PlainProvider("kitchen", KITCHEN, read)

    `takes_tests`: whether test events count, as where it is configured for tests.
    """

    name: str
    definition: Definition
    reader: Callable[[Arrival, JsonObject | None], Said]
    kept_headers: frozenset[str] = frozenset()
    takes_tests: bool = False

    def read(self, arrival: Arrival, body: JsonObject | None) -> Said:
        """Return what an arrival says, or why it says nothing."""
        return self.reader(arrival, body)
