"""The receiver for coroutines: runs a `RequestFlow` over `AsyncOrders`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from lifecycle.providers.instacart.receiver.admission import (
    Admission,
    AnyTicket,
    NotAdmittedError,
    Ticket,
)
from lifecycle.providers.instacart.receiver.change_notifier import ChangeNotifier, OnChange
from lifecycle.providers.instacart.receiver.fair_queue import FairQueue, QueueTimeoutError
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
"""Reads a body: at most so many bytes and one more, each chunk reserved on the ticket."""


class AsyncReceiver:
    """Answers requests over `AsyncOrders`; belongs to one event loop.

    `on_change` is called at most once per change, after the acknowledgement; see
    `change_notifier`. The other arguments are those of `Setup`.

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
        self._notifier = ChangeNotifier(on_change, self.rules.limits.waiting)
        self._recording: set[asyncio.Task[Receipt]] = set()
        self._costly_queue = FairQueue()

    async def handle(self, request: Request) -> Response:
        """Return the answer to a whole request."""

        async def read(limit: int, ticket: AnyTicket | None) -> bytes:
            body = request.body[: limit + 1]
            if ticket is not None:
                ticket.reserve(len(body))
            return body

        return await self.respond(request.head, read)

    async def respond(self, head: Head, read: Read) -> Response:
        """Return the answer to a request whose body is read when it is needed.

        Propagates what `read` raises; nothing is recorded then.
        """
        ticket: AnyTicket | None = None
        flow = self.rules.answer(head)
        try:
            effect = next(flow)
            while True:
                result: Any = None
                try:
                    match effect:
                        case Admit():
                            ticket = self.admission.admit(effect.client)
                        case ReadBody():
                            result = await read(effect.limit, ticket)
                        case Record():
                            result = await self._record(effect, ticket)
                        case Probe():
                            result = await self.health.probe(self.orders.log)
                except Exception as failed:  # noqa: BLE001 - the flow knows which it answers
                    effect = flow.throw(failed)
                else:
                    effect = flow.send(result)
        except StopIteration as done:
            answer: Response = done.value
            return answer
        finally:
            if ticket is not None:
                ticket.release()

    async def settled(self) -> None:
        """Return once all callbacks in progress are settled, and `on_change` was called."""
        while self._recording:
            await asyncio.wait(self._recording)
        await self._notifier.settled()

    async def stop(self) -> None:
        """Refuse further callbacks, and finish those in progress: none that was read is lost."""
        self.admission.closing = True
        await self.settled()

    async def _record(self, record: Record, ticket: AnyTicket | None) -> Receipt:
        """Return the receipt of a callback once it is durable.

        It is recorded in its own task: neither a client that disconnects nor the time limit
        cancels that. Its slot is free once the store is done.
        """
        task = asyncio.ensure_future(self._recorded(record))
        slot = ticket.transfer() if isinstance(ticket, Ticket) else None
        self._recording.add(task)
        task.add_done_callback(lambda done: self._on_recorded(done, slot))
        seconds = self.rules.limits.store_seconds
        finished, _ = await asyncio.wait((task,), timeout=seconds)
        if not finished:
            self.health.note(TimeoutError())
            self.rules.log.warning("callback not durable within %g s; answered 503", seconds)
            raise NotAdmittedError(503, "the store is slow")
        return task.result()

    def _recorded(self, record: Record) -> Awaitable[Receipt]:
        if is_costly(record.body):
            return self._record_costly(record)
        return self.orders.record_callback(record.body, headers=record.head.headers)

    async def _record_costly(self, record: Record) -> Receipt:
        """Record a callback that is costly to read, one at a time."""
        seconds = self.rules.limits.store_seconds / 2
        try:
            async with self._costly_queue.turn(record.client, seconds):
                return await self.orders.record_callback(record.body, headers=record.head.headers)
        except QueueTimeoutError:
            raise NotAdmittedError(503, "too many large callbacks wait") from None

    def _on_recorded(self, done: asyncio.Task[Receipt], slot: Ticket | None) -> None:
        self._recording.discard(done)
        if slot is not None:
            slot.release()
        failed = asyncio.CancelledError() if done.cancelled() else done.exception()
        if not isinstance(failed, NotAdmittedError):
            self.health.note(failed)
        if failed is None:
            self._notifier.put(done.result())
