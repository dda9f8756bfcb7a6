"""Three processes: a provider with every fault, a service that is killed, and a driver.

The provider is `lifecycle simulate`, the service is `campaigns.example_service`, both on the
loopback. This process, the driver, places orders, corrects rejected ones, and repeats calls
whose outcome is unknown. Halfway it kills the service with SIGKILL and restarts it. After
reconciliation it compares every view with the provider's truth: the same status, no order
created twice though the provider would allow it, and every callback that was answered 2xx in
the log. The controls are a service that acknowledges before it commits, and one that resends
create requests without polling first.

    python -m campaigns.three_processes --orders 500 --provider uber_direct
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from campaigns.accounts import ACCOUNTS
from campaigns.example_service import CLIENT, SECRET
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.composition import connect
from lifecycle.errors import UnknownOrderError
from lifecycle.log.contract import Outcome
from lifecycle.service.orders import Orders

BAD: Final = (
    "views that differ from the truth",
    "orders made twice",
    "acknowledged callbacks not in the log",
    "orders that never came to an end",
)
BROKEN: Final = {"blind": (BAD[1],), "hasty": (BAD[2],)}
LOST: Final = "lost with the service"
NOT_MADE: Final = (None, "requested", "validation_failed", "resubmitted")
SPEED: Final = 1200
AT_ONCE: Final = 12
MOST_ASKED: Final = 60
START_SECONDS: Final = 60
END_SECONDS: Final = 240
PAUSE: Final = 0.25

Truth = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "orders": (500, "how many orders"),
            "control-orders": (40, "how many for each control"),
            "kills": (2, "how often the service is killed"),
            "percent": (10, "how often each fault befalls what it can befall"),
        },
    )
    campaign.parser.add_argument("--provider", default="instacart", choices=tuple(ACCOUNTS))
    options = campaign.parse(arguments)

    def run(variant: str, orders: int, percent: int) -> Figures:
        plan = Plan(options.provider, variant, options.seed, orders, options.kills, percent / 100)
        return Run(campaign, plan).figures()

    # Beside each other: they wait for sockets and clocks, hardly for a processor.
    with ThreadPoolExecutor(3) as threads:
        subject = threads.submit(run, "sound", options.orders, options.percent)
        hasty = threads.submit(run, "hasty", options.control_orders, 10)
        blind = threads.submit(run, "blind", options.control_orders, 25)
    controls = {
        "acknowledges before it commits": hasty.result(),
        "resends without asking": blind.result(),
    }
    return campaign.verdict(f"three processes, {options.provider}", subject.result(), controls)


class Plan(NamedTuple):
    """How large a run is, with which provider, and which variant of the service it tries."""

    provider: str
    variant: str
    seed: int
    orders: int
    kills: int
    rate: float


class Run:
    """One provider and one service, from the first order to the comparison.

    A control is judged by the one thing that it breaks.
    """

    def __init__(self, campaign: Campaign, plan: Plan) -> None:
        self._campaign = campaign
        self._plan = plan
        self._ids = [f"{plan.variant}-{plan.seed}-{number:05}" for number in range(plan.orders)]
        steps = range(1, plan.kills + 1)
        self._kills_after = [plan.orders * step // (plan.kills + 1) for step in steps]
        self._done: set[str] = set()
        self._progress = asyncio.Condition()
        self._figures = Figures(*BROKEN.get(plan.variant, BAD))

    def figures(self) -> Figures:
        """Return what the run found."""
        with scratch() as folder:
            port = free_port()
            with provider(self._plan, port) as url:
                service = Shop(folder / "shop.db", port, url, self._plan)
                try:
                    truths = asyncio.run(self._drive(service, url))
                finally:
                    service.stop()
            url = f"sqlite:///{folder / 'shop.db'}"
            with connect(url, provider=self._plan.provider) as orders:
                compare(orders, truths, self._figures)
        return self._figures

    async def _drive(self, service: Shop, url: str) -> list[Truth]:
        """Place the orders, kill the service meanwhile, and return the truth in the end."""
        gate = asyncio.Semaphore(AT_ONCE)
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
            await service.start(client)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kill(service, client))
                for order_id in self._ids:
                    group.create_task(self._place(client, service, order_id, gate))
            truths = await self._settled(client, url)
            if self._plan.variant == "sound":
                await self._agreed(service, truths)
            return truths

    async def _place(
        self, client: httpx2.AsyncClient, service: Shop, order_id: str, gate: asyncio.Semaphore
    ) -> None:
        """Ask for an order until it is known what became of it."""
        request, corrected, answers = first_request(order_id, self._plan.seed), False, 0
        while answers < MOST_ASKED:
            async with gate:
                told = await asked(client, service, request)
            # A dead service answers nobody, and is started again: that does not count.
            answers += told["outcome"] != LOST
            self._figures.count(f"answers {told['outcome']}")
            if told["outcome"] == "created" or told.get("why") == "canceled":
                break
            if told["outcome"] == "correctable" and not corrected:
                corrected, request = True, request | {"right": True}
            else:
                await asyncio.sleep(min(told.get("retry_after") or PAUSE, 3.0))
        async with self._progress:
            self._done.add(order_id)
            self._progress.notify_all()
        self._tell(f"{len(self._done)} of {len(self._ids)} orders")

    def _tell(self, progress: str) -> None:
        self._campaign.tell(f"{self._plan.variant}: {progress}")

    async def _kill(self, service: Shop, client: httpx2.AsyncClient) -> None:
        for after in self._kills_after:
            async with self._progress:
                await self._progress.wait_for(lambda least=after: len(self._done) >= least)
            service.kill()
            self._figures.count("kills")
            await asyncio.sleep(PAUSE)
            await service.start(client)

    async def _settled(self, client: httpx2.AsyncClient, url: str) -> list[Truth]:
        """Return the truth once everything has happened and was delivered, or given up."""
        self._tell("settling")
        settle = client.post(f"{url}/simulator/settle", timeout=END_SECONDS)
        (await settle).raise_for_status()
        truths = (await client.get(f"{url}/simulator/orders")).json()
        self._figures.count("orders", len(truths))
        return truths

    async def _agreed(self, service: Shop, truths: list[Truth]) -> None:
        """Wait until reconciliation has nothing left to ask for, or long enough."""
        deadline = asyncio.get_running_loop().time() + END_SECONDS / 4
        while asyncio.get_running_loop().time() < deadline:
            url, name = f"sqlite:///{service.db}", self._plan.provider
            with connect(url, provider=name, create=False) as orders:
                if all(is_true(seen(orders, truth), truth) for truth in truths):
                    return
            self._tell("reconciling")
            await asyncio.sleep(1)


class Shop:
    """The service: a process that is started, killed, and started again."""

    def __init__(self, db: Path, port: int, provider_url: str, plan: Plan) -> None:
        self.db = db
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            *(
                sys.executable,
                "-m",
                "campaigns.example_service",
                "--db",
                str(db),
                "--port",
                str(port),
            ),
            *(
                "--provider",
                plan.provider,
                "--provider-url",
                provider_url,
                "--variant",
                plan.variant,
            ),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, client: httpx2.AsyncClient) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            try:
                await client.get(f"{self.url}/health")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
        raise RuntimeError("the service did not start")

    def kill(self) -> None:
        """Kill it, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it finish and end."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(60)
            self._process = None


