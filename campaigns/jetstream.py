"""A cluster of NATS that loses servers, its network, disks or power: nothing acknowledged is lost.

Writers record into one log on three servers, while the leader is killed, all are killed, the
leader is stopped, the network between one server and the others is cut for a while (in turn that
of the leader and of a follower, with connections that hang and that end), or disks are full.
Followers continue from their last position. Nobody may see an error but while the disks are full.
Then a lone server loses its power: what no sync covers, as `strace` saw it, is dropped. The
controls: the default `sync_interval` and the same power cut; and a writer that never looks for
what it wrote.

    python -m campaigns.jetstream --rounds 8
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

from campaigns.dying_database import (
    BAD_HERE,
    FOLLOWERS,
    Run,
    collect,
    follow,
    inspect,
    record_item,
    write,
)
from campaigns.mounts import CannotMountError, mount, unmount, unshare_mounts
from campaigns.record_audit import audit
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures, skipped
from campaigns.workload import callback, label, record_one
from lifecycle.composition import connect, open_log
from lifecycle.errors import StoreUnavailableError
from lifecycle.log.codec import decode
from lifecycle.log.writer import Writer
from tests.faults.children import Child
from tests.nats_server import NatsCluster, NatsServer, url_of
from tests.proxy import ACKNOWLEDGED, Proxy, proxied

SECONDS: Final = 120
NAME: Final = "orders"
HOW: Final = ("leader", "all", "stopped")
CUT_OFF_SECONDS: Final = 14.0
FULL_BYTES: Final = 8_000_000
ROOM_BYTES: Final = 100_000_000
TRACER_SECONDS: Final = 0.5
"""After the server's end its tracer writes what it saw last."""


class ClusterRun(Run):
    """One log on a cluster, and how its processes are told to end."""

    def url(self, proxy: object = None) -> str:
        """Return the URL of the log."""
        del proxy
        address: Any = self.server
        return str(address.url(NAME, retry_timeout=SECONDS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "rounds": (8, "how often servers are killed or stopped"),
            "partings": (4, "how often the network of one server is cut"),
            "writers": (8, "how many processes write"),
            "cuts": (4, "how many power cuts"),
            "replies": (10, "how many replies are lost to the control that never looks"),
        },
    )
    options = campaign.parse(arguments)
    name = "a cluster of NATS"
    if shutil.which("strace") is None:
        return skipped(name, "there is no strace here, which sees what is synced")
    try:
        unshare_mounts()
    except CannotMountError as cannot:
        return skipped(name, str(cannot))
    subject = lose_servers(options, campaign)
    subject.add(fill_disks(options.seed))
    subject.add(cut_power("always", options.cuts, options.seed))
    campaign.tell(subject)
    unsynced = cut_power('"2m"', 1, options.seed)
    with patch.object(Writer, "_find", lambda *_: None):
        blind = lose_replies(options.replies)
    controls = {"the default sync_interval": unsynced, "never looks for what it wrote": blind}
    return campaign.verdict(name, subject, controls)


class Routes:
    """The connections between servers, each through a proxy that can be cut."""

    def __init__(self) -> None:
        self._proxies: dict[tuple[int, int], Proxy] = {}

    def reached(self, number: int, port: int) -> int:
        """Return the port at which the server of a number reaches another one's."""
        proxy = self._proxies[number, port] = Proxy(("127.0.0.1", port))
        return proxy.port

    def of(self, number: int) -> list[Proxy]:
        """Return the proxies of all connections from or to a server."""
        # A server has no proxy to its own port, so that is the one that is missing.
        ports = {port for _, port in self._proxies}
        own = ports - {port for each, port in self._proxies if each == number}
        return [
            proxy for (each, port), proxy in self._proxies.items() if each == number or port in own
        ]

    def close(self) -> None:
        """Close all of them."""
        for proxy in self._proxies.values():
            proxy.close()


def lose_servers(options: Any, campaign: Campaign) -> Figures:
    """Let writers write and followers follow while servers go; look at what is left."""
    figures = Figures(*BAD_HERE)
    seed, routes = options.seed, Routes()
    with scratch() as folder:
        cluster = NatsCluster(folder, reached=routes.reached)
        run = ClusterRun(folder, cluster, None)  # type: ignore[arg-type]  # it has a URL
        try:
            cluster.start()
            open_when_ready(run.url())
            working = [
                Child(partial(write, run, run.url(), number, seed, record_one))
                for number in range(options.writers)
            ]
            following = [Child(partial(follow, run, number)) for number in range(FOLLOWERS)]
            for child in (*working, *following):
                child.first_bytes()
            kill(cluster, options.rounds, Random(seed), figures, campaign)
            part(cluster, routes, options.partings, Random(seed), figures, campaign)
            run.tell("stop")
            collect(working, figures)
            run.tell("finish")
            collect(following, figures)
            inspect(run, figures)
        finally:
            cluster.stop()
            routes.close()
    return figures


