"""One log with the orders of every provider: each order is read by its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle import connect
from lifecycle.registry import known_providers
from tests.scenario.command_line import run

RECORDINGS = Path(__file__).parents[2] / "examples" / "recordings"
ENDS = {
    "xyz123456": ("instacart", "brand_new"),
    "xyz123457": ("instacart", "brand_new"),
    "xyz123458": ("instacart", "canceled"),
    "D-2023-0117": ("doordash_drive", "returned"),
    "grocer-20230117-42": ("uber_direct", "delivered"),
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a log that holds every recording of the examples."""
    answer = run("ingest", *sorted(RECORDINGS.iterdir()), "--json", cwd=tmp_path)
    told = answer.value
    assert (answer.code, told["appended"], told["orders"], told["quarantined"]) == (0, 36, 5, 0)
    return tmp_path


def test_list_shows_the_orders_of_every_provider(folder):
    found = {one["order_id"]: one["status"] for one in run("list", "--json", cwd=folder).value}
    assert found == {order_id: status for order_id, (_, status) in ENDS.items()}


@pytest.mark.parametrize("order_id", ENDS)
def test_an_order_is_shown_and_drawn_by_its_own_provider(folder, order_id):
    provider, status = ENDS[order_id]
    shown = run("show", order_id, "--json", cwd=folder).value
    assert (shown["status"], shown["anomalies"]) == (status, [])
    assert shown["definition"] == known_providers()[provider].definition.fingerprint
    for form in ("svg", "mermaid", "dot"):
        drawn = run("diagram", "--order", order_id, "--format", form, cwd=folder)
        assert drawn.code == 0
        assert status in drawn.out


def test_the_return_and_the_dasher_who_unassigned_are_in_the_path(folder):
    path = [
        step["status"] for step in run("show", "D-2023-0117", "--json", cwd=folder).value["path"]
    ]
    assert path[-3:] == ["enroute_to_return", "arrived_at_return", "returned"]
    assert path.count("created") == path.count("confirmed") == 2


@pytest.mark.parametrize("command", ["replay", "verify", "doctor"])
def test_the_whole_log_is_replayed_verified_and_found_healthy(folder, command):
    answer = run(command, "--json", cwd=folder)
    assert (answer.code, answer.value["ok"]) == (0, True)


def test_stored_views_of_every_provider_are_rebuilt_and_agree_with_the_log(folder):
    for provider in {provider for provider, _ in ENDS.values()}:
        assert run("views", "--rebuild", "--provider", provider, cwd=folder).code == 0
    answer = run("replay", "--json", cwd=folder)
    assert (answer.code, answer.value["ok"]) == (0, True)


def test_doctor_names_the_provider_whose_order_is_broken(folder):
    odd = {"external_delivery_id": "D-odd", "event_name": "DASHER_TURNED_AROUND"}
    with connect(f"sqlite:///{folder}/lifecycle.db", provider="doordash_drive") as orders:
        orders.record_callback(odd)
    levels = {
        one["name"]: one["level"] for one in run("doctor", "--json", cwd=folder).value["checks"]
    }
    assert levels["anomalies of doordash_drive"] != "ok"
    assert levels["anomalies of uber_direct"] == "ok"
    assert levels["anomalies of instacart"] == "ok"


@pytest.mark.parametrize("provider", ["doordash_drive", "uber_direct"])
def test_stats_and_the_picture_of_a_lifecycle_are_there_for_every_provider(folder, provider):
    told = run("stats", "--provider", provider, cwd=folder)
    assert (told.code, f"1 order of {provider}" in told.out) == (0, True)
    for form in ("svg", "mermaid", "dot", "png"):
        drawn = run(
            "diagram", "--provider", provider, "--format", form, "-o", f"all.{form}", cwd=folder
        )
        assert drawn.code == 0
        assert (folder / f"all.{form}").stat().st_size > 500
