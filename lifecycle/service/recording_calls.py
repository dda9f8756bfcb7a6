"""The calls that record, written once for sync and async callers alike.

`R` is what a call returns: a `Receipt`, or an awaitable of one.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import Generic, TypeVar, Unpack
from uuid import uuid4

from lifecycle.core.argument import check_callable
from lifecycle.core.event import Event, Kind
from lifecycle.core.identity import number_in
from lifecycle.log.contract import Outcome
from lifecycle.log.kept_headers import Headers
from lifecycle.service.arrival_reader import Admit, ArrivalFields, Body, Context, Entries, order_ids
from lifecycle.service.order_service import OrderService
from lifecycle.service.receipt import Receipt

R = TypeVar("R")


class Writes(Generic[R]):
    """The `record_*` calls; a subclass appends the entries.

    Each takes a `client`, who sent the body, and a `context`, which is stored with it. Neither is
    part of its identity: of two copies, those of the first stay.
    """

    _service: OrderService

    @abstractmethod
    def _record(self, entries: Entries, expected_version: int | None = None) -> R: ...

    def _arrived(
        self,
        kind: Kind,
        order_id: str | int | None,
        body: Body,
        *,
        expected_version: int | None = None,
        admit: Admit | None = None,
        **told: Unpack[ArrivalFields],
    ) -> R:
        """Read what came, and record it."""
        entries = self._service.arrival_reader.arrival(kind, order_id, body, **told)
        if admit is not None:
            entries = self._service.links.resolve(entries)
            admit(order_ids(entries))
        return self._record(entries, expected_version)

    def record_request(
        self,
        order_id: str | int,
        body: Body,
        *,
        attempt: int = 1,
        exchange_id: str | int | None = None,
        headers: Headers = None,
        received_at: datetime | None = None,
        client: str | None = None,
        context: Context = None,
        operation: str | None = None,
        number: int | None = None,
    ) -> R:
        """Record a create request with an attempt that the caller counts; see `begin_request`.

        With `operation` it is the `number`th request of that operation; see `begin_operation`.

        Raises:
            InvalidArgumentError: an argument is of no use; bodies never raise.
        """
        return self._arrived(
            "request",
            order_id,
            body,
            attempt=attempt,
            exchange_id=exchange_id,
            headers=headers,
            received_at=received_at,
            client=client,
            context=context,
            operation=operation,
            number=number,
        )

    def record_response(
        self,
        order_id: str | int,
        http_status: int | None,
        body: Body = None,
        *,
        attempt: int = 1,
        exchange_id: str | int | None = None,
        headers: Headers = None,
        received_at: datetime | None = None,
        expected_version: int | None = None,
        client: str | None = None,
        context: Context = None,
    ) -> R:
        """Record the response to a create request; `http_status` is None if no answer came.

        With `expected_version` it is recorded only while the order is at that version
        (`view.arrival.version`): exactly one of several callers succeeds.

        Raises:
            InvalidArgumentError: an argument is of no use; a body never raises.
            VersionConflictError: the order is not at `expected_version`.
        """
        return self._arrived(
            "response",
            order_id,
            body,
            expected_version=expected_version,
            attempt=attempt,
            exchange_id=exchange_id,
            http_status=http_status,
            headers=headers,
            received_at=received_at,
            client=client,
            context=context,
        )

    def record_poll(
        self,
        order_id: str | int,
        http_status: int | None,
        body: Body = None,
        *,
        attempt: int = 1,
        exchange_id: str | int | None = None,
        headers: Headers = None,
        received_at: datetime | None = None,
        client: str | None = None,
        context: Context = None,
        operation: str | None = None,
    ) -> R:
        """Record any other answer that shows the order: GET, update, stage, cancel, tip.

        Pass `headers`: the `Date` header is the only time that a poll has. `attempt` is accepted
        for symmetry and ignored: a poll is about no attempt. `operation` names what it answers.

        Raises:
            InvalidArgumentError: an argument is of no use; bodies never raise.
        """
        return self._arrived(
            "poll",
            order_id,
            body,
            attempt=attempt,
            exchange_id=exchange_id,
            http_status=http_status,
            headers=headers,
            received_at=received_at,
            client=client,
            context=context,
            operation=operation,
        )

    def record_callback(
        self,
        body: Body,
        *,
        order_id: str | int | None = None,
        headers: Headers = None,
        received_at: datetime | None = None,
        client: str | None = None,
        context: Context = None,
        admit: Admit | None = None,
    ) -> R:
        """Record a callback as it came: pass the raw bytes of the HTTP body.

        Answer the provider 2xx once this returns, whatever the outcome: duplicates and unreadable
        bodies are known or stored, and sending them again does not help.

        `admit` is called with the ids of the orders that the body is about, None for an unreadable
        part. What it raises propagates, and nothing is recorded.
        """
        if admit is not None:
            check_callable("admit", admit)
        return self._arrived(
            "callback",
            order_id,
            body,
            headers=headers,
            received_at=received_at,
            client=client,
            context=context,
            admit=admit,
        )


class Sent(Generic[R]):
    """A create request that is durable and may be sent now.

    Record what became of it with `answered` or `unanswered`; both may be called from
    another process later, with `Orders.record_response` and the same ids.
    """

    def __init__(self, orders: Writes[R], receipt: Receipt, event: Event) -> None:
        self._orders = orders
        self.receipt = receipt
        self.order_id: str = event.order_id
        self.attempt: int = event.attempt or 1
        self.exchange_id: str = uuid4().hex

    def __repr__(self) -> str:
        return f"<Sent attempt={self.attempt} resumed={self.resumed}>"

    @property
    def resumed(self) -> bool:
        """Whether this same request was begun before and has no answer.

        It may have been sent already: ask the provider for the order before you send it again.
        """
        return self.receipt.outcome is Outcome.DUPLICATE

    def answered(
        self,
        http_status: int,
        body: Body = None,
        *,
        headers: Headers = None,
        received_at: datetime | None = None,
    ) -> R:
        """Record the response to this request; it is durable at return."""
        return self._orders.record_response(
            self.order_id,
            http_status,
            body,
            attempt=self.attempt,
            exchange_id=self.exchange_id,
            headers=headers,
            received_at=received_at,
        )

    def unanswered(self, *, received_at: datetime | None = None) -> R:
        """Record that no answer came: the provider may or may not have the order."""
        return self._orders.record_response(
            self.order_id,
            None,
            None,
            attempt=self.attempt,
            exchange_id=self.exchange_id,
            received_at=received_at,
        )


class SentOperation(Generic[R]):
    """The request of an operation that is durable and may be sent now.

    Record what became of it with `answered` or `unanswered`; both may be called from
    another process later, with `Orders.record_poll`, the `operation` and the `exchange_id`.
    """

    def __init__(self, orders: Writes[R], receipt: Receipt, event: Event) -> None:
        self._orders = orders
        self.receipt = receipt
        self.order_id: str = event.order_id
        self.operation: str | None = event.operation
        self.number: int | None = number_in(event.key)
        self.exchange_id: str = uuid4().hex

    def __repr__(self) -> str:
        return f"<SentOperation {self.operation} number={self.number}>"

    def answered(
        self,
        http_status: int | None,
        body: Body = None,
        *,
        headers: Headers = None,
        received_at: datetime | None = None,
    ) -> R:
        """Record the answer; it is durable at return. Pass `headers`: they hold its time."""
        return self._orders.record_poll(
            self.order_id,
            http_status,
            body,
            exchange_id=self.exchange_id,
            headers=headers,
            received_at=received_at,
            operation=self.operation,
        )

    def unanswered(self, *, received_at: datetime | None = None) -> R:
        """Record that no answer came: the operation may or may not have been done."""
        return self.answered(None, received_at=received_at)
