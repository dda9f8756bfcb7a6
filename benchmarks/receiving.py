"""Durable callbacks over HTTP with group commit, beside the same server without a store.

    python benchmarks/receiving.py

The server is another process: uvicorn, the same app, the same tokens. One server records every
callback before it answers; the other only answers. The load comes from this process, over
connections that stay open. Wall time. The latency of callbacks is printed on stderr.

`lifecycle serve` with its limits is also compared with the same app under plain uvicorn, by
the median latency of callbacks on one kept connection.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from pairs import Measured, Peer, Row, Stopwatch, main, measure, new_file, wall
from workload import arrivals

CONNECTIONS: Final = 100
ALONE: Final = 25
"""Callbacks that go over one connection before the other server has its turn: disks are fitful."""

CLIENT: Final = "instacart"
NOTHING: Final = "nothing"
_SECRET: Final = "LIFECYCLE_BENCHMARK_SECRET"
_LENGTH: Final = b"content-length: "


def serve(database: str) -> None:
    """Serve on a free port, which is printed, until killed; `database` may be `nothing`."""
    import uvicorn  # noqa: PLC0415 - the process that sends the load needs none

    from lifecycle import connect_async  # noqa: PLC0415
    from lifecycle.http.receiver import BearerTokens, Receiver  # noqa: PLC0415

    class ReadyServer(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    secret = os.environ[_SECRET]
    orders = connect_async("memory:" if database == NOTHING else f"sqlite:///{database}")
    receiver = Receiver(orders, BearerTokens(clients={CLIENT: secret}, signing_keys=secret))
    if database == NOTHING:
        store_nothing(receiver)
    config = uvicorn.Config(receiver, port=0, log_config=None, access_log=False)
    asyncio.run(ReadyServer(config).serve())


def store_nothing(receiver: Any) -> None:
    """Answer every callback with the receipt of one that was recorded once."""
    recorded: list[Any] = []
    record = receiver.orders.record_callback

    async def answer(body: bytes, **arguments: Any) -> Any:
        if not recorded:
            recorded.append(await record(body, **arguments))
        return recorded[0]

    receiver.orders.record_callback = answer


class CallbackClient(asyncio.Protocol):
    """One connection: posts a callback, waits for the answer, posts the next."""

    def __init__(self, waiting: Iterator[bytes], took: list[float]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._took = took
        self._came = b""

    def connection_made(self, transport: Any) -> None:
        """Post the first."""
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        """Post the next as soon as the answer is whole."""
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._took.append(time.perf_counter() - self._sent_at)
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(head.decode()))
        self._came = b""
        self._post()

    def connection_lost(self, failed: Exception | None) -> None:
        """Tell that the server went away."""
        if not self.done.done():
            self.done.set_exception(failed or ConnectionError("the server closed"))

    def _post(self) -> None:
        request = next(self._waiting, None)
        if request is not None:
            self._sent_at = time.perf_counter()
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


def _length(head: bytes) -> int:
    return int(head.partition(_LENGTH)[2].partition(b"\r\n")[0])


async def load(
    port: int, requests: Sequence[bytes], took: list[float], connections: int = CONNECTIONS
) -> None:
    """Post every request once, over connections that stay open."""
    loop = asyncio.get_running_loop()
    waiting = iter(requests)
    callers = [
        (await loop.create_connection(lambda: CallbackClient(waiting, took), "127.0.0.1", port))[1]
        for _ in range(min(connections, len(requests)))
    ]
    await asyncio.gather(*(caller.done for caller in callers))


@contextlib.contextmanager
def running(database: str, secret: str, *, limited: bool = False) -> Iterator[int]:
    """Run the server in a process of its own, or `lifecycle serve`, and yield its port."""
    plain = [sys.executable, str(Path(__file__)), "--serve", database]
    ours = [str(Path(sys.executable).with_name("lifecycle")), "serve", "--port", "0"]
    given = {
        "LIFECYCLE_DB": f"sqlite:///{database}",
        "LIFECYCLE_RECEIVER_CLIENT_ID": CLIENT,
        "LIFECYCLE_RECEIVER_CLIENT_SECRET": secret,
        "LIFECYCLE_RECEIVER_SIGNING_KEY": secret,
    }
    with subprocess.Popen(
        ours if limited else plain,
        env=os.environ | given | {_SECRET: secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if limited else None,
        text=True,
    ) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            yield int(said.partition(";")[0].rpartition(":")[2])
        finally:
            server.kill()


def posts(bodies: Sequence[bytes], secret: str) -> list[bytes]:
    """Return the requests to send, each with a token that every server accepts."""
    from lifecycle.http.receiver.bearer import Tokens  # noqa: PLC0415

    token = Tokens(secret).issue(CLIENT)
    head = (
        "POST /callbacks HTTP/1.1\r\nhost: receiver.example\r\n"
        f"authorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    ).encode()
    return [head + b"content-length: %d\r\n\r\n" % len(body) + body for body in bodies]


def server(requests: Sequence[bytes], secret: str, took: list[float], *, durable: bool) -> Peer:
    """Load a fresh server with all requests."""

    def run(watch: Stopwatch) -> int:
        with (
            new_file() as path,
            running(path if durable else NOTHING, secret) as port,
        ):
            asyncio.run(load(port, requests[:1], []))
            with watch.running():
                asyncio.run(load(port, requests, took))
        return len(requests)

    return run


def behind_limits(requests: Sequence[bytes], secret: str, rounds: int) -> Row:
    """Return the row of `lifecycle serve` beside the same app under plain uvicorn."""
    p50: dict[str, list[float]] = {"serve": [], "uvicorn": []}
    with (
        new_file() as one,
        new_file() as other,
        running(one, secret, limited=True) as ours,
        running(other, secret) as plain,
    ):
        for number in range(rounds + 1):
            pairs = sorted({"serve": ours, "uvicorn": plain}.items(), reverse=bool(number % 2))
            for name, port in pairs:
                took: list[float] = []
                some = requests[number * ALONE % len(requests) :][:ALONE]
                asyncio.run(load(port, some, took, connections=1))
                p50[name] += [median(took)] * bool(number)
    for name, each in p50.items():
        print(f"{name}: p50 {median(each) * 1000:.2f} ms on one connection", file=sys.stderr)
    what, beside = "lifecycle serve, p50 on one connection", "the same app under plain uvicorn"
    return Measured(p50).row(what, beside, of="serve", to="uvicorn", reach=1.5, at_most=True)


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the rows of receiving."""
    secret = secrets.token_hex(32)
    requests = posts([each.body for each in arrivals(options.callbacks)], secret)
    took: dict[str, list[float]] = {"durable": [], "nothing": []}
    measured = measure(
        {name: server(requests, secret, took[name], durable=name == "durable") for name in took},
        clock=wall,
        rounds=options.rounds,
    )
    what, beside = "callbacks over HTTP, durable", "the same server storing nothing"
    for name, seconds in took.items():
        rate = 1 / (sum(measured.seconds[name]) / len(measured.seconds[name]))
        cuts = [cut * 1000 for cut in quantiles(seconds, n=100)]
        print(
            f"{name}: {rate:,.0f} callbacks/s from {CONNECTIONS} connections, "
            f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms",
            file=sys.stderr,
        )
    return [
        measured.row(what, beside, of="nothing", to="durable", reach=0.6),
        behind_limits(requests, secret, 5 * options.rounds),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main(__doc__, rows, callbacks=8000)
