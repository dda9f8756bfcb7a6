"""Costly callbacks: which they are, one at a time, every client in its turn, room for others."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from contextlib import suppress

import pytest

from lifecycle import connect_async
from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.receiver import ReceiverLimits
from lifecycle.http.receiver.admission import Admission, NotAdmittedError
from lifecycle.http.receiver.fair_queue import FairQueue, QueueTimeoutError
from lifecycle.service.costly_bodies import (
    LARGE_BYTES,
    MANY_VALUES,
    SMALL_BYTES,
    is_costly,
    uncollected,
)

MANY = MAX_KEPT_BYTES * 4


@pytest.mark.parametrize(
    ("body", "costly"),
    [
        (b"", False),
        (b"[" * SMALL_BYTES, False),
        (b"[" * (SMALL_BYTES + 1), True),
        (b"x" * LARGE_BYTES, False),
        (b"x" * (LARGE_BYTES + 1), True),
        (b"," * MANY_VALUES + b"x" * SMALL_BYTES, False),
        (b"," * (MANY_VALUES + 1) + b"x" * SMALL_BYTES, True),
        (b"[{," * MANY_VALUES + b"x" * SMALL_BYTES, True),
    ],
)
def test_a_body_is_costly_if_it_is_large_or_holds_many_values(body, costly):
    assert is_costly(body) is costly


def test_garbage_is_collected_again_once_the_last_costly_body_was_read():
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_program_that_collects_no_garbage_is_left_alone():
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_client_with_many_costly_callbacks_lets_another_in_after_one_of_them():
    done: list[str] = []

    async def take(turns: FairQueue, client: str) -> None:
        async with turns.turn(client, 60):
            await asyncio.sleep(0.001)
            done.append(client)

    async def run() -> None:
        turns = FairQueue()
        many = [asyncio.create_task(take(turns, "greedy")) for _ in range(6)]
        await asyncio.sleep(0)
        other = [asyncio.create_task(take(turns, "modest")) for _ in range(2)]
        await asyncio.gather(*many, *other)
        assert turns.waiting == 0

    asyncio.run(run())
    assert done == ["greedy", "greedy", "modest", "greedy", "modest", *["greedy"] * 3]


def test_only_one_turn_is_held_at_a_time_whoever_gives_up_and_is_canceled():
    held: list[int] = [0]

    async def take(turns: FairQueue, number: int) -> None:
        with suppress(QueueTimeoutError):
            async with turns.turn(f"client {number % 3}", 0.02 + number % 7 / 100):
                held[0] += 1
                assert held[0] == 1
                await asyncio.sleep(0.003)
                held[0] -= 1

    async def run() -> None:
        turns = FairQueue()
        tasks = [asyncio.create_task(take(turns, number)) for number in range(60)]
        for number in range(0, 60, 5):
            await asyncio.sleep(0.002)
            if not tasks[number].done() and held[0] == 0:
                tasks[number].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [each for each in done if isinstance(each, AssertionError)]
        assert turns.waiting == 0
        async with turns.turn("after all", 10):
            assert turns.waiting == 0

    asyncio.run(run())


def test_a_turn_granted_to_a_canceled_client_passes_to_the_next():
    async def run() -> None:
        turns = FairQueue()

        async def take() -> None:
            async with turns.turn("one", 60):
                await asyncio.sleep(0)

        async with turns.turn("first", 60):
            waits, next_one = (asyncio.create_task(take()) for _ in range(2))
            await asyncio.sleep(0)
        while turns.waiting == 2:  # noqa: ASYNC110 - turns set no event
            await asyncio.sleep(0)
        waits.cancel()
        await asyncio.wait_for(next_one, 60)
        assert waits.cancelled()

    asyncio.run(run())


def test_a_costly_body_is_read_in_a_thread_and_a_small_one_is_not():
    threads: list[str] = []

    async def run() -> None:
        async with connect_async("memory:") as orders:
            read = orders._service.arrival_reader.provider.recognize_all

            class Told:
                def __getattr__(self, name):
                    return getattr(orders.provider, name)

                def recognize_all(self, arrival):
                    threads.append(threading.current_thread().name)
                    return read(arrival)

            object.__setattr__(orders._service.arrival_reader, "provider", Told())
            for body in (b'{"id":"a","status":"brand_new"}', costly("b"), b"x" * 70_000):
                receipt = await orders.record_callback(body)
                assert receipt.event.received_at is not None

    asyncio.run(run())
    assert threads[0] == threading.main_thread().name
    assert all(name.startswith("lifecycle-reader") for name in threads[1:])
    assert len(threads) == 3


def costly(order_id: str) -> bytes:
    lists = [[]] * 3000
    return json.dumps({"id": order_id, "status": "brand_new", "lists": lists}).encode()


def test_one_of_several_clients_takes_half_of_the_places_and_no_more():
    admission = Admission(ReceiverLimits(waiting=10), clients=2)
    tickets = [admission.admit("greedy") for _ in range(5)]
    with pytest.raises(NotAdmittedError):
        admission.admit("greedy")
    tickets += [admission.admit("modest") for _ in range(5)]
    with pytest.raises(NotAdmittedError):
        admission.admit("modest")
    for ticket in tickets:
        ticket.release()
    assert (admission.waiting, admission.bytes, admission._by_client) == (0, 0, {})


def test_one_of_several_clients_takes_half_of_the_memory_and_no_more():
    admission = Admission(ReceiverLimits(waiting_bytes=MANY), clients=2)
    ticket = admission.admit("greedy")
    ticket.reserve(MANY // 2)
    with pytest.raises(NotAdmittedError):
        ticket.reserve(1)
    other = admission.admit("modest")
    other.reserve(MANY // 2)
    ticket.release()
    other.release()
    assert admission.bytes == 0


def test_the_only_client_may_take_all_there_is():
    admission = Admission(ReceiverLimits(waiting=3, waiting_bytes=MANY), clients=1)
    tickets = [admission.admit("only") for _ in range(3)]
    tickets[0].reserve(MANY)
    with pytest.raises(NotAdmittedError):
        tickets[1].reserve(1)
