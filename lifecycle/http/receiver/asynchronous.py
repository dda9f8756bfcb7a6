"""The receiver for coroutines, over `AsyncOrders`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lifecycle.http.flow import run_async
from lifecycle.http.receiver.admission import Admission, NotAdmittedError, Ticket
from lifecycle.http.receiver.change_notifier import ChangeNotifier, OnChange
from lifecycle.http.receiver.fair_queue import FairQueue, QueueTimeoutError
from lifecycle.http.receiver.gate import Gate
from lifecycle.http.receiver.health import Health
from lifecycle.http.receiver.message import Head, Request, Response
from lifecycle.http.receiver.request_flow import Callback, MayRecord, RequestFlow, Reserve
from lifecycle.http.receiver.routes import ReceiverLimits, Routes
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.costly_bodies import is_costly
from lifecycle.service.figures import Figures
from lifecycle.service.receipt import Receipt

Read = Callable[[int, Reserve], Awaitable[bytes]]
"""Reads a body: at most so many bytes and one more, each chunk reserved."""


class AsyncReceiver:
    """Answers requests over `AsyncOrders`; belongs to one event loop.

    Args:
        orders: where callbacks are recorded.
        gate: says who may call.
        on_change: called at most once per change, after the acknowledgement; see
            `change_notifier`.
        may_record: tells whether a client may speak of an order; without it each may of all.
        routes: where requests come in.
        limits: the load that is accepted.

    Raises:
        InvalidArgumentError: the gate is none.
    """

    def __init__(
        self,
        orders: AsyncOrders,
        gate: Gate,
        *,
        on_change: OnChange | None = None,
        may_record: MayRecord | None = None,
        routes: Routes | None = None,
        limits: ReceiverLimits | None = None,
    ) -> None:
        self.orders = orders
        self.gate = gate
        self.limits: ReceiverLimits = limits or ReceiverLimits()
        self._flow = RequestFlow(gate, routes or Routes(), self.limits, may_record)
        self.admission: Admission = self._flow.admission
        self.health: Health = Health(self.admission, self.limits)
        self._notifier = ChangeNotifier(on_change, self.limits.waiting)
        self._recording: set[asyncio.Task[Receipt]] = set()
        self._costly_queue = FairQueue()

    async def handle(self, request: Request) -> Response:
        """Return the answer to a whole request."""

        async def read(limit: int, reserve: Reserve) -> bytes:
            body = request.body[: limit + 1]
            reserve(len(body))
            return body

        return await self.respond(request.head, read)

    async def respond(self, head: Head, read: Read) -> Response:
        """Return the answer to a request whose body is read when it is needed.

        Propagates what `read` raises; nothing is recorded then.
        """
        return await run_async(self._flow.answer(head, read, self))

    async def settled(self) -> None:
        """Return once all callbacks in progress are settled, and `on_change` was called."""
        while self._recording:
            await asyncio.wait(self._recording)
        await self._notifier.settled()

    async def stop(self) -> None:
        """Refuse further callbacks, and finish those in progress: none that was read is lost."""
        self.admission.closing = True
        await self.settled()

    def probe(self) -> Awaitable[list[str]]:
        """Return the problems; see `Health.probe`."""
        return self.health.probe(self.orders.log)

    def figures(self) -> Awaitable[Figures]:
        """Return the figures of the log; see `AsyncOrders.figures`."""
        return self.orders.figures()

    async def record(self, callback: Callback) -> Receipt:
        """Return the receipt of a callback once it is durable.

        It is recorded in its own task: neither a client that disconnects nor the time limit
        cancels that. Its slot is free once the store is done.
        """
        task = asyncio.ensure_future(self._recorded(callback))
        ticket = callback.ticket
        slot = ticket.transfer() if isinstance(ticket, Ticket) else None
        self._recording.add(task)
        task.add_done_callback(lambda done: self._on_recorded(done, slot))
        seconds = self.limits.store_seconds
        finished, _ = await asyncio.wait((task,), timeout=seconds)
        if not finished:
            self.health.note(TimeoutError())
            self._flow.log.warning("callback not durable within %g s; answered 503", seconds)
            raise NotAdmittedError(503, "the store is slow")
        return task.result()

    def _recorded(self, callback: Callback) -> Awaitable[Receipt]:
        if is_costly(callback.body):
            return self._record_costly(callback)
        return self._append(callback)

    def _append(self, callback: Callback) -> Awaitable[Receipt]:
        return self.orders.record_callback(
            callback.body,
            order_id=callback.order_id,
            client=callback.client,
            headers=callback.head.headers,
            admit=callback.admit,
        )

    async def _record_costly(self, callback: Callback) -> Receipt:
        """Record a callback that is costly to read, one at a time."""
        seconds = self.limits.store_seconds / 2
        try:
            async with self._costly_queue.turn(callback.client, seconds):
                return await self._append(callback)
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
