"""What attacks on `lifecycle serve` cost an honest client.

Another process attacks a real server, one attack after another; the server may have 1,024 open
files. Before, during and after each attack an honest client posts callbacks with a token, 20
a second, ten per connection. Measured: the client's latency, the server's memory, its share of
a core, and its log lines. The control is the same receiver under plain uvicorn, without limits.

    python -m campaigns.server_load --seconds 10
"""

from __future__ import annotations

import http.client
import logging
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from campaigns.attacks import ATTACKS
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import callback
from tests.receiving import CLIENT, KEY, SECRET
from tests.serving import bearer

BAD: Final = ("too much memory", "too busy", "too much log", "too slow", "refused")
MOST_MIB: Final = 64
"""What an attack may add to the server's memory, in MiB; with a token come large bodies, too."""

MOST_MIB_WITH_TOKEN: Final = 640
WITH_TOKEN: Final = frozenset({"costly", "tiny-chunks"})
MOST_BUSY: Final = 5.0
"""Percent of a core that attacks may take which only hold something open."""

QUIET: Final = frozenset({"idle", "slow-head", "slow-body", "slow-form"})
MOST_LOG: Final = 10_000
MOST_MS: Final = 250
PAUSE: Final = 0.05
PATIENCE: Final = 5.0
"""Seconds after which the honest caller gives up."""

OPEN_FILES: Final = 1024
LISTENING: Final = "listening on http://127.0.0.1:"
TICKS: Final = os.sysconf("SC_CLK_TCK")
LIBRARY: Final = "import sys; from lifecycle.cli import main; sys.exit(main())"
PLAIN: Final = "from campaigns.server_load import serve_plainly; serve_plainly()"


class Load(NamedTuple):
    """What was measured for a while."""

    mib: float
    busy: float
    log: float
    took: Sequence[float]
    refused: int

    def cut(self, percent: int) -> float:
        """Return how many milliseconds so many percent of the answers took at most."""
        last = len(self.took) - 1
        return sorted(self.took)[min(last, len(self.took) * percent // 100)] * 1000


class Server:
    """One server under way, seen from outside."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.port = self._port()
        self.token = bearer(self.port)["Authorization"]

    @property
    def mib(self) -> float:
        """What it has in memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def cpu(self) -> float:
        """Seconds that it has taken of a core."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        return sum(map(int, fields.rpartition(")")[2].split()[11:13])) / TICKS

    @property
    def log_bytes(self) -> int:
        """How much it has logged."""
        return self._log.stat().st_size

    def _port(self) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            said = self._log.read_text(encoding="utf-8")
            if LISTENING in said and "\n" in said:
                return int(said.partition(LISTENING)[2].partition(";")[0])
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start: {self._log.read_text(encoding='utf-8')}")


class Caller:
    """The honest caller."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._number = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def load(self, seconds: float) -> Load:
        """Post callbacks for so long, and return what was measured meanwhile."""
        server, took, refused, mib = self._server, [], 0, 0.0
        began_at, cpu, log = time.monotonic(), server.cpu, server.log_bytes
        while time.monotonic() < began_at + seconds:
            sent_at = time.monotonic()
            refused += not self._was_taken()
            took.append(time.monotonic() - sent_at)
            mib = max(mib, server.mib)
            time.sleep(PAUSE)
        lasted = time.monotonic() - began_at
        busy = 100 * (server.cpu - cpu) / lasted
        return Load(mib, busy, (server.log_bytes - log) / lasted, took, refused)

    def _was_taken(self) -> bool:
        self._number += 1
        if self._number % 10 == 0:
            self._connection.close()
        try:
            self._connection.request(
                "POST",
                "/callbacks",
                callback(self._number),
                {"Authorization": self._server.token},
            )
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return answer.status == http.client.OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "seconds": (10, "how long each attack lasts"),
            "control-seconds": (3, "how long each of the control lasts"),
        },
    )
    campaign.parser.add_argument("--attack", action="append", choices=ATTACKS, help="one of them")
    options = campaign.parse(arguments)
    if not Path("/proc/self/stat").exists():
        return skipped("server_load", "there is no /proc to read a server's figures from")
    subject, control = Figures(*BAD), Figures(*BAD)
    attack(LIBRARY, options.attack or [*ATTACKS], options.seconds, subject, campaign)
    attack(PLAIN, options.attack or ["idle"], options.control_seconds, control, campaign)
    return campaign.verdict("server_load", subject, {"no limits": control})


