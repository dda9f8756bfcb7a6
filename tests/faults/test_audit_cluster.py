"""An audit on a cluster of Dask: a task whose worker is lost is run by another one.

The control is the same loss where nothing runs a task again: processes of this machine.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lifecycle import LostWorkerError
from lifecycle.audit.columns.auditing import audit_columns
from lifecycle.audit.columns.engine import in_processes, on_dask
from lifecycle.registry import known_providers
from tests.scenario.command_line import story
from tests.scenario.test_columns import exported
from tests.without_rules import connect


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of many small shards."""
    folder = tmp_path_factory.mktemp("cluster") / "export"
    with connect("memory:") as orders:
        for number in range(24):
            orders.record_many(story(f"order-{number:03}"))
        exported(orders.log, folder, records_a_shard=9)
    return folder


@pytest.fixture(scope="module")
def distributed():
    """Load it only where it is used: that takes a while."""
    return pytest.importorskip("distributed")


@pytest.fixture
def cluster(distributed):
    """Three workers, each a process."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    ) as started:
        yield started


def killing(engine, pids, source, numbers) -> Iterator:
    """Kill one of the processes that an engine uses as soon as the first result is there."""
    results = engine(source, numbers)
    yield next(results)
    os.kill(next(iter(pids())), signal.SIGKILL)
    yield from results


@pytest.mark.long
def test_a_worker_that_is_killed_changes_no_answer(export, cluster):
    here = audit_columns(export, known_providers)

    def pids():
        return [worker.pid for worker in cluster.workers.values()]

    before = set(pids())
    engine = partial(killing, on_dask(cluster.scheduler_address), pids)
    assert audit_columns(export, known_providers, engine=engine) == here
    assert here.ok
    assert before != set(pids()), "one of them was killed"


@pytest.mark.long
def test_the_control_a_process_of_this_machine_that_is_killed_ends_the_audit(export):
    def pids():
        children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
        return [int(pid) for pid in Path(children).read_text().split()][::-1]

    engine = partial(killing, in_processes(2), pids)
    with pytest.raises(LostWorkerError):
        audit_columns(export, known_providers, engine=engine)


def test_a_cluster_gives_the_same_answer(distributed, export):
    here = audit_columns(export, known_providers)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as started:
        there = audit_columns(export, known_providers, engine=on_dask(started.scheduler.address))

    assert there == here
