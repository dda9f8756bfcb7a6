"""One connection to a cluster of NATS for all threads of a process.

The client is made of coroutines: they run in an event loop in a thread of its own, and whoever
calls waits for the result. It connects again by itself when a server goes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, Self, TypeVar

from msgspec import json
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.errors import Error as ClientError
from nats.nuid import NUID

from lifecycle.errors import MissingExtraError, StoreClosedError, StoreUnavailableError
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.jetstream.fault import ApiError
from lifecycle.log.stores.jetstream.url import Target

API: Final = "$JS.API"
ANSWER_SECONDS: Final = 5.0
_MOST_UNANSWERED: Final = 2
_FIRST_TRIES: Final = 2
_PENDING_BYTES: Final = 64 * 1024 * 1024
_SIGNING: Final = {"user_credentials", "nkeys_seed"}
_ALL: Final = "204"
_NOTHING: Final = "404"
_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"

T = TypeVar("T")


class Message(NamedTuple):
    """What is published: `expected` is the last sequence of its subject, None for any."""

    subject: str
    payload: bytes
    expected: int | None


class Connection:
    """A connection to the servers of a target; every method may be called from any thread.

    It ends once whoever made it and all who share it have closed it.
    """

    def __init__(self, target: Target) -> None:
        self._url = target.url
        self._users = 1
        self._lock = Lock()
        self._answer_seconds = min(ANSWER_SECONDS, target.options.retry_timeout / 4)
        self._unanswered = 0
        self._last_said = ""
        self._losses = 0
        self._under_way: set[asyncio.Task[Any]] = set()
        self._nuid = NUID()
        self._loop = asyncio.new_event_loop()
        Thread(target=self._run_loop, name="lifecycle-nats", daemon=True).start()
        self.client = _Client()
        try:
            self._wait_for(self._connected(target))
        except BaseException:
            self._users = 0
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            raise

    @property
    def server(self) -> Mapping[str, Any]:
        """What the server said of itself when it was connected to."""
        return self.client._server_info  # noqa: SLF001 - the version alone is public

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns, unless the connection is lost meanwhile.

        Raises:
            StoreClosedError: it was closed.
        """
        try:
            return self._wait_for(self._unless_lost(coroutine))
        except StoreClosedError:
            coroutine.close()  # it was never begun
            raise

    async def ask(self, call: str, question: object = None) -> Any:
        """Return the answer of whoever leads the JetStream stream that a call is about.

        Raises:
            ApiError: the call was refused.
        """
        asked = b"" if question is None else json.encode(question)
        request = self.client.request(f"{API}.{call}", asked, timeout=self._answer_seconds)
        return _answer(await request)

    async def collect(self, call: str, question: object) -> list[Msg]:
        """Return all messages of an answer that consists of many.

        Raises:
            TryAgainError: a message of it was lost.
        """
        found: list[Msg] = []
        ended: asyncio.Future[Msg] = self._loop.create_future()

        async def take(message: Msg) -> None:
            if not (message.headers or {}).get("Status"):
                found.append(message)
            elif not ended.done():
                ended.set_result(message)

        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox, cb=take)
        try:
            await self.client.publish(f"{API}.{call}", json.encode(question), reply=inbox)
            end = await asyncio.wait_for(ended, self._answer_seconds)
        finally:
            with suppress(ClientError):  # of a connection that was closed meanwhile
                await subscription.unsubscribe()
        _check_whole(found, end)
        return found

    async def publish(self, messages: Sequence[Message]) -> int:
        """Publish messages as one, whole or not at all, and return the sequence of the last.

        Raises:
            ApiError: nothing was stored.
        """
        batch = self._nuid.next().decode()
        last = len(messages)
        for number, (subject, payload, expected) in enumerate(messages, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if expected is not None:
                headers[_EXPECTED] = str(expected)
            if number < last:
                await self.client.publish(subject, payload, headers=headers)
        headers["Nats-Batch-Commit"] = "1"
        request = self.client.request(
            subject, payload, timeout=self._answer_seconds, headers=headers
        )
        return int(_answer(await request)["seq"])

    def shared(self) -> Self:
        """Return it for one more user."""
        with self._lock:
            self._users += 1
        return self

    def close(self) -> None:
        """End the connection for the last user; whoever waits for an answer gets none."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return
            ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ended.result()

    def _wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with self._lock:  # what is asked once it has ended would be waited for without end
            if self._users < 1:
                coroutine.close()
                raise StoreClosedError(self._url)
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def _connected(self, target: Target) -> None:
        seconds = min(2 * ANSWER_SECONDS, target.options.retry_timeout)
        try:
            await asyncio.wait_for(self._connect(target), seconds)
        except (TimeoutError, ClientError, OSError, ValueError) as fault:
            with suppress(AssertionError):  # it has nothing to close where its key cannot be read
                await self.client.close()
            found = f"no server of it can be used ({type(fault).__name__})"
            # A server may hang up before what it says is read.
            if "authorization" in self._last_said or self.server.get("auth_required"):
                found = "it does not let this user in"
            raise StoreUnavailableError(target.url, found) from None

    async def _connect(self, target: Target) -> None:
        if _SIGNING & target.login.keys() and find_spec("nkeys") is None:
            raise MissingExtraError("nats", "nkeys")
        options: dict[str, Any] = dict(target.login)
        if target.options.ca is not None:
            options["tls"] = ssl.create_default_context(cafile=target.options.ca)
        await self.client.connect(
            list(target.servers),
            name="lifecycle",
            connect_timeout=2,
            reconnect_time_wait=0.1,  # type: ignore[arg-type]  # it sleeps so long
            max_reconnect_attempts=_FIRST_TRIES,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=_PENDING_BYTES,
            error_cb=self._noted,
            disconnected_cb=self._disconnected,
            **options,
        )
        self.client.options["max_reconnect_attempts"] = -1  # it is there: from now on it is awaited

    async def _unless_lost(self, asking: Coroutine[Any, Any, T]) -> T:
        """Return what is asked for, unless the connection that it is asked on is lost meanwhile."""
        if not self.client.is_connected:  # the client would keep the question for later
            asking.close()
            raise ConnectionClosedError
        before, task = self._losses, self._loop.create_task(asking)
        self._under_way.add(task)
        try:
            answered = await task
        except asyncio.CancelledError:
            if self._losses == before:
                raise
            raise ConnectionClosedError from None
        except TimeoutError:
            self._unanswered += 1
            if self._unanswered == _MOST_UNANSWERED:
                # It may be stopped, or cut off from the others, while its connection looks as ever.
                self._unanswered = 0
                await self.client.force_reconnect()
            raise
        finally:
            self._under_way.discard(task)
        self._unanswered = 0
        return answered

    async def _noted(self, fault: Exception) -> None:
        """Note what the client says; whoever waits for an answer is told by what comes of it."""
        self._last_said = str(fault).lower()

    async def _disconnected(self) -> None:
        self._losses += 1
        for task in self._under_way:
            task.cancel()

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _end(self) -> None:
        """End the client, and everything that still waits for an answer."""
        try:
            with suppress(ClientError, OSError):  # of a server that is gone
                await asyncio.wait_for(self.client.close(), ANSWER_SECONDS)
        finally:
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.wait(others, timeout=ANSWER_SECONDS)
            self._loop.call_soon(self._loop.stop)


class _Client(Client):
    """A client that tells a server nothing before it speaks TLS, where that was asked for."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is overridden
        if initial_connection and "tls" in self.options and not info.get("tls_required"):
            raise ClientError("the server does not speak TLS")
        await super()._process_info(info, initial_connection)


def _answer(reply: Msg) -> Any:
    answer = json.decode(reply.data)
    if error := answer.get("error"):
        raise ApiError(int(error.get("err_code") or error["code"]))
    return answer


def _check_whole(found: Sequence[Msg], end: Msg) -> None:
    """Refuse an answer of which a message is missing, or which is none.

    Raises:
        TryAgainError: there is something to ask again for.
    """
    ended = end.headers or {}
    if ended["Status"] == _NOTHING:
        return
    if ended["Status"] != _ALL:
        raise TryAgainError(f"its stream cannot be read now (status {ended['Status']})")
    told = [message.headers or {} for message in found]
    before = [headers.get("Nats-Last-Sequence") for headers in (*told[1:], ended)]
    if before != [headers["Nats-Sequence"] for headers in told]:
        raise TryAgainError("a part of an answer was lost")
