"""A server that is killed under load loses no callback that it answered 200."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import uvicorn

from lifecycle import Receipt, connect, connect_async
from lifecycle.audit.verify import verify
from lifecycle.http.receiver import BearerTokens, Receiver
from lifecycle.http.receiver.bearer import Tokens
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.faults.children import Child
from tests.receiving import BODY, CLIENT, KEY, SETUP
from tests.serving import ask, connected

KILLS, CALLERS = 12, 6
TOKEN = {"Authorization": f"Bearer {Tokens(KEY).issue(CLIENT)}"}

Record = Callable[..., Awaitable[Receipt]]


def honest(record: Record) -> Record:
    return record


def hasty(record: Record) -> Record:
    """Broken on purpose: the caller is answered, and the append begins after that."""
    late: set[asyncio.Future[Receipt]] = set()

    async def answer(body: bytes, **arguments: Any) -> Receipt:
        first = await record(BODY)
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, lambda: late.add(asyncio.ensure_future(record(body, **arguments))))
        return first

    return answer


def serve_until_killed(path: Path, how: Callable[[Record], Record], pipe: int) -> None:
    class ReadyServer(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            os.write(pipe, b"%d\n" % self.servers[0].sockets[0].getsockname()[1])

    orders = connect_async(f"sqlite:///{path}")
    orders.record_callback = how(orders.record_callback)  # type: ignore[method-assign]
    config = uvicorn.Config(
        Receiver(orders, BearerTokens(**SETUP)), port=0, log_config=None, access_log=False
    )
    asyncio.run(ReadyServer(config).serve())


def numbered(number: int) -> bytes:
    return json.dumps({"id": f"o{number}", "status": "brand_new"}).encode()


def post_until_it_dies(port: int, first: int) -> list[bytes]:
    """Return the bodies that were answered 200."""
    acknowledged: list[bytes] = []
    with connected(port) as connection:
        while True:
            body = numbered(first + len(acknowledged))
            try:
                answer = ask(connection, "POST", "/callbacks", body, TOKEN)
            except (HTTPException, OSError):
                return acknowledged
            assert answer.status == 200
            acknowledged.append(body)


def kill_again_and_again(path: Path, kills: int, how: Callable[[Record], Record]) -> list[bytes]:
    """Return the bodies that were acknowledged."""
    chance = random.Random(20260707)
    acknowledged: list[bytes] = []
    for kill in range(kills):
        child = Child(partial(serve_until_killed, path, how))
        port = int(child.first_bytes())
        with ThreadPoolExecutor(CALLERS) as callers:
            firsts = [(kill * CALLERS + caller) * 1_000_000 for caller in range(CALLERS)]
            calls = [callers.submit(post_until_it_dies, port, first) for first in firsts]
            time.sleep(chance.uniform(0.05, 0.25))
            child.kill()
            for call in calls:
                acknowledged += call.result(60)
        child.collect()
    return acknowledged


def stored(path: Path) -> Counter[bytes]:
    with connect(f"sqlite:///{path}", create=False) as orders:
        assert verify(orders.log).ok
        return Counter(split(record)[1] for record in orders.log.scan() if record.stream != CONTROL)


def test_kills_under_load_lose_nothing_acknowledged_and_double_nothing(tmp_path):
    path = tmp_path / "orders.db"

    acknowledged = kill_again_and_again(path, KILLS, honest)

    kept = stored(path)
    assert len(acknowledged) > KILLS
    assert set(acknowledged) - set(kept) == set()
    assert set(kept.values()) == {1}


def test_control_a_server_that_answers_before_the_commit_is_found_out(tmp_path):
    path = tmp_path / "orders.db"

    acknowledged = kill_again_and_again(path, 3, hasty)

    assert set(acknowledged) - set(stored(path))