def open_when_ready(url: str) -> None:
    """Make the log as soon as the servers have found each other."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return open_log(url).close()
        except StoreUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def kill(
    cluster: NatsCluster, rounds: int, random: Random, figures: Figures, campaign: Campaign
) -> None:
    """Kill or stop servers, so often, each kind in turn."""
    for number in range(rounds):
        time.sleep(random.uniform(1, 3))
        how = HOW[number % len(HOW)]
        chosen = cluster.servers if how == "all" else [leader_of(cluster)]
        if how == "stopped":
            chosen[0].send(signal.SIGSTOP)
            time.sleep(CUT_OFF_SECONDS)
            chosen[0].send(signal.SIGCONT)
        else:
            for server in chosen:
                server.stop()
            time.sleep(random.uniform(0, 2))
            cluster.start()
        figures.count(f"times {how}")
        campaign.tell(figures)
        open_when_ready(cluster.url(NAME, retry_timeout=SECONDS))


def part(  # noqa: PLR0917 - as `kill`
    cluster: NatsCluster,
    routes: Routes,
    partings: int,
    random: Random,
    figures: Figures,
    campaign: Campaign,
) -> None:
    """Cut the network of one server off the others, so often: of the leader, then of another."""
    for number in range(partings):
        time.sleep(random.uniform(1, 3))
        is_leader, ends = number % 2 == 0, number % 4 >= 2
        leader = leader_of(cluster)
        chosen = next(each for each in cluster.servers if (each is leader) == is_leader)
        cut = routes.of(cluster.servers.index(chosen))
        for proxy in cut:
            proxy.hold(ends=ends)
        time.sleep(CUT_OFF_SECONDS)
        if not is_missed(cluster, chosen):
            figures.find("too few", "a network was cut, and nobody misses its server")
        for proxy in cut:
            proxy.heal()
        figures.count(f"times the network of {'the leader' if is_leader else 'a follower'} was cut")
        campaign.tell(figures)
        open_when_ready(cluster.url(NAME, retry_timeout=SECONDS))


def is_missed(cluster: NatsCluster, server: NatsServer) -> bool:
    """Tell whether the others go on by themselves, and know that a server is away."""
    others = [each for each in cluster.servers if each is not server]
    told = stream_of(url_of(others, NAME, retry_timeout=SECONDS))
    name = server.folder.name
    away = [each for each in told.get("replicas") or () if each["name"] == name]
    return told.get("leader") != name and any(
        each.get("offline") or not each.get("current") for each in away
    )


def stream_of(url: str) -> Any:
    """Return who holds the stream, as its leader tells it."""
    with closing(open_log(url)) as log:
        recorder: Any = getattr(log, "recorder")  # noqa: B009 - of this store alone
        return recorder._run(recorder._info())["cluster"]  # noqa: SLF001


def leader_of(cluster: NatsCluster) -> NatsServer:
    """Return the server that leads the stream."""
    while True:
        if led := stream_of(cluster.url(NAME, retry_timeout=SECONDS)).get("leader"):
            return cluster.servers[int(led.removeprefix("n")) - 1]
        time.sleep(0.1)


def fill_disks(seed: int) -> Figures:
    """Record until a server's disk is full; nothing is acknowledged then, nothing lost."""
    figures = Figures(*BAD_HERE)
    told: list[str] = []
    with scratch() as folder:
        mount(folder, FULL_BYTES)
        server = NatsServer(folder, store="max_file_store: 1GB").start()
        try:
            with closing(connect(server.url(NAME, retry_timeout=1))) as orders:
                number = refused = 0
                while refused < 3:
                    number += 1
                    try:
                        body = callback(number, length=20_000)
                        told.append(label(orders.record_callback(body).event))
                    except StoreUnavailableError:
                        refused += 1
                figures.count("refused by full disks", refused)
            server.stop()
            mount(folder, ROOM_BYTES, again=True)
            server.start()
            with closing(connect(server.url(NAME, retry_timeout=SECONDS))) as orders:
                told += [
                    label(orders.record_callback(callback(number)).event)
                    for number in range(seed, seed + 20)
                ]
                audit(orders.log, told, figures, "after the disk was full")
        finally:
            server.stop()
            unmount(folder)
    return figures


def lose_replies(replies: int) -> Figures:
    """Record what cannot be read through a proxy that loses replies."""
    figures = Figures(*BAD_HERE)
    with scratch() as folder:
        server = NatsServer(folder).start()
        try:
            with proxied(server) as proxy:
                url = f"nats://127.0.0.1:{proxy.port}/{NAME}?beside=memory:"
                with closing(connect(url)) as orders:
                    for number in range(replies):
                        proxy.cut_replies(1, ACKNOWLEDGED)
                        record_item(orders, number, Random(), lambda _: None)
                    figures.count("replies lost", proxy.cut)
                    audit(orders.log, (), figures, "after lost replies")
        finally:
            server.stop()
    return figures


