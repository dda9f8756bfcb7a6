"""What can go wrong between us and NATS: nothing is lost, nothing doubled, nobody sees an error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lifecycle.audit.verify import verify
from lifecycle.composition import connect, connect_async, open_log
from lifecycle.errors import (
    StoredFormatError,
    StoreMissingError,
    StoreUnavailableError,
    StoreUrlError,
)
from lifecycle.log.contract import QUARANTINE, Level, Outcome
from lifecycle.log.stores.jetstream import stream as streams
from lifecycle.log.stores.jetstream.connection import Connection, Message
from lifecycle.log.stores.jetstream.log import JetStreamLog
from lifecycle.log.stores.jetstream.url import parse_url
from lifecycle.log.writer import Writer
from tests import nats_server
from tests.contract.entries import event, stream, unreadable
from tests.faults.settled_batches import settle_a_batch_whose_reply_is_lost
from tests.nats_server import NatsServer, new_name
from tests.proxy import ACKNOWLEDGED, Proxy, proxied


@pytest.fixture
def proxy(nats: NatsServer) -> Iterator[Proxy]:
    with proxied(nats) as proxy:
        yield proxy


@pytest.fixture
def log(proxy: Proxy) -> Iterator[JetStreamLog]:
    """A log behind the proxy."""
    url = f"nats://127.0.0.1:{proxy.port}/{new_name()}?beside=memory:&retry_timeout=20"
    with closing(open_log(url)) as log:
        assert isinstance(log, JetStreamLog)
        log.append(event("first"))
        yield log


@pytest.mark.parametrize("lost", [1, 3])
def test_an_event_whose_reply_was_lost_is_appended_once_however_often_that_goes_on(
    log, proxy, lost
):
    proxy.cut_replies(lost, ACKNOWLEDGED, b'"type":"io.nats.jetstream.api.v1.stream_msg_get')

    done = log.append(event(number=2))

    assert (done.outcome, done.version, done.position) == (Outcome.APPENDED, 1, 2)
    assert proxy.cut == lost
    assert [record.position for record in log.read(stream())] == [2]
    assert log.append(event(number=2)).outcome is Outcome.DUPLICATE


@pytest.mark.long
def test_a_connection_on_which_nothing_comes_any_more_is_given_up(nats, proxy):
    url = f"nats://127.0.0.1:{proxy.port}/{new_name()}?beside=memory:&retry_timeout=4"
    with closing(open_log(url)) as log:
        proxy.swallow_replies(1, ACKNOWLEDGED)

        assert log.append(event()).outcome is Outcome.APPENDED
        assert len(log.read(stream())) == 1


def test_an_expected_version_is_no_conflict_with_oneself(log, proxy):
    proxy.cut_replies(1, ACKNOWLEDGED)

    assert log.append(event(number=2), expected_version=0).version == 1


def test_an_unreadable_arrival_is_quarantined_once(log, proxy):
    proxy.cut_replies(1, ACKNOWLEDGED)

    assert log.append(unreadable()).outcome is Outcome.QUARANTINED

    assert len(log.read(QUARANTINE)) == 1


def test_control_without_a_look_for_the_written_item_it_is_quarantined_twice(
    log, proxy, monkeypatch
):
    monkeypatch.setattr(Writer, "_find", lambda *_: None)
    proxy.cut_replies(1, ACKNOWLEDGED)

    log.append(unreadable())

    assert len(log.read(QUARANTINE)) == 2


def test_a_batch_whose_reply_was_lost_is_settled_as_it_was_written(log, proxy):
    settle_a_batch_whose_reply_is_lost(log, lambda: proxy.cut_replies(1, ACKNOWLEDGED))


def race(url: str) -> list[tuple[Outcome, int]]:
    """Return what several logs are answered that append the same events at the same time."""
    with ExitStack() as stack:
        logs = [stack.enter_context(closing(open_log(url))) for _ in range(4)]
        sent = [(log, event("one", n)) for n in range(15) for log in logs]
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda each: each[0].append(each[1]), sent))
        assert verify(logs[0]).ok
        return [(one.outcome, one.version) for one in done]


def test_writers_that_race_on_one_order_store_each_event_once_with_versions_in_a_row(nats):
    done = race(nats.new_url())

    appended = [version for outcome, version in done if outcome is Outcome.APPENDED]
    assert sorted(appended) == list(range(1, 16))
    assert len(done) - len(appended) == 45


def test_control_without_the_expected_sequence_events_are_doubled(nats, monkeypatch):
    async def careless(self, messages):
        return await honest(self, [Message(*each[:2], None) for each in messages])

    honest = Connection.publish
    monkeypatch.setattr(Connection, "publish", careless)

    with pytest.raises((AssertionError, StoredFormatError)):
        race(nats.new_url())


def test_a_log_goes_on_when_its_server_was_killed_and_came_back():
    with nats_server.running() as server, closing(open_log(server.new_url())) as log:
        log.append_many([event("a", 1), event("b", 1)])
        server.stop()
        server.start()

        assert log.append(event("a", 1)).outcome is Outcome.DUPLICATE
        assert log.append(event("a", 2)).version == 2
        assert [record.position for record in log.scan()] == [1, 2, 3]


def test_a_server_that_is_gone_is_said_in_time_and_no_event_is_acknowledged():
    with (
        nats_server.running() as server,
        closing(open_log(server.new_url(retry_timeout=1))) as log,
    ):
        log.append(event())
        server.stop()

        with pytest.raises(StoreUnavailableError, match="cannot be used"):
            log.append(event(number=2))


def test_a_server_that_is_not_there_or_lets_nobody_in_is_said_at_once():
    guarded = "authorization { user: app, password: right }"
    with nats_server.running(extra=guarded) as server:
        url = server.new_url()
        open_log(url.replace("//", "//app:right@", 1)).close()
        with pytest.raises(StoreUnavailableError, match="does not let this user in") as refused:
            open_log(url.replace("//", "//app:wr0ng@", 1))
        assert "wr0ng" not in str(refused.value)
        server.stop()
        with pytest.raises(StoreUnavailableError, match="no server of it can be used"):
            open_log(url)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    key_pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem, key_pem


def test_tls_is_used_where_a_certificate_is_named_and_nothing_is_told_without(nats, tmp_path):
    pem, key = certificate(tmp_path)
    speaks = f'tls {{ cert_file: "{pem}", key_file: "{key}" }}'
    with nats_server.running(extra=speaks) as server:
        with closing(open_log(server.new_url(ca=pem))) as log:
            assert log.append(event()).position == 1
        with pytest.raises(StoreUnavailableError):
            open_log(server.new_url(retry_timeout=0.5))
    with pytest.raises(StoreUnavailableError):
        open_log(nats.new_url(ca=pem))


def test_a_reader_makes_no_log(nats):
    with pytest.raises(StoreMissingError):
        open_log(nats.new_url(), create=False)


def test_a_stream_that_was_replaced_is_noticed_before_the_next_acknowledgement(nats):
    name = new_name()
    with closing(open_log(nats.url(name))) as log:
        log.append_many([event(number=n) for n in range(3)])
        admin = log.recorder._connection
        admin.run(admin.ask(f"STREAM.DELETE.{name}"))
        open_log(nats.url(name)).close()

        with pytest.raises(StoreUnavailableError, match="replaced, or lost records"):
            log.append(event(number=1))
        with pytest.raises(StoreUnavailableError, match="replaced, or lost records"):
            log.append(event("other", 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_age", 3_600_000_000_000),
        ("max_bytes", 1_000_000),
        ("max_msgs_per_subject", 5),
        ("discard", "old"),
        ("storage", "memory"),
        ("deny_delete", False),
        ("deny_purge", False),
        ("allow_atomic", False),
    ],
)
def test_a_stream_that_could_lose_records_is_refused(nats, monkeypatch, name, value):
    url = nats.new_url()
    with monkeypatch.context() as careless:
        careless.setattr(streams, "_REQUIRED", {**streams._REQUIRED, name: value})
        open_log(url).close()

    with pytest.raises(StoreUnavailableError, match=f"the {name} of its stream is "):
        open_log(url)


def test_a_server_that_is_seen_to_acknowledge_before_it_writes_is_refused():
    with nats_server.running(sync='"2m"') as server:
        open_log(server.new_url()).close()
        with pytest.raises(StoreUnavailableError, match=r"sync_interval of 127\.0\.0\.1 is 120 s"):
            open_log(server.new_url(monitoring=server.monitoring))


def test_what_durability_rests_on_is_read_back(nats):
    with closing(open_log(nats.new_url(monitoring=nats.monitoring))) as log:
        told = {each.name: (each.found, each.level) for each in log.settings()}

    assert told["replicas"] == ("1", Level.NOTE)
    assert told["max_payload"] == ("17 MiB", Level.OK)
    assert told["sync_interval of 127.0.0.1"] == ("always", Level.OK)
    assert told["stream"][1] is Level.OK


@pytest.mark.long
def test_a_body_of_16_mib_is_quarantined_and_read_back(nats):
    body = b"x" * (16 * 1024 * 1024)
    with closing(open_log(nats.new_url())) as log:
        log.append(unreadable(body))

        assert log.read(QUARANTINE)[0].state.endswith(body)


def test_a_record_above_max_payload_is_refused_and_said():
    with (
        nats_server.running(payload="1MB") as server,
        closing(open_log(server.new_url())) as log,
    ):
        with pytest.raises(StoreUnavailableError, match="above max_payload"):
            log.append(event(body=b"x" * 1_048_576))
        assert log.append(event()).position == 1
        assert "max_payload" in [each.name for each in log.settings() if each.level is Level.FAIL]


def test_what_another_hand_published_is_seen_by_every_way_of_reading(nats):
    name = new_name()
    with closing(open_log(nats.url(name))) as log:
        log.append(event())
        admin = log.recorder._connection
        for subject in (f"{name}.o.instacart.xyz", f"{name}.o.a.%ff", f"{name}.quarantine"):
            admin.run(admin.client.request(subject, b"forged"))

        found = [(record.stream, record.version, record.state) for record in log.scan()][1:]
        assert found == [
            ("order:instacart:xyz", 0, b"forged"),
            (f"subject:{name}.o.a.%ff", 0, b"forged"),
            (QUARANTINE, 0, b"forged"),
        ]
        for named, version, state in found:
            assert (named, version, state) in [each[:2] + each[4:] for each in log.read(named)]
            assert (named, version, state) in [each[:2] + each[4:] for each in log.walk(named)]
        assert {each[0] for each in found} == set(log.streams(prefix=""))
        assert not verify(log).ok


def test_links_are_found_also_by_another_process_and_after_it_was_killed(nats, tmp_path):
    url = nats.new_url(beside=f"sqlite:///{tmp_path}/beside.db")
    with closing(open_log(url)) as writer, closing(open_log(url)) as reader:
        writer.append(event(links=("del_1",)))

        assert reader.links.orders("instacart", "del_1") == ["xyz"]
        writer.append(event("abc", links=("del_1", "del_2")))
        assert reader.links.orders("instacart", "del_1") == ["abc", "xyz"]
        assert [link[1] for link in writer.links.page(None, 9)] == ["del_1", "del_1", "del_2"]


def test_a_follower_misses_nothing_that_several_writers_append(nats):
    url = nats.new_url()
    with ExitStack() as stack:
        logs = [stack.enter_context(closing(open_log(url))) for _ in range(5)]
        follower, seen = logs.pop(), list[int]()
        with ThreadPoolExecutor(4) as threads:
            writing = [
                threads.submit(log.append_many, [event(f"{place}-{n}", n) for n in range(120)])
                for place, log in enumerate(logs)
            ]
            while len(seen) < 480:
                seen += [each.position for each in follower.scan(after=len(seen))]
        assert all(len(each.result()) == 120 for each in writing)

    assert seen == list(range(1, 481))


def test_a_database_that_is_a_log_of_its_own_cannot_lie_beside(nats, tmp_path):
    with closing(open_log(f"sqlite:///{tmp_path}/own.db")) as own:
        own.append(event())

    with pytest.raises(StoreUnavailableError, match="it is a log of its own"):
        open_log(nats.new_url(beside=f"sqlite:///{tmp_path}/own.db"))


def test_orders_are_served_from_a_stream_with_views_and_a_feed_beside_it(nats, tmp_path):
    url = nats.new_url(beside=f"sqlite:///{tmp_path}/beside.db")
    with connect(url) as orders:
        sent = orders.begin_request("xyz", {"order_id": "xyz"})
        sent.answered(200, b'{"id":"xyz","status":"created"}')
        told = [change.order_id for change in orders.changes()]
        orders.views.rebuild()

    with connect(url, create=False) as orders:
        assert [view.order_id for view in orders.find(status="created")] == ["xyz"]
        assert orders.views.status().live is not None
    assert told == ["xyz", "xyz"]


def test_orders_are_served_to_coroutines_too(nats):
    async def status() -> str:
        async with connect_async(nats.new_url()) as orders:
            sent = await orders.begin_request("xyz", {"order_id": "xyz"})
            await sent.answered(200, b'{"id":"xyz","status":"created"}')
            return (await orders.get("xyz")).status

    assert asyncio.run(status()) == "created"


@pytest.mark.parametrize(
    "url",
    [
        "nats://host/NAME",
        "nats://host/NAME?beside=",
        "nats://host/NAME?beside=nats://host/OTHER",
        "nats://host/?beside=memory:",
        "nats://host/a.b?beside=memory:",
        "nats://,host/NAME?beside=memory:",
        "nats://host/NAME?beside=memory:&replicas=2",
        "nats://host/NAME?beside=memory:&unknown=1",
        "nats://host/NAME?beside=memory:&replicas=1&replicas=3",
        "nats://host/NAME?beside=memory:&monitoring=70000",
        "nats://host/NAME?beside=memory:&retry_timeout=nan",
    ],
)
def test_a_url_of_no_use_is_refused_with_the_form_that_does(url):
    with pytest.raises(StoreUrlError, match=r"expected nats://host1,host2,host3/NAME\?beside=URL"):
        parse_url(url)


def test_a_url_shows_no_secrets():
    target = parse_url("nats://app:s3cret@h1:4222,h2/ORDERS?beside=postgresql://u:pw@h/db")

    assert dict(target.login) == {"user": "app", "password": "s3cret"}
    assert (target.url, repr(target)) == (
        "nats://h1:4222,h2/ORDERS",
        "<Target nats://h1:4222,h2/ORDERS>",
    )


def test_names_are_listed_anew_once_there_are_more_of_them(nats):
    with closing(open_log(nats.new_url())) as log, closing(open_log(log.url + BESIDE)) as other:
        for number in range(3):
            other.append(event(f"o{number}"))
            assert list(log.streams()) == [stream(f"o{each}") for each in range(number + 1)]
        other.append(event("o0", 2))
        assert len(list(log.streams())) == 3


BESIDE = "?beside=memory:"
