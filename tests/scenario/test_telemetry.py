"""What operators see of a log: log lines by `logging`, traces and metrics by OpenTelemetry."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lifecycle import StoreClosedError
from tests.without_rules import connect, connect_async

CANARY = "Canary Q. Public, 50 Beale St, 800-555-0101"
CALLBACK = b'{"event_id": 7, "event_name": "brand_new", "event_metadata": {"order_id": "%s"%s}}'


def callback(order_id: str, also: str = "") -> bytes:
    """Return a callback of always the same event id; `also` makes its content another."""
    return CALLBACK % (order_id.encode(), f', "name": "{also}"'.encode() if also else b"")


@pytest.fixture(scope="session")
def observed():
    """The process's own tracer and meter: OpenTelemetry lets them be set once."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([reader]))
    return spans, reader


def points(reader: InMemoryMetricReader, name: str) -> dict[tuple[object, ...], object]:
    """Return a metric's points so far, by the values of their attributes."""
    told = reader.get_metrics_data()
    return {
        tuple(value for _, value in sorted(point.attributes.items())): point
        for resource in (told.resource_metrics if told else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    }


def counts(reader: InMemoryMetricReader) -> dict[str, int]:
    """Return how many entries came to each outcome in memory so far."""
    return {
        outcome: point.value
        for (outcome, store), point in points(reader, "lifecycle.appended").items()
        if store == "memory"
    }


def record(orders) -> None:
    """Record one of each outcome, two appended ones."""
    orders.record_callback(callback("xyz"))
    orders.record_callback(callback("xyz"))
    orders.record_callback(callback("xyz", CANARY))
    orders.record_callback(CANARY.encode())
    orders.record_callback(callback("abc"))


def test_outcomes_are_counted_and_appends_are_timed(observed):
    _, reader = observed
    before = counts(reader)
    with connect("memory:", telemetry=True) as orders:
        record(orders)
    told = {outcome: count - before.get(outcome, 0) for outcome, count in counts(reader).items()}
    assert told == {"appended": 2, "duplicate": 1, "divergent": 1, "quarantined": 1}
    timed = points(reader, "lifecycle.append.duration")["memory",]
    assert timed.count >= 5
    assert 0 < timed.sum < 60


def test_an_append_is_a_child_span_with_its_outcome(observed):
    spans, _ = observed
    spans.clear()
    with (
        connect("memory:", telemetry=True) as orders,
        trace.get_tracer("test").start_as_current_span("request") as request,
    ):
        orders.record_callback(callback("xyz"))
    appended, _ = spans.get_finished_spans()
    assert appended.name == "lifecycle.append"
    assert appended.parent.span_id == request.get_span_context().span_id
    assert dict(appended.attributes) == {
        "lifecycle.store": "memory",
        "lifecycle.entries": 1,
        "lifecycle.outcome": "appended",
        "lifecycle.position": 1,
    }


async def _recorded() -> None:
    async with connect_async("memory:", telemetry=True) as orders:
        await orders.record_callback(callback("xyz"))
        await orders.record_many([{"kind": "callback", "body": callback("abc")}] * 3)


def test_coroutines_and_batches_are_traced_alike(observed):
    import asyncio  # noqa: PLC0415 - for this test alone

    spans, reader = observed
    spans.clear()
    before = counts(reader)
    asyncio.run(_recorded())
    assert [span.attributes["lifecycle.entries"] for span in spans.get_finished_spans()] == [1, 3]
    assert counts(reader)["duplicate"] - before.get("duplicate", 0) == 2


def test_a_failed_append_is_a_failed_span_and_is_timed_as_such(observed):
    spans, reader = observed
    spans.clear()
    orders = connect("memory:", telemetry=True)
    orders.close()
    with pytest.raises(StoreClosedError):
        orders.record_callback(callback("xyz"))
    (span,) = spans.get_finished_spans()
    assert span.attributes["error.type"] == "StoreClosedError"
    assert not span.status.is_ok
    assert ("StoreClosedError", "memory") in points(reader, "lifecycle.append.duration")


def test_readers_that_are_behind_dead_letters_and_anomalies_are_gauges(observed, tmp_path):
    _, reader = observed

    def refuse(_: object) -> None:
        raise ValueError

    with connect(f"sqlite:///{tmp_path}/orders.db", telemetry=True) as orders:
        record(orders)
        orders.views.rebuild()
        orders.subscription("notify", refuse, attempts=1).catch_up()
        orders.record_callback(callback("later"))
        told = {
            name: {key: point.value for key, point in points(reader, f"lifecycle.{name}").items()}
            for name in ("feed.lag", "feed.dead_letters", "views.lag", "anomalies")
        }
        for item in orders.attention():
            orders.review(item, by="ann", why="looked at it")
        for name, label in (("feed.dead_letters", "notify"), ("anomalies", "instacart")):
            reviewed = points(reader, f"lifecycle.{name}")
            assert {key: point.value for key, point in reviewed.items()} == {(label, "sqlite"): 0}
    assert told == {
        "feed.lag": {("notify", "sqlite"): 1},
        "feed.dead_letters": {("notify", "sqlite"): 2},
        "views.lag": {("instacart", "sqlite"): 1},
        "anomalies": {("instacart", "sqlite"): 1},
    }
    assert points(reader, "lifecycle.feed.lag") == {}


def test_an_observed_log_works_like_an_unobserved_one(observed):
    with connect("memory:", telemetry=True) as orders, connect("memory:") as plain:
        for each in (orders, plain):
            record(each)
        assert [each.digest for each in orders.find()] == [each.digest for each in plain.find()]
        assert [item.reason for item in orders.quarantine()] == ["not_json"]
        assert orders.log.gapless
        assert orders.log.last_position() == plain.log.last_position()


def test_anomalies_are_logged_and_normal_events_are_not(caplog):
    caplog.set_level(logging.INFO, logger="lifecycle")
    with connect("memory:") as orders:
        record(orders)
    assert [(line.name, line.getMessage()) for line in caplog.records] == [
        ("lifecycle.log", "divergent: stored at position 2"),
        ("lifecycle.log", "quarantined: stored at position 3"),
    ]


def test_a_service_that_sets_no_logging_up_sees_nothing_on_stderr():
    asked = "import lifecycle; lifecycle.connect('memory:').record_callback(b'<html>')"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_asked_for_more_each_commit_says_how_much_was_new(caplog):
    caplog.set_level(logging.DEBUG, logger="lifecycle.log")
    with connect("memory:") as orders:
        orders.record_many([{"kind": "callback", "body": callback("xyz")}] * 3)
    assert caplog.messages == ["committed 1 new of 3 entries"]


def test_lines_spans_and_metrics_hold_no_order_id_and_no_payload(observed, caplog):
    spans, reader = observed
    spans.clear()
    caplog.set_level(logging.DEBUG)
    with connect("memory:", telemetry=True) as orders:
        record(orders)
        orders.record_callback(callback(CANARY, CANARY))
    told = "\n".join(
        [
            *caplog.messages,
            *(span.to_json() for span in spans.get_finished_spans()),
            reader.get_metrics_data().to_json(),
        ]
    )
    assert len(told) > 1000
    assert "Canary" not in told
    assert "Beale" not in told


def test_without_its_package_telemetry_names_the_extra():
    asked = (
        "import sys; sys.modules['opentelemetry.metrics'] = None\n"
        "from lifecycle import MissingExtraError, connect\n"
        "try: connect('memory:', telemetry=True)\n"
        "except MissingExtraError as missing: print(missing.extra)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "telemetry\n"


def test_telemetry_is_not_loaded_unless_it_is_used():
    asked = (
        "import sys, lifecycle; lifecycle.connect('memory:'); print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