# Power cuts


def cut_power(sync: str, cuts: int, seed: int) -> Figures:
    """Cut the power of a lone server so often while somebody records; look at what is left."""
    figures = Figures(*BAD_HERE)
    random = Random(seed)
    for number in range(cuts):
        with scratch() as folder:
            cut_once(folder, sync, random, figures, f"cut {number} with sync_interval {sync}")
    return figures


def cut_once(folder: Path, sync: str, random: Random, figures: Figures, where: str) -> None:
    """Cut the power once, and look at what is left."""
    server = NatsServer(folder, sync=sync)
    trace = folder / "trace"
    syscalls = "openat,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlinkat"
    server.start("strace", "-D", "-f", "-y", "-s", "0", "-e", f"trace={syscalls}", "-o", str(trace))
    run = ClusterRun(folder, server, None)  # type: ignore[arg-type]  # it has a URL
    open_log(run.url()).close()
    shutil.copytree(server.store, folder / "before")
    writer = Child(partial(write, run, run.url(), 0, random.randrange(999), record_one))
    writer.first_bytes()
    time.sleep(random.uniform(1, 2.5))
    writer.kill()
    writer.collect()
    server.stop()
    time.sleep(TRACER_SECONDS)
    told = [line for line in run.lines("told")[:-1] if line]
    dropped = drop_unsynced(server.store, folder / "before", trace.read_text(errors="replace"))
    figures.count("power cuts")
    figures.count("acknowledged before a cut", len(told))
    figures.count("files cut or put back", dropped)
    server.start()
    try:
        with closing(open_log(run.url())) as log:
            audit(log, told, figures, where)
            figures.count("stored", sum(1 for _ in map(decode, log.scan())))
    finally:
        server.stop()


def drop_unsynced(store: Path, before: Path, trace: str) -> int:
    """Drop what no sync covers, file by file; return how many files that changes."""
    dropped = 0
    for path, written in written_files(trace).items():
        file = Path(path)
        if not file.is_relative_to(store) or not file.exists() or written.is_synced:
            continue
        dropped += 1
        earlier = before / file.relative_to(store)
        if written.synced and not written.is_changed:
            os.truncate(file, min(written.synced, file.stat().st_size))
        elif earlier.exists():
            shutil.copy(earlier, file)
        else:
            file.unlink()
    return dropped


@dataclass
class Written:
    """How much was written to a file, and how much of that a sync covers.

    `is_changed` tells of writes in its middle since the last sync.
    """

    size: int = 0
    synced: int = 0
    is_changed: bool = False
    writes_through: bool = False

    @property
    def is_synced(self) -> bool:
        """Whether all of it is on the disk."""
        return self.writes_through or (self.synced == self.size and not self.is_changed)


_OPENED: Final = re.compile(r'openat\([^"]*"[^"]*", (\S+?)(?:, 0\d+)?\) = \d+<(.+)>')
_CALLED: Final = re.compile(r"(write|pwrite64|fsync|fdatasync|ftruncate)\(\d+<(/.+?)>(.*)")
_LENGTH: Final = re.compile(r", (\d+)(?:\)| <unfinished)")
_PLACE: Final = re.compile(r", (\d+), (\d+)(?:\)| <unfinished)")
_RENAMED: Final = re.compile(r'rename\w*\(.*?"(.*?)",.*?"(.*?)"')


def written_files(trace: str) -> dict[str, Written]:
    """Return every file that a trace shows written from its beginning on."""
    files: defaultdict[str, Written] = defaultdict(Written)
    syncing: dict[str, tuple[str, int]] = {}
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        if opened := _OPENED.search(call):
            flags, path = opened.groups()
            files[path].writes_through = "SYNC" in flags
            if "O_TRUNC" in flags:
                files[path] = Written(writes_through="SYNC" in flags)
        elif called := _CALLED.search(call):
            name, path, rest = called.groups()
            if name.endswith("sync"):
                syncing[thread] = path, files[path].size
            elif name == "write" and (length := _LENGTH.search(rest)):
                files[path].size += int(length[1])
            elif (place := _PLACE.search(rest)) and int(place[2]) == files[path].size:
                files[path].size += int(place[1])
            else:
                files[path].is_changed = True
        elif renamed := _RENAMED.search(call):
            files[renamed[2]] = files.pop(renamed[1], Written(size=1))
        if thread in syncing and "sync" in call and call.endswith("= 0"):
            path, size = syncing.pop(thread)
            files[path].synced, files[path].is_changed = size, False
    return files


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
