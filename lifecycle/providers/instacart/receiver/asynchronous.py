"""The receiver for coroutines: the flow of `answering`, driven over `AsyncOrders`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from lifecycle.providers.instacart.receiver.admission import (
    Admission,
    AnyTicket,
    Refused,
    Ticket,
)
from lifecycle.providers.instacart.receiver.change_notifier import OnChange, Telling
from lifecycle.providers.instacart.receiver.fair_queue import QueueTimeoutError, Turns
from lifecycle.providers.instacart.receiver.health import Health
from lifecycle.providers.instacart.receiver.message import Head, Request, Response
from lifecycle.providers.instacart.receiver.request_flow import (
    Admit,
    Probe,
    ReadBody,
    Record,
    Rules,
    Setup,
)
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.costly_bodies import is_costly
from lifecycle.service.receipt import Receipt

Read = Callable[[int, AnyTicket | None], Awaitable[bytes]]
"""Reads a body: at most so many bytes and one more, each chunk taken from the ticket."""


class AsyncReceiver:
    """Answers requests over `AsyncOrders`; belongs to one event loop.

    `on_change` is told of each change once at most, after the acknowledgement; see `telling`.
    The other arguments are those of `Setup`.

    Raises:
        InvalidArgumentError: a secret or a key is missing or too short.
    """

    def __init__(
        self,
        orders: AsyncOrders,
        *,
        on_change: OnChange | None = None,
        **setup: Unpack[Setup],
    ) -> None:
        self.orders = orders
        self.rules = Rules(**setup)
        self.admission = Admission(self.rules.limits, len(setup["clients"]))
        self.health = Health(self.admission, self.rules.limits)
        self._telling = Telling(on_change, self.rules.limits.waiting)
        self._recording: set[asyncio.Task[Receipt]] = set()
        self._turns = Turns()

    async def handle(self, request: Request) -> Response:
        """Return the answer to a whole request."""

        async def read(limit: int, ticket: AnyTicket | None) -> bytes:
            body = request.body[: limit + 1]
            if ticket is not None:
                ticket.take(len(body))
            return body

        return await self.respond(request.head, read)

    async def respond(self, head: Head, read: Read) -> Response:
        """Return the answer to a request whose body is read when it is needed.

        What `read` raises comes through, and nothing is recorded.
        """
        ticket: AnyTicket | None = None
        flow = self.rules.answer(head)
        try:
            step = next(flow)
            while True:
                given: Any = None
                try:
                    match step:
                        case Admit():
                            ticket = self.admission.enter(step.client)
                        case ReadBody():
                            given = await read(step.limit, ticket)
                        case Record():
                            given = await self._record(step, ticket)
                        case Probe():
                            given = await self.health.look(self.orders.log)
                except Exception as failed:  # noqa: BLE001 - the flow knows which it answers
                    step = flow.throw(failed)
                else:
                    step = flow.send(given)
        except StopIteration as done:
            answer: Response = done.value
            return answer
        finally:
            if ticket is not None:
                ticket.release()

    async def settled(self) -> None:
        """Return when every callback under way is durable or failed, and all changes were told."""
        while self._recording:
            await asyncio.wait(self._recording)
        await self._telling.settled()

    async def stop(self) -> None:
        """Take no further callback, and wait for those under way: none that was read is lost."""
        self.admission.closing = True
        await self.settled()

    async def _record(self, record: Record, ticket: AnyTicket | None) -> Receipt:
        """Return the receipt of a callback once it is durable.

        It is recorded in a task of its own: whoever stops waiting for it, a client that went
        away or the time limit, takes nothing back. Its place is free when the store is done.
        """
        task = asyncio.ensure_future(self._recorded(record))
        place = ticket.handed_over() if isinstance(ticket, Ticket) else None
        self._recording.add(task)
        task.add_done_callback(lambda done: self._settle(done, place))
        seconds = self.rules.limits.store_seconds
        finished, _ = await asyncio.wait((task,), timeout=seconds)
        if not finished:
            self.health.note(TimeoutError())
            self.rules.log.warning("callback not durable within %g s; answered 503", seconds)
            raise Refused(503, "the store is slow")
        return task.result()

    def _recorded(self, record: Record) -> Awaitable[Receipt]:
        if is_costly(record.body):
            return self._recorded_in_turn(record)
        return self.orders.record_callback(record.body, headers=record.head.headers)

    async def _recorded_in_turn(self, record: Record) -> Receipt:
        """Record a callback that takes long to read once no other of that kind is under way."""
        seconds = self.rules.limits.store_seconds / 2
        try:
            async with self._turns.turn(record.client, seconds):
                return await self.orders.record_callback(record.body, headers=record.head.headers)
        except QueueTimeoutError:
            raise Refused(503, "too many large callbacks wait") from None

    def _settle(self, done: asyncio.Task[Receipt], place: Ticket | None) -> None:
        self._recording.discard(done)
        if place is not None:
            place.release()
        failed = asyncio.CancelledError() if done.cancelled() else done.exception()
        if not isinstance(failed, Refused):
            self.health.note(failed)
        if failed is None:
            self._telling.put(done.result())
