"""The same facade for coroutines: the same names, awaited, on the same engine."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from lifecycle import NotEnteredError, Outcome, connect, connect_async


def callback(number: int) -> dict[str, str]:
    return {"id": f"order{number}", "status": "brand_new"}


def test_a_hundred_tasks_record_through_one_drain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"

    async def main() -> tuple[list[Outcome], int]:
        async with connect_async(url) as orders:
            before = threading.active_count()
            receipts = await asyncio.gather(
                *(orders.record_callback(callback(number % 50)) for number in range(100))
            )
            threads = threading.active_count() - before
            return [receipt.outcome for receipt in receipts], threads

    outcomes, threads = asyncio.run(main())
    assert outcomes.count(Outcome.APPENDED) == outcomes.count(Outcome.DUPLICATE) == 50
    assert threads < 5
    with connect(url) as orders:
        assert sum(1 for _ in orders.find(status="brand_new")) == 50


def test_the_creation_dialogue_awaited() -> None:
    async def main() -> None:
        async with connect_async("memory:") as orders:
            sent = await orders.begin_request("xyz", {"order_id": "xyz"})
            assert (await orders.begin_request("xyz", {"order_id": "xyz"})).resumed
            receipt = await (await sent.answered(200, {"id": "xyz", "status": "created"})).folded()
            assert receipt.view is not None
            assert receipt.view.status == "created"
            assert (await orders.get("xyz")).awaiting == ("brand_new", "canceled")
            assert len(await orders.history("xyz")) == 2
            await orders.record_callback(b"nonsense")
            assert [item.reason async for item in orders.quarantine()] == ["not_json"]
            assert [receipt async for receipt in orders.redrive()] == []
            assert [view.order_id async for view in orders.find()] == ["xyz"]

    asyncio.run(main())


def test_many_recordings_come_back_as_many_receipts() -> None:
    async def main() -> list[Outcome]:
        async with connect_async("memory:") as orders:
            lines = [{"kind": "callback", "body": callback(number)} for number in (1, 2, 1)]
            return [receipt.outcome for receipt in await orders.record_many(lines)]

    assert asyncio.run(main()) == ["appended", "appended", "duplicate"]


def test_a_task_that_is_cancelled_harms_no_other(tmp_path: Path) -> None:
    async def main() -> int:
        async with connect_async(f"sqlite:///{tmp_path}/orders.db") as orders:
            tasks = [asyncio.ensure_future(orders.record_callback(callback(n))) for n in range(40)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            kept = [receipt for receipt in done if not isinstance(receipt, BaseException)]
            assert len(kept) >= 20
            return len([view async for view in orders.find()])

    assert 20 <= asyncio.run(main()) <= 40


def test_orders_that_were_never_entered_say_so() -> None:
    async def main() -> None:
        with pytest.raises(NotEnteredError, match="async with"):
            await connect_async("memory:").get("xyz")

    asyncio.run(main())
