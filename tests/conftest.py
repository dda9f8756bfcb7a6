"""What several folders of tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests import nats_server
from tests.nats_server import NatsServer
from tests.postgres_programs import NoServerError, share
from tests.postgres_server import Server, running


def pytest_configure() -> None:
    """Reach the server's programs once, before the processes that run the tests are started."""
    share()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are processors: many tests wait for a server or a disk."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Keep the tests themselves out of garbage collections: a forked child would copy them all."""
    gc.collect()
    gc.freeze()


# As often as Python collects garbage, it is an eighth of the work of tests that make many objects.
gc.set_threshold(20_000, 20, 20)


@contextmanager
def running_or_skipped() -> Iterator[Server]:
    """Start a server, or skip whoever asked for it, loudly."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running())
        except NoServerError as why:
            pytest.skip(f"NO POSTGRESQL SERVER, so nothing about it is shown: {why}")
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, one for all tests of this process."""
    with running_or_skipped() as server:
        yield server


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server with JetStream, one for all tests of this process."""
    with nats_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def dying() -> Iterator[Server]:
    """A server that a test may stop, start and set as it likes."""
    with running_or_skipped() as server:
        yield server


# The tests start hundreds of processes. Each would compile the library anew, and each of pytest's
# own all tests, where nobody may keep what was compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
