"""What is known of one order: the view, and what each event meant for it."""

from __future__ import annotations

import hashlib
import operator
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

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

    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        return super().__repr__().encode("ascii", "backslashreplace").decode()

    __str__ = __repr__


class OrderError(FrozenValue):
    """One error of the newest attempt that failed; None where nobody said.

    `correctable` is true where the client can mend the request and send it again.
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

    __str__ = __repr__


class Step(FrozenValue):
    """One state that an event entered: `at` is the provider's clock, `event` the key."""

    status: str
    at: Instant | None
    event: str


class Milestone(FrozenValue):
    """A fact beside the path: `at` is the provider's clock, `event` the key."""

    name: str
    at: Instant | None
    event: str


class Anomaly(FrozenValue):
    """Something a person should look at; `events` are the keys that show it.

    `code` is an `AnomalyCode`, or one that the provider's definition has of its own.
    """

    code: str
    detail: str
    events: tuple[str, ...]


class Arrivals(FrozenValue):
    """Everything that depends on delivery, and so is outside the promise.

    `late` counts events recorded after one that they precede; `waiting_since` is when
    the order entered its present state, by the provider's clock where it has one. `delayed`
    counts events recorded more than five minutes after `received_at`, which the caller gave;
    `replayed` those that came from a recording or the quarantine. Neither is printed if none.
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

    `from` and `to` (in Python `from_`) are states; `received_at` and `sha256` describe the
    copy that was stored first, `position` and `recorded_at` where the log has it and when it
    took it, by its own clock; None of an event that no log holds. `recording` says where that
    was not as it came: `delayed`, more than five minutes after `received_at`, or `replayed`.
    """

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

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
    for `arrival`. The provider's details are a model of their own, printed at the top level.
    Of an order that is `erased` there are none; `erased` is printed only then.
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
