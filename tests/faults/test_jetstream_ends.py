"""Where a stream of NATS ends, and where a connection to it does: nobody goes on past either."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Barrier, Thread

import pytest

from lifecycle import connect
from lifecycle.composition import open_log
from lifecycle.errors import StoreClosedError, StoreUnavailableError
from lifecycle.log.contract import Level
from lifecycle.log.stores.jetstream.log import JetStreamLog
from lifecycle.log.stores.jetstream.stream import sync_settings
from lifecycle.log.stores.jetstream.url import parse_url
from tests import nats_server
from tests.contract.entries import event
from tests.nats_server import NatsServer, new_name
from tests.polling import wait_until


@pytest.mark.parametrize("_round", range(3))
def test_whoever_asks_while_the_log_is_closed_is_told_so(nats: NatsServer, _round):
    log = open_log(nats.new_url())
    assert isinstance(log, JetStreamLog)
    connection, asked, told = log.recorder._connection, Barrier(9), list[type]()

    def ask() -> None:
        asked.wait()
        try:
            while True:
                log.last_position()
        except StoreClosedError as closed:
            told.append(type(closed))

    asking = [Thread(target=ask, daemon=True) for _ in range(8)]
    for each in asking:
        each.start()
    asked.wait()
    log.close()
    for each in asking:
        each.join(10)

    assert told == [StoreClosedError] * 8
    wait_until(connection._loop.is_closed)


@contextmanager
def thrown_back(**parameters: object) -> Iterator[tuple[NatsServer, str]]:
    """Yield a server and a URL; once it is stopped and started, it is as it was at first."""
    with nats_server.running() as server:
        url = server.new_url(retry_timeout=1, **parameters)
        with closing(open_log(url)) as log:
            log.append_many([event(f"o{number}") for number in range(4)])
        server.stop()
        held = server.folder / "held"
        shutil.copytree(server.store, held)
        server.start()
        yield server, url


def throw_back(server: NatsServer) -> None:
    server.stop()
    shutil.rmtree(server.store)
    shutil.copytree(server.folder / "held", server.store)
    server.start()


def test_a_reader_does_not_take_an_old_end_for_the_end():
    with thrown_back() as (server, url), connect(url) as orders:
        log = orders.log
        log.append_many([event(f"o{number}") for number in range(4, 7)])
        end = log.last_position()
        throw_back(server)

        with pytest.raises(StoreUnavailableError, match="holds less than was acknowledged"):
            list(log.scan(until=end))
        with pytest.raises(StoreUnavailableError, match="holds less than was acknowledged"):
            log.last_position()


def test_a_log_that_only_read_notices_that_its_stream_was_replaced(nats: NatsServer):
    url = nats.url(name := new_name(), beside="memory:")
    with closing(open_log(url)) as writer:
        writer.append_many([event(f"o{number}") for number in range(3)])
    with closing(open_log(url)) as log, closing(open_log(url)) as reader:
        admin = log.recorder._connection  # type: ignore[union-attr]
        admin.run(admin.ask(f"STREAM.DELETE.{name}"))
        open_log(url).close()

        with pytest.raises(StoreUnavailableError, match="was replaced"):
            log.append(event("another"))
        with pytest.raises(StoreUnavailableError, match="was replaced"):
            reader.last_position()


def test_a_port_that_tells_no_settings_is_a_note(nats: NatsServer):
    (told,) = sync_settings(parse_url(nats.new_url(monitoring=nats.port)))

    assert (told.found, told.level) == ("unknown", Level.NOTE)


@pytest.mark.parametrize("host", ["[::1]", "[::1]:4222", "n1", "n1:4222"])
def test_a_host_without_a_port_is_named_whole(host):
    (told,) = sync_settings(parse_url(f"nats://{host}/x?beside=memory:&monitoring=1"))

    assert told.name == f"sync_interval of {host.removesuffix(':4222')}"


def test_what_is_put_in_beside_the_queue_is_no_sign_of_another_stream(nats: NatsServer):
    with closing(open_log(nats.new_url())) as source:
        source.append_many([event(f"s{number}") for number in range(40)])
        records = list(source.scan())
    with closing(open_log(nats.new_url())) as log, ThreadPoolExecutor(2) as threads:
        put = threads.submit(lambda: [log.restore([each]) for each in records])
        sent = threads.submit(lambda: [log.append(event(f"a{number}")) for number in range(40)])
        assert (len(put.result()), len(sent.result())) == (40, 40)
        assert log.last_position() == 80