@contextmanager
def provider(plan: Plan, port: int) -> Iterator[str]:
    """Run a provider that calls the service back, and yield its base URL."""
    settings = {
        "callback_client_id": CLIENT,
        "callback_client_secret": SECRET,
        "seed": plan.seed,
        "speed": SPEED,
        "slow_seconds": 1.5,
        "retries": 9,
        "retry_seconds": 0.2,
    }
    named = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    callbacks = ("--callback-url", f"http://127.0.0.1:{port}/callbacks")
    command = [sys.executable, "-m", "lifecycle", "simulate", "--port", "0", *callbacks]
    command += ["--provider", plan.provider, "--hostile", str(plan.rate), *named]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        told = (process.stderr.readline() if process.stderr else "").split()
        yield next(word.strip(";") for word in told if word.startswith("http"))
    finally:
        process.kill()
        process.wait()


def first_request(order_id: str, seed: int) -> dict[str, Any]:
    """Return what an order's first request is like; one in seven has to be corrected."""
    wrong = sum(order_id.encode()) % 7 == seed % 7
    return {"order_id": order_id, "right": not wrong}


async def asked(
    client: httpx2.AsyncClient, service: Shop, request: dict[str, Any]
) -> dict[str, Any]:
    """Return what the service says became of a request; a dead one says nothing."""
    try:
        reply = await client.post(f"{service.url}/orders/", content=json.dumps(request).encode())
    except httpx2.TransportError:
        return {"outcome": LOST}
    if reply.status_code != 200:
        return {"outcome": f"HTTP {reply.status_code}"}
    told: dict[str, Any] = reply.json()
    return told


def seen(orders: Orders, truth: Truth) -> str | None:
    """Return where the service sees an order, None if nowhere."""
    try:
        return orders.get(truth["order_id"]).status
    except UnknownOrderError:
        return None


def is_true(status: str | None, truth: Truth) -> bool:
    """Tell whether a view is right; where no order was made, it must not claim one."""
    return status == truth["status"] if truth["creates"] else status in NOT_MADE


def compare(orders: Orders, truths: Sequence[Truth], figures: Figures) -> None:
    """Hold the log against what really was."""
    different, twice, missing, open_ended = BAD
    for truth in truths:
        order_id, status = truth["order_id"], seen(orders, truth)
        figures.count("orders made", truth["creates"])
        figures.find(twice, order_id, truth["creates"] > 1)
        differs = f"{order_id} is {truth['status']}, seen {status}"
        figures.find(different, differs, not is_true(status, truth))
        figures.find(open_ended, order_id, truth["creates"] > 0 and not truth["terminal"])
    for sent in [sent for truth in truths for sent in truth["callbacks"]]:
        figures.count(f"callbacks {sent['fate']}")
        if sent["fate"] == "acknowledged":
            receipt = orders.record_callback(sent["body"].encode())
            figures.find(missing, sent["name"], receipt.outcome is not Outcome.DUPLICATE)
    figures.count("polls", sum(poll_count(orders, truth["order_id"]) for truth in truths))


def poll_count(orders: Orders, order_id: str) -> int:
    """Return how many polls are stored of an order."""
    try:
        return sum(entry.kind == "poll" for entry in orders.history(order_id))
    except UnknownOrderError:
        return 0


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
