"""What is known of one order: the view, and what each event meant for it."""

from __future__ import annotations

import hashlib
import operator
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    computed_field,
    model_serializer,
)

from lifecycle.core.definition import NoDetails
from lifecycle.core.event import Kind, Recording
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import canonical

Instant = Annotated[datetime, PlainSerializer(format_instant, return_type=str, when_used="json")]
"""An aware datetime, printed in UTC with `Z`."""

AnomalyCode = Literal["refused", "unrecognized", "divergent", "bad_time", "unreadable_body"]


class Verdict(StrEnum):
    """What one event meant for the order; a value, never an exception."""

    APPLIED = "applied"
    SKIPPED_AHEAD = "skipped_ahead"
    REVERTED = "reverted"
    REPEATED = "repeated"
    NOTED = "noted"
    STALE = "stale"
    REFUSED = "refused"
    UNRECOGNIZED = "unrecognized"
    DIVERGENT = "divergent"


class FrozenValue(BaseModel):
    """A value whose repr is ASCII: some letters that others send turn the text beside them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        return super().__repr__().encode("ascii", "backslashreplace").decode()

    def __str__(self) -> str:
        """Return what `repr` returns."""
        return self.__repr__()


class OrderError(FrozenValue):
    """One error of the newest attempt that failed; None where nobody said.

    Attributes:
        message: for people, in the provider's words.
        code: the provider's code; the list is open, so unknown codes are normal.
        key: which field of the request it is about.
        http_status: of the answer; None if none came.
        correctable: whether the request was rejected: correct it and send it again.
    """

    message: str | None
    code: int | str | None
    key: str | None
    http_status: int | None
    correctable: bool

    def __repr__(self) -> str:
        return (
            f"<OrderError code={self.code!a} http_status={self.http_status!a} "
            f"correctable={self.correctable}>"
        )

    def __str__(self) -> str:
        """Return what `repr` returns."""
        return self.__repr__()


class Step(FrozenValue):
    """One state that an event entered.

    Attributes:
        status: the state.
        at: when, by the provider's clock; None where it gave no time.
        event: the key of the event that says so.
    """

    status: str
    at: Instant | None
    event: str


class Milestone(FrozenValue):
    """A fact beside the path.

    Attributes:
        name: the side state that was reported.
        at: when, by the provider's clock; None where it gave no time.
        event: the key of the event that says so.
    """

    name: str
    at: Instant | None
    event: str


class Anomaly(FrozenValue):
    """Something a person should look at.

    Attributes:
        code: an `AnomalyCode`, or one that the provider's definition has of its own.
        detail: a sentence for people; may change between releases.
        events: the keys of the events that show it.
    """

    code: str
    detail: str
    events: tuple[str, ...]


class Arrivals(FrozenValue):
    """Everything that depends on delivery, and so is outside the promise.

    Attributes:
        first_received_at: when the first event was received, by our clock.
        last_received_at: when the last event was received, by our clock.
        version: of the newest stored event of this order.
        late: how many events were recorded after one that they precede in canonical order.
        waiting_since: when the order entered its present state, by the provider's clock where it
            has one, else by ours.
        delayed: how many were recorded more than five minutes after `received_at`, which the
            caller gave; left out if none.
        replayed: how many came from a recording or from the quarantine; left out if none.
    """

    first_received_at: Instant
    last_received_at: Instant
    version: int
    late: int
    waiting_since: Instant
    delayed: int = Field(default=0, exclude_if=operator.not_)
    replayed: int = Field(default=0, exclude_if=operator.not_)


class HistoryEntry(FrozenValue):
    """One event in canonical order: what it meant, and why.

    Attributes:
        name: what the event says.
        kind: `request`, `response`, `callback` or `poll`.
        key: its identity within the order.
        verdict: what it meant.
        reason: why, as a sentence for people; may change between releases.
        from_: the state before it, printed as `from`; None before the first and for divergent
            evidence.
        to: the state after it; the same as before if it did not move the order.
        occurred_at: when it happened, by the provider's clock.
        received_at: when the stored copy was received; depends on delivery, as all below.
        sha256: of the stored bytes.
        position: where the log has the stored copy; None of an event that no log holds.
        recorded_at: when the log took it, by the store's own clock.
        recording: `delayed` if it was recorded more than five minutes after `received_at`;
            `replayed` if it is from a recording that told `received_at`, or from the quarantine.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    name: str
    kind: Kind
    key: str
    verdict: Verdict
    reason: str
    from_: str | None = Field(alias="from")
    to: str | None
    occurred_at: Instant | None
    received_at: Instant
    sha256: str
    position: int | None = None
    recorded_at: Instant | None = None
    recording: Recording | None = None


class OrderView(FrozenValue):
    """Everything known about one order.

    A pure function of the set of events received about it and of whether it was erased, but
    for `arrival`.

    Attributes:
        order_id: your id of the order.
        provider: whose order it is.
        status: the state it stands in; the initial state while no event placed it.
        terminal: whether the lifecycle has no way out of that state; only an event that belongs
            before it can still correct the path.
        attempt: the highest attempt seen; 0 if none.
        details: what the provider tells, a model of its own; printed at the top level.
        errors: of the newest attempt that failed; empty once the provider has the order.
        awaiting: what is expected next; empty when terminal.
        path: the states that events entered, in canonical order.
        missing: main-line states below the highest rank entered (`canceled` apart) that no event
            names.
        milestones: facts beside the path.
        anomalies: what a person should look at, sorted by code and key.
        events: how many are stored, divergent ones too.
        definition: the fingerprint of the definition that was applied.
        erased: whether the order was erased, printed only then: the view is the fold of what the
            headers say, without details, with only `http_status` and `correctable` of errors.
        arrival: everything that depends on delivery; outside the promise.
        digest: SHA-256 of all of this but `arrival` and the texts for people.
    """

    order_id: str
    provider: str
    status: str
    terminal: bool
    attempt: int
    details: SerializeAsAny[BaseModel] = Field(default_factory=NoDetails)
    errors: tuple[OrderError, ...]
    awaiting: tuple[str, ...]
    path: tuple[Step, ...]
    missing: tuple[str, ...]
    milestones: tuple[Milestone, ...]
    anomalies: tuple[Anomaly, ...]
    events: int
    definition: str
    erased: bool = Field(default=False, exclude_if=operator.not_)
    arrival: Arrivals

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON of all but `arrival` and the texts for people."""
        content = self.model_dump(mode="json", exclude={"digest", "arrival"})
        for anomaly in content["anomalies"]:
            del anomaly["detail"]
        return hashlib.sha256(canonical(content)).hexdigest()

    @model_serializer(mode="wrap")
    def _flatten(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = serialize(self)
        flat: dict[str, Any] = {}
        for name, value in dumped.items():
            flat |= value if name == "details" else {name: value}
        if "arrival" in flat:
            flat["arrival"] = flat.pop("arrival")
        return flat

    def __repr__(self) -> str:
        # Quotes would come twice where a view stands in another value; what they guard does not.
        shown = ascii(f"{self.provider}:{self.order_id} {self.status}")[1:-1]
        return f"<OrderView {shown}>"

    __str__ = __repr__
