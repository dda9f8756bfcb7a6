"""`lifecycle.persistence`: the log, and applications of one's own, as `eventsourcing` uses them.

Everything holds on SQLite and on PostgreSQL, with that library's own readers, followers,
projections and recorders.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from threading import Thread
from unittest import TestResult as Outcome
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import (
    Aggregate,
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    event,
)
from eventsourcing.persistence import (
    InfrastructureFactory,
    InfrastructureFactoryError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.postgres import PostgresFactory, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteFactory, SQLiteTrackingRecorder
from eventsourcing.system import Follower, NotificationLogReader
from eventsourcing.utils import Environment

from lifecycle import Event, StoredFormatError, StoreMissingError, Unreadable
from lifecycle.audit.export import export
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import initialize
from lifecycle.persistence import Factory, LogMapper, OrderLog
from lifecycle.registry import known_providers
from tests.contract.test_library_cases import published
from tests.without_rules import connect

MODULE = {"PERSISTENCE_MODULE": "lifecycle.persistence"}
STREAM = "order:instacart:xyz"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    return request.getfixturevalue("postgres").new_url()


@pytest.fixture
def env(url):
    return {**MODULE, "LIFECYCLE_DB": url}


@pytest.fixture
def orders(url):
    with connect(url) as opened:
        told(opened, "xyz", "created", "brand_new")
        yield opened


@pytest.fixture
def order_log(orders, env):
    with OrderLog(env) as opened:
        yield opened


def told(orders, order_id, *words):
    for word in words:
        orders.record_callback(b'{"id": "%s", "status": "%s"}' % (order_id.encode(), word.encode()))


def stored(orders):
    return list(orders.log.scan())


# The log, read and followed


def test_a_reader_sees_every_record_in_the_order_of_recording(orders, order_log):
    told(orders, "abc", *["brand_new"] * 3, "staging_completed")
    reader = NotificationLogReader(order_log.notification_log, section_size=2)

    read = list(reader.read(start=1))

    assert [(n.id, n.originator_id, n.originator_version, n.topic, n.state) for n in read] == [
        (record.position, record.stream, record.version, record.topic, record.state)
        for record in stored(orders)
    ]
    assert len(read) == 4
    assert order_log.recorder.max_notification_id() == read[-1].id


def test_notifications_are_chosen_by_start_stop_and_topic(orders, order_log):
    body = b'{"order_id": "abc", "cart_total": 1}'
    orders.record_request("abc", body)
    orders.record_callback(b"no JSON")
    log, (first, second, third, last) = (
        order_log.notification_log,
        [record.position for record in stored(orders)],
    )

    assert [n.id for n in log.select(first, 10, stop=second)] == [first, second]
    assert [n.id for n in log.select(second, 10, inclusive_of_start=False)] == [third, last]
    assert [n.id for n in log.select(None, 10, topics=["request"])] == [third]
    assert [n.id for n in log.select(1, 10, topics=["callback", "quarantined"])] == [
        first,
        second,
        last,
    ]
    assert log.select(1, 10, topics=["nothing of ours"]) == []


def test_a_record_is_decoded_to_the_event_that_was_recorded(orders, order_log):
    orders.record_callback(b"no JSON")
    events = list(map(order_log.mapper.to_domain_event, order_log.notification_log.select(1, 10)))

    assert [type(each) for each in events] == [Event, Event, Unreadable]
    assert [(e.order_id, e.name, e.version, e.position) for e in events[:2]] == [
        ("xyz", "created", 1, stored(orders)[0].position),
        ("xyz", "brand_new", 2, stored(orders)[1].position),
    ]
    assert events[1].body == b'{"id": "xyz", "status": "brand_new"}'
    assert events[2].body == b"no JSON"


def test_the_events_of_one_order_are_read_by_its_stream(order_log):
    def names(**chosen):
        return [each.name for each in order_log.events.get(STREAM, **chosen)]

    assert names() == ["created", "brand_new"]
    assert names(gt=1) == ["brand_new"]
    assert names(lte=1) == ["created"]
    assert names(desc=True, limit=1) == ["brand_new"]
    assert names(limit=1) == ["created"]
    assert list(order_log.events.get("order:instacart:nobody")) == []


def test_a_record_that_was_moved_is_refused(order_log):
    (notification,) = order_log.notification_log.select(1, 1)
    elsewhere = StoredEvent("order:instacart:abc", 1, notification.topic, notification.state)

    with pytest.raises(StoredFormatError):
        LogMapper(order_log.construct_transcoder()).to_domain_event(elsewhere)


def test_a_subscription_yields_what_is_there_and_what_is_recorded_meanwhile(orders, order_log):
    with order_log.recorder.subscribe(gt=stored(orders)[0].position) as subscription:
        assert next(subscription).originator_version == 2
        writer = Thread(target=told, args=(orders, "abc", "brand_new"))
        writer.start()
        assert next(subscription).originator_id == "order:instacart:abc"
        writer.join()


def test_a_subscription_to_some_topics_yields_no_others_and_ends_when_it_is_stopped(
    orders, order_log
):
    orders.record_callback(b"no JSON")
    subscription = order_log.recorder.subscribe(topics=["quarantined"])
    with subscription:
        assert next(subscription).originator_id == "quarantine"
        stopper = Thread(target=subscription.stop)
        stopper.start()
        assert list(subscription) == []
        stopper.join()


class Tips(Aggregate):
    @event("Opened")
    def __init__(self, order_id):
        self.order_id = order_id


class Tipping(Follower[UUID]):
    def policy(self, domain_event, processing_event):
        if isinstance(domain_event, Event) and domain_event.name == "brand_new":
            processing_event.collect_events(Tips(domain_event.order_id))


def test_a_follower_acts_on_each_order_once_however_often_it_pulls(orders, order_log, env):
    for _ in range(2):
        with Tipping(env) as follower:
            follower.follow("orders", order_log.notification_log)
            follower.pull_and_process("orders")
            follower.pull_and_process("orders")
            made = follower.notification_log.select(1, 10)
            opened = [follower.mapper.to_domain_event(each) for each in made]
            assert [each.order_id for each in opened] == ["xyz"]
            assert follower.recorder.max_tracking_id("orders") == stored(orders)[-1].position


# The cases that the library publishes


class Recorded:
    """Recorders of an application of one's own."""

    __test__ = False

    def new_originator_id(self):
        return uuid4()


