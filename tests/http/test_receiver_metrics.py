"""What a monitor reads at the receiver: counters, figures, and what happens without a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lifecycle import InvalidArgumentError, StoreUnavailableError, connect, connect_async
from lifecycle.http.receiver import BearerTokens, Receiver, Request, Routes, SyncReceiver
from lifecycle.http.receiver import metrics as receiver_metrics
from lifecycle.http.receiver.bearer import Tokens
from lifecycle.service.attention import KINDS
from tests.receiving import CLIENT, KEY, SETUP
from tests.serving import asgi_server, ask, connected

TOKEN = {"Authorization": f"Bearer {Tokens(KEY).issue(CLIENT)}"}
SECRET = "Kamala 5 Main Street"
EXAMPLES = Path(__file__).parents[2] / "examples" / "monitoring"


@pytest.fixture
def orders():
    with connect("memory:") as opened:
        yield opened


@pytest.fixture
def receiver(orders, monkeypatch):
    monkeypatch.setattr(receiver_metrics, "FRESH_FOR", 0.0)
    return SyncReceiver(orders, BearerTokens(**SETUP), routes=Routes(metrics="/metrics"))


def post(receiver, body):
    return receiver.handle(Request("POST", "/callbacks", TOKEN, body))


def callback(order_id, status):
    return json.dumps({"id": order_id, "status": status, "name": SECRET}).encode()


def scrape(receiver, accept="application/openmetrics-text; version=1.0.0"):
    response = receiver.handle(Request("GET", "/metrics", {"Accept": accept}))
    assert response.status == 200
    return response


def samples(receiver):
    text = scrape(receiver).body.decode()
    assert SECRET not in text
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_callbacks_are_counted_by_what_became_of_them(receiver):
    for body in (callback("o1", "brand_new"), callback("o1", "brand_new"), b"no JSON"):
        post(receiver, body)

    found = samples(receiver)

    counts = {
        outcome: found["lifecycle_appends_total", outcome]
        for outcome in ("appended", "duplicate", "divergent", "quarantined")
    }
    assert counts == {"appended": 1, "duplicate": 1, "divergent": 0, "quarantined": 1}


def test_figures_are_those_of_the_log(receiver, orders):
    hour = datetime.now(UTC) - timedelta(hours=1)
    orders.begin_request("lost", {"order_id": "lost"}, received_at=hour)
    post(receiver, callback("o1", "brand_new"))
    post(receiver, callback("o1", "teleported"))
    post(receiver, callback("o2", "delivered"))
    orders.subscription("mail", lambda _: 1 / 0, attempts=1).catch_up()
    post(receiver, callback("o3", "brand_new"))

    found = samples(receiver)

    assert found["lifecycle_store_up",] == 1
    assert found["lifecycle_feed_lag_records", "mail"] == 1
    assert found["lifecycle_feed_dead_letters", "mail"] == 3
    assert found["lifecycle_attention_items", "anomaly"] == 1
    assert found["lifecycle_attention_items", "dead_letter"] == 3
    assert found["lifecycle_attention_items", "overdue"] == 1
    assert found["lifecycle_missing_events",] == len(orders.get("o2").missing) + sum(
        len(orders.get(order).missing) for order in ("o1", "o3")
    )
    assert 3600 <= found["lifecycle_oldest_waiting_seconds",] < 3700
    assert {
        kind for name, *kind in found if name == "lifecycle_attention_items" for kind in kind
    } == set(KINDS)


def test_what_was_reviewed_is_counted_no_more(receiver, orders):
    post(receiver, b"no JSON")
    assert samples(receiver)["lifecycle_attention_items", "quarantined"] == 1
    orders.review("quarantined:1", by="ann", why="known")
    assert samples(receiver)["lifecycle_attention_items", "quarantined"] == 0


def test_a_late_event_is_counted(receiver):
    for status, at in (("delivered", "12:09"), ("brand_new", "12:01")):
        body = {
            "event_id": status,
            "event_name": status,
            "event_timestamp": f"2026-07-07T{at}:00Z",
            "event_metadata": {"order_id": "o1"},
        }
        post(receiver, json.dumps(body).encode())
    assert samples(receiver)["lifecycle_late_events",] == 1


def test_without_the_store_a_scrape_says_so_and_keeps_the_counters(receiver, orders, monkeypatch):
    post(receiver, callback("o1", "brand_new"))

    def failing():
        raise StoreUnavailableError("memory:", SECRET)

    monkeypatch.setattr(orders, "figures", failing)
    found = samples(receiver)
    assert found["lifecycle_store_up",] == 0
    assert found["lifecycle_appends_total", "appended"] == 1


def test_figures_are_taken_anew_once_they_are_old_and_once_at_a_time(orders, monkeypatch):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP), routes=Routes(metrics="/metrics"))
    taken = []
    figures = orders.figures

    def counted():
        taken.append(scrape(receiver).status)  # another scrape meanwhile: it does not wait
        return figures()

    monkeypatch.setattr(orders, "figures", counted)
    scrape(receiver)
    scrape(receiver)
    assert taken == [200]


def test_prometheus_text_is_for_who_asks_for_it(receiver):
    assert scrape(receiver, "text/plain").body.startswith(b"# HELP lifecycle")
    assert not scrape(receiver, "text/plain").body.endswith(b"# EOF\n")
    assert scrape(receiver).body.endswith(b"# EOF\n")
    assert dict(scrape(receiver, "").headers)["content-type"].startswith("application/openmetrics")


@pytest.mark.parametrize(
    "accept", ["\xff", "application/openmetrics-text; version=x", ";;;,=", "a" * 9000]
)
def test_an_odd_wish_for_a_form_is_answered(receiver, accept):
    assert b"lifecycle_store_up 1.0" in scrape(receiver, accept).body


def test_whatever_fails_while_figures_are_taken_the_scrape_is_answered(
    receiver, orders, monkeypatch, caplog
):
    def failing():
        raise KeyError(SECRET)

    monkeypatch.setattr(orders, "figures", failing)
    assert samples(receiver)["lifecycle_store_up",] == 0
    assert "no figures: KeyError" in caplog.text
    assert SECRET not in caplog.text


def test_the_receiver_for_coroutines_answers_the_same(tmp_path):
    app = Receiver(
        connect_async(f"sqlite:///{tmp_path}/o.db"),
        BearerTokens(**SETUP),
        routes=Routes(metrics="/metrics"),
    )
    with asgi_server(app) as port, connected(port) as connection:
        posted = {**TOKEN, "Content-Type": "application/json"}
        assert (
            ask(connection, "POST", "/callbacks", callback("o1", "brand_new"), posted).status == 200
        )
        page = ask(connection, "GET", "/metrics")
        assert page.status == 200
        assert 'lifecycle_appends_total{outcome="appended"} 1.0' in page.body.decode()
        assert "lifecycle_store_up 1.0" in page.body.decode()
        assert ask(connection, "POST", "/metrics").status == 405


def test_without_a_path_there_are_no_metrics(orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    assert receiver.handle(Request("GET", "/metrics", {})).status == 404


def test_two_routes_of_one_path_are_refused():
    with pytest.raises(InvalidArgumentError):
        Routes(metrics="/health")


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are(receiver, orders):
    """Every name in the example files is one that a scrape has."""
    post(receiver, callback("o1", "brand_new"))
    orders.subscription("mail", lambda _: None).catch_up()
    known = {name for name, *_ in samples(receiver)}
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [
        line.partition("expr:")[2]
        for line in (EXAMPLES / "alerts.yml").read_text().splitlines()
        if "expr:" in line
    ]
    named = {word for expr in asked for word in receiver_words(expr)}
    assert len(asked) > 10
    assert named <= known
    assert {"lifecycle_attention_items", "lifecycle_store_up"} <= named


def receiver_words(expr):
    """Return the names of metrics in an expression."""
    words = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in expr)
    return {word for word in words.split() if word.startswith("lifecycle_")}