def attack(
    code: str, names: Sequence[str], seconds: int, figures: Figures, campaign: Campaign
) -> None:
    """Run attacks on a fresh server each, and judge what was measured."""
    for name in names:
        with scratch() as folder, serving(code, folder) as server:
            caller = Caller(server)
            before = caller.load(min(2, seconds))
            with attacking(name, server):
                during = caller.load(seconds)
            after = caller.load(min(2, seconds))
        sys.stderr.write(f"{row(name, before, during, after)}\n")
        figures.count("attacks")
        figures.count("callbacks posted", sum(len(each.took) for each in (before, during, after)))
        judge(name, before, during, figures)
        figures.find("refused", f"{name}: after it", after.refused)
        campaign.tell(figures)


def judge(name: str, before: Load, during: Load, figures: Figures) -> None:
    """Find what was more than it may be."""
    most_mib = MOST_MIB_WITH_TOKEN if name in WITH_TOKEN else MOST_MIB
    grown, slowest = during.mib - before.mib, during.cut(99)
    if name in QUIET:
        more = during.busy - before.busy
        figures.find("too busy", f"{name}: {more:.0f} % of a core", more > MOST_BUSY)
    figures.find("too much memory", f"{name}: {grown:.0f} MiB more", grown > most_mib)
    figures.find("too much log", f"{name}: {during.log:,.0f} bytes a second", during.log > MOST_LOG)
    figures.find("too slow", f"{name}: p99 of {slowest:.0f} ms", slowest > MOST_MS)
    figures.find("refused", f"{name}: {during.refused} of the honest caller", during.refused)


def row(name: str, *loads: Load) -> str:
    """Return a line of the table: before, during and after."""
    cells = [
        " / ".join(f"{load.mib:.0f}" for load in loads),
        " / ".join(f"{load.busy:.0f}" for load in loads),
        f"{loads[1].log / 1000:.1f}",
        *(" / ".join(f"{load.cut(percent):.0f}" for load in loads) for percent in (50, 99)),
        f"{loads[1].refused} of {len(loads[1].took)}",
    ]
    return "| " + " | ".join([f"`{name}`", *cells]) + " |"


@contextmanager
def serving(code: str, folder: Path) -> Iterator[Server]:
    """Run a server in a process of its own."""
    log = folder / "log"
    secrets = {
        "LIFECYCLE_RECEIVER_CLIENT_ID": CLIENT,
        "LIFECYCLE_RECEIVER_CLIENT_SECRET": SECRET,
        "LIFECYCLE_RECEIVER_SIGNING_KEY": KEY,
        "LIFECYCLE_DB": f"sqlite:///{folder}/orders.db",
    }
    with (
        log.open("wb") as writing,
        subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-c", code, "serve", "--port", "0"],
            env=os.environ | secrets,
            stderr=writing,
            preexec_fn=_few_files,  # noqa: PLW1509 - no thread is running yet
        ) as process,
    ):
        try:
            yield Server(process, log)
        finally:
            process.kill()


def _few_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))


@contextmanager
def attacking(name: str, server: Server) -> Iterator[None]:
    """Attack a server, in a process of its own."""
    token = server.token.removeprefix("Bearer ")
    command = [sys.executable, "-m", "campaigns.attacks", name, str(server.port), token]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own
        try:
            time.sleep(1)  # it starts
            yield
        finally:
            process.kill()


def serve_plainly() -> None:
    """Serve the same receiver under plain uvicorn: the control, for none of its limits is there."""
    import uvicorn  # noqa: PLC0415 - the campaign itself needs none

    from lifecycle.composition import connect_async  # noqa: PLC0415
    from lifecycle.http.receiver import Receiver  # noqa: PLC0415
    from lifecycle.providers.instacart.receiver import RECEIVER  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    orders = connect_async(os.environ["LIFECYCLE_DB"])
    app = Receiver(orders, RECEIVER.from_environment(os.environ))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stderr.write(f"{LISTENING}{listening.getsockname()[1]};\n")
        config = uvicorn.Config(app, log_config=None, access_log=False)
        uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    sys.exit(main())