class OwnEvents(Recorded, published.ApplicationRecorderTestCase):
    def create_recorder(self):
        return self.factory.application_recorder()


class OwnTracking(Recorded, published.TrackingRecorderTestCase):
    def create_recorder(self):
        return self.factory.tracking_recorder()


class OwnProcess(Recorded, published.ProcessRecorderTestCase):
    def create_recorder(self):
        return self.factory.process_recorder()


class Factories(Recorded, published.InfrastructureFactoryTestCase):
    def expected_factory_class(self):
        return Factory

    def expected_aggregate_recorder_class(self):
        return self.stock.aggregate_recorder_class

    def expected_application_recorder_class(self):
        return self.stock.application_recorder_class

    def expected_tracking_recorder_class(self):
        return self.stock.tracking_recorder_class

    def expected_process_recorder_class(self):
        return self.stock.process_recorder_class

    def tracking_recorder_subclass(self):
        return SQLiteCounts if self.stock is SQLiteFactory else PostgresCounts


LEFT_OUT = {
    "cipher": "their cipher needs a library that nothing here needs",
    "performance": "it measures, and checks nothing",
    "throughput": "it measures, and checks nothing",
}
CASES = [
    (kind, name)
    for kind in (OwnEvents, OwnTracking, OwnProcess, Factories)
    for name in dir(kind)
    if name.startswith("test") and not any(word in name for word in LEFT_OUT)
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_what_eventsourcing_asks_of_a_persistence_module_holds(kind, name, env):
    on_sqlite = env["LIFECYCLE_DB"].startswith("sqlite")
    result = Outcome()
    with closing(Factory(Environment("own", env))) as kind.factory:
        kind.env = Environment("own", env)
        kind.stock = SQLiteFactory if on_sqlite else PostgresFactory
        kind(name).run(result)

    assert result.testsRun == 1
    assert [text for _, text in [*result.failures, *result.errors]] == []


READ_WHILE_CLOSING = """
import sys
from contextlib import suppress
from threading import Thread
from eventsourcing.persistence import ConnectionPoolClosedError, StoredEvent
from eventsourcing.utils import Environment
from lifecycle.persistence import Factory

env = Environment("own", {"LIFECYCLE_DB": sys.argv[1], "ORIGINATOR_ID_TYPE": "text"})
for turn in range(20):
    factory = Factory(env)
    recorder = factory.application_recorder()
    recorder.insert_events([StoredEvent(f"{turn}-{n}", 1, "t", b"s" * 900) for n in range(50)])

    def read():
        with suppress(ConnectionPoolClosedError):
            while True:
                recorder.select_notifications(start=0, limit=1000)

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    factory.close()
    for reader in readers:
        reader.join()
"""


def test_a_process_survives_closing_an_application_that_others_still_read(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"

    ended = subprocess.run(
        [sys.executable, "-c", READ_WHILE_CLOSING, url],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


# Views of the log


class Counts:
    """How many events of each name there were: two tables, one transaction."""

    TABLE = "CREATE TABLE IF NOT EXISTS {} (name TEXT PRIMARY KEY, orders BIGINT)"
    COUNT = (
        "INSERT INTO {} AS c VALUES ({}, 1) ON CONFLICT (name) DO UPDATE SET orders = c.orders + 1"
    )
    tracks = True

    def count(self, name, tracking):
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(self.COUNT.format(self.table, self.mark), (name,))
            if self.tracks:
                self._insert_tracking(cursor, tracking)

    def counts(self):
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(f"SELECT name, orders FROM {self.table}")
            return {row["name"]: row["orders"] for row in cursor.fetchall()}


class SQLiteCounts(Counts, SQLiteTrackingRecorder):
    table, mark = "counts", "?"

    def construct_create_table_statements(self):
        return [*super().construct_create_table_statements(), self.TABLE.format(self.table)]


class PostgresCounts(Counts, PostgresTrackingRecorder):
    mark = "%s"

    @property
    def table(self):
        return f'"{self.datastore.schema}".counts'

    def _create_table(self, curs):
        super()._create_table(curs)
        curs.execute(self.TABLE.format(self.table))


@pytest.fixture
def view_class(url):
    return SQLiteCounts if url.startswith("sqlite") else PostgresCounts


class Counting(Projection[Counts]):
    topics = ("callback",)

    def process_event(self, domain_event, tracking):
        self.view.count(domain_event.name, tracking)


class Stumbling(Counting):
    """Dies at the second event, after it has seen the first."""

    name = "counting"
    seen = 0

    def process_event(self, domain_event, tracking):
        self.seen += 1
        if self.seen == 2:
            raise ZeroDivisionError
        super().process_event(domain_event, tracking)


def runner(projection, view_class, env):
    return ProjectionRunner(
        application_class=OrderLog, projection_class=projection, view_class=view_class, env=env
    )


def test_a_projection_counts_every_event_exactly_once_over_a_crash_and_a_restart(
    orders, env, view_class
):
    with pytest.raises(ZeroDivisionError), runner(Stumbling, view_class, env) as dying:
        dying.run_forever(timeout=10)
    for _ in range(2):
        with runner(Counting, view_class, env) as running:
            running.wait(stored(orders)[-1].position, timeout=10)
            assert running.view.counts() == {"created": 1, "brand_new": 1}


def test_a_projection_goes_on_with_what_is_recorded_meanwhile(orders, env, view_class):
    with runner(Counting, view_class, env) as running:
        running.wait(stored(orders)[-1].position, timeout=10)
        told(orders, "abc", "brand_new", "brand_new")
        running.wait(stored(orders)[-1].position, timeout=10)
        assert running.view.counts() == {"created": 1, "brand_new": 2}


def test_a_projection_counts_every_event_once_while_many_record(orders, env, view_class):
    def record(number):
        for each in range(8):
            told(orders, f"{number}-{each}", "created", "brand_new")

    with runner(Counting, view_class, env) as running:
        writers = [Thread(target=record, args=(number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        running.wait(stored(orders)[-1].position, timeout=30)
        assert running.view.counts() == {"created": 25, "brand_new": 25}


def test_two_projections_of_one_database_do_not_take_each_other_s_position(orders, env, view_class):
    other = type("Other", (Counting,), {})
    for projection in (Counting, other):
        with runner(projection, view_class, env) as running:
            running.wait(stored(orders)[-1].position, timeout=10)
            counted = running.view.counts()
    assert counted == {"created": 2, "brand_new": 2}


def test_stored_views_and_projections_do_not_take_each_other_s_position(orders, env, view_class):
    orders.views.rebuild()
    with runner(Counting, view_class, env) as running:
        running.wait(stored(orders)[-1].position, timeout=10)
        assert running.view.max_tracking_id("orders") == stored(orders)[-1].position
    assert orders.log.views.max_tracking_id("orders") is None
    assert orders.log.views.max_tracking_id("views:instacart:1") == stored(orders)[-1].position


def test_an_event_that_was_tracked_cannot_be_counted_again(orders, env, view_class):
    with closing(Factory(env)) as factory:
        view = factory.tracking_recorder(view_class)
        view.count("created", Tracking("orders", 1))
        with pytest.raises(IntegrityError):
            view.count("created", Tracking("orders", 1))
        assert view.counts() == {"created": 1}


def test_without_tracking_in_the_transaction_an_event_is_counted_twice(orders, env, view_class):
    """The positive control."""
    with closing(Factory(env)) as factory:
        view = factory.tracking_recorder(view_class)
        view.tracks = False
        for _ in range(2):
            view.count("created", Tracking("orders", 1))
        assert view.counts() == {"created": 2}


def read_then_written(datastore, orders):
    """Write what was read, while somebody else wants to record an order in between."""
    writer = Thread(target=told, args=(orders, "meanwhile", "brand_new"))
    with datastore.transaction(commit=True) as cursor:
        cursor.execute("SELECT orders FROM counts")
        cursor.fetchall()
        writer.start()
        writer.join(0.3)
        cursor.execute("INSERT INTO counts VALUES ('read', 1)")
    writer.join()


def test_on_sqlite_a_view_may_read_before_it_writes(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders, closing(Factory({"LIFECYCLE_DB": url})) as factory:
        view = factory.tracking_recorder(SQLiteCounts)
        read_then_written(view.datastore, orders)
        assert view.counts() == {"read": 1}
        assert len(stored(orders)) == 1


def test_in_a_transaction_that_takes_the_lock_late_it_may_not(tmp_path):
    """The positive control: the library's own datastore on the same file."""
    url = f"sqlite:///{tmp_path}/orders.db"
    stock = InfrastructureFactory.construct(
        {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"{tmp_path}/orders.db"}
    )
    with connect(url) as orders, closing(stock):
        view = stock.tracking_recorder(SQLiteCounts)
        with pytest.raises(OperationalError, match="locked"):
            read_then_written(view.datastore, orders)


# Applications of one's own


class Courier(Aggregate):
    @event("Hired")
    def __init__(self, name):
        self.name = name
        self.rides = 0

    @event("Rode")
    def ride(self):
        self.rides += 1


@dataclass(frozen=True)
class TextEvent(CanMutateAggregate[str]):
    originator_id: str
    originator_version: int
    timestamp: datetime


@dataclass(frozen=True)
class TextCreated(CanInitAggregate[str], TextEvent):
    originator_topic: str


class Shop(BaseAggregate[str]):
    @dataclass(frozen=True)
    class Event(TextEvent):
        """Something about a shop."""

    @dataclass(frozen=True)
    class Created(Event, TextCreated):
        name: str

    def __init__(self, name):
        self.name = name

    @staticmethod
    def create_id(name):
        return f"order:instacart:{name}"


class Couriers(Application[UUID]):
    snapshotting_intervals = {Courier: 2}  # noqa: RUF012


class Shops(Application[str]):
    env = {"ORIGINATOR_ID_TYPE": "text"}  # noqa: RUF012


class Quoted(Application[UUID]):
    name = 'my "app"; --'


@pytest.fixture(params=[Couriers, Quoted])
def application(request, orders, env):
    with request.param(env) as opened:
        yield opened


def test_aggregates_are_kept_beside_the_log_in_tables_of_their_own(application, env):
    courier = Courier("Ann")
    courier.ride()
    application.save(courier, other := Courier("Bob"))

    with type(application)(env) as again:
        assert again.repository.get(courier.id).rides == 1
        assert again.repository.get(other.id).name == "Bob"
        assert len(again.notification_log.select(1, 10)) == 3
        with pytest.raises(AggregateNotFoundError):
            again.repository.get(uuid4())


def test_what_is_saved_together_is_saved_in_one_transaction(application):
    application.save(courier := Courier("Ann"))
    rival = application.repository.get(courier.id)
    courier.ride()
    application.save(courier)
    rival.ride()

    with pytest.raises(IntegrityError):
        application.save(late := Courier("Bob"), rival)
    with pytest.raises(AggregateNotFoundError):
        application.repository.get(late.id)


def test_the_log_shows_nothing_of_other_applications_and_they_nothing_of_it(orders, env):
    before = stored(orders), list(export(orders.log)), orders.get("xyz")
    with Couriers(env) as couriers, Shops(env) as shops:
        couriers.save(Courier("Ann"))
        shops.save(shop := Shop("xyz"))
        assert shop.id == STREAM
        assert [n.originator_id for n in shops.notification_log.select(1, 10)] == [STREAM]
        assert len(couriers.notification_log.select(1, 10)) == 1
        assert shops.repository.get(STREAM).name == "xyz"

    assert (stored(orders), list(export(orders.log)), orders.get("xyz")) == before
    assert verify(orders.log).ok
    replayed = replay(orders.log, known_providers())
    assert (replayed.ok, replayed.orders) == (True, 1)


def test_the_log_goes_on_where_other_applications_were_first(url, env):
    with Couriers(env) as couriers:
        couriers.save(Courier("Ann"))
        with connect(url) as orders:
            told(orders, "xyz", "created")
            assert verify(orders.log).ok
            orders.views.rebuild()
            assert [view.order_id for view in orders.find()] == ["xyz"]
        assert len(couriers.notification_log.select(1, 10)) == 1


# What it refuses


def test_nobody_appends_to_the_log_by_it(orders, order_log):
    before = stored(orders)
    insert = order_log.recorder.insert_events
    copied = [StoredEvent(r.stream, r.version + 2, r.topic, r.state) for r in before]

    for refused in (
        lambda: insert(copied),
        lambda: insert([]),
        lambda: order_log.save(Shop("xyz")),
    ):
        with pytest.raises(NotSupportedError):
            refused()
    assert stored(orders) == before
    assert verify(orders.log).ok


def test_the_recorder_of_the_store_would_append_to_it(orders):
    """The positive control: what is refused above is what it does, and the chain shows it."""
    (record, _) = stored(orders)
    forged = StoredEvent(record.stream, 3, record.topic, record.state)
    assert verify(orders.log).ok
    orders.log.recorder.insert_events([forged])
    assert not verify(orders.log).ok


@pytest.mark.parametrize("name", ["", "stored", "Stored", "STORED"])
def test_no_application_gets_the_table_of_the_log(orders, env, name):
    kind = type("Nameless", (Application,), {"name": name})
    before = stored(orders)

    for made in (
        lambda: kind(env),
        lambda: InfrastructureFactory.construct(env).application_recorder(),
        lambda: InfrastructureFactory.construct(env).process_recorder(),
        lambda: InfrastructureFactory.construct(env).aggregate_recorder(),
    ):
        with pytest.raises(ProgrammingError, match="the table of the log"):
            made()
    assert stored(orders) == before


def test_nothing_is_made_where_tables_are_not_to_be_made(env):
    with pytest.raises(StoreMissingError):
        OrderLog({**env, "CREATE_TABLE": "no"})
    with pytest.raises(StoreMissingError):
        Couriers({**env, "CREATE_TABLE": "no"})


def test_a_role_that_may_only_read_follows_the_log_and_makes_no_tables(postgres):
    database = postgres.new_database()
    initialize(postgres.url(database), reader="onlooker")
    with connect(postgres.url(database)) as orders:
        told(orders, "xyz", "created")
    env = {**MODULE, "LIFECYCLE_DB": postgres.url(database, user="onlooker")}

    with OrderLog({**env, "CREATE_TABLE": "no"}) as log, log.recorder.subscribe() as notifications:
        assert next(notifications).originator_id == STREAM
    with pytest.raises(ProgrammingError, match="permission denied"):
        Couriers(env)


def test_a_log_in_memory_is_refused():
    with pytest.raises(InfrastructureFactoryError, match="memory"):
        OrderLog({**MODULE, "LIFECYCLE_DB": "memory:"})


def test_what_the_module_stands_on_is_loaded_by_those_who_import_it_alone():
    asked = (
        "import sys, lifecycle; print({'lifecycle.persistence', 'eventsourcing'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert "lifecycle.persistence" not in done.stdout


def test_an_encrypted_log_is_read_with_the_keys_that_the_environment_names(tmp_path):
    keys, url = f"file:{tmp_path}/keys", f"sqlite:///{tmp_path}/encrypted.db"
    with connect(url, keys=keys) as orders:
        body = orders.record_callback(b'{"id": "xyz", "status": "brand_new"}').event.body
    with closing(OrderLog(env={"LIFECYCLE_DB": url, "LIFECYCLE_KEYS": keys})) as log:
        bodies = [
            log.mapper.to_domain_event(each).body
            for each in log.recorder.select_notifications(1, 10)
            if each.topic == "callback"
        ]
    assert bodies == [body]


@pytest.mark.parametrize("how", ["of its stream", "as it comes"])
def test_a_reader_of_an_encrypted_log_is_shown_no_body_after_another_erased_it(how, tmp_path):
    keys, url = f"file:{tmp_path}/keys", f"sqlite:///{tmp_path}/encrypted.db"
    with (
        connect(url, keys=keys) as orders,
        closing(OrderLog(env={"LIFECYCLE_DB": url, "LIFECYCLE_KEYS": keys})) as log,
    ):
        orders.record_callback(b'{"id": "xyz", "status": "brand_new"}')

        def body():
            if how == "of its stream":
                (found,) = log.recorder.select_events("order:instacart:xyz")
            else:
                (found,) = log.recorder.select_notifications(1, 10, topics=["callback"])
            return log.mapper.to_domain_event(found).body

        assert body()
        orders.erase("xyz", reason="asked")
        assert body() == b""
