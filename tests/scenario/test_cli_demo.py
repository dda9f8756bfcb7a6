"""`lifecycle demo`: what it shows is true, it is quick, and it can be run again."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from lifecycle import connect
from lifecycle.cli import demo
from lifecycle.log.contract import Outcome
from lifecycle.providers.instacart import sample_orders
from tests.scenario.command_line import run, run_on_terminal, run_script

ROOT = Path(__file__).parents[2]
SEED = 5
COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder):
    """What the demo tells of 60 orders, as JSON."""
    arguments = ("--seed", str(SEED), "--orders", str(COUNT), "--db", "sqlite:///demo.db")
    answer = run("demo", "--json", *arguments, cwd=folder)
    assert (answer.code, answer.err) == (0, "")
    return answer.value


def test_it_does_a_thousand_orders_in_seconds_on_a_log_of_its_own(tmp_path):
    began = getrusage(RUSAGE_CHILDREN)
    answer = run_script("demo", "--json", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    ended = getrusage(RUSAGE_CHILDREN)
    # Processors are shared: its own time counts, not the clock's.
    assert ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime < 30
    assert (answer.code, answer.err) == (0, "")
    assert answer.value["ok"]
    assert answer.value["orders"] == 1000
    assert answer.value["delivery"]["lost"] > 0
    assert answer.value["delivery"]["divergent"] > 0
    assert answer.value["outcomes"]["quarantined"] == 0
    (made,) = tmp_path.glob("lifecycle-demo-*/demo.db")
    assert answer.value["db"] == f"sqlite:///{made}"


def test_the_counts_match_the_log(told, folder):
    exported = run("export", "--db", told["db"], cwd=folder).out.splitlines()
    demo_lines = [line for line in exported if json.loads(line)["order_id"].startswith("demo-")]
    outcomes, faults = told["outcomes"], told["delivery"]
    assert outcomes["appended"] + outcomes["divergent"] == len(demo_lines)
    assert sum(outcomes.values()) == faults["arrived"]
    assert outcomes["appended"] == faults["sent"] - faults["lost"]
    assert outcomes["duplicate"] == faults["repeated"]
    assert outcomes["divergent"] == faults["divergent"]


def test_the_statuses_are_those_of_the_log(told, folder):
    listed = run("list", "--db", told["db"], "--json", cwd=folder).value
    demo_orders = [view for view in listed if view["order_id"].startswith("demo-")]
    assert dict(Counter(view["status"] for view in demo_orders)) == told["statuses"]
    assert sum(told["statuses"].values()) == COUNT


def test_the_three_orders_of_the_how_to_come_first(told):
    assert [(story["view"]["order_id"], story["view"]["status"]) for story in told["how_to"]] == [
        ("xyz123456", "brand_new"),
        ("xyz123457", "brand_new"),
        ("xyz123458", "canceled"),
    ]


def test_a_second_run_records_only_duplicates(told, folder):
    again = run("demo", "--json", "--seed", SEED, "--orders", COUNT, "--db", told["db"], cwd=folder)
    assert (again.code, again.value["ok"]) == (0, True)
    assert again.value["outcomes"]["appended"] == 0
    assert again.value["outcomes"]["divergent"] == 0
    assert again.value["shown"]["digest"] == told["shown"]["digest"]


def test_fewer_orders_of_a_seed_are_the_first_of_more(tmp_path):
    for count in (10, 30, 20):
        answer = run("demo", "--json", "--orders", count, "--db", "sqlite:///d.db", cwd=tmp_path)
        assert (answer.code, answer.value["ok"]) == (0, True), count


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))]
)
def test_every_claim_holds_for_every_seed(seed, tmp_path):
    with connect("memory:") as orders:
        shown = demo.demonstrate(orders, seed=seed, count=100)
    assert [claim for claim in shown.claims if not claim.ok] == []


def test_a_claim_that_does_not_hold_is_seen():
    """The positive control: each claim is held against a world in which it is false."""
    with connect("memory:") as orders:
        truth = {story.order_id: story for story in sample_orders.generate(SEED, 20)}
        delivery = sample_orders.deliver(SEED, truth.values(), lost=0.0)
        receipts = orders.record_many(delivery.recordings)
        arrived = demo._by_order(receipts, delivery.recordings)
        views = {order_id: orders.get(order_id) for order_id in truth}
        outcomes = Counter(receipt.outcome for receipt in receipts)
        lied = {order_id: story._replace(status="lied") for order_id, story in truth.items()}
        assert demo._true(truth, arrived, views).ok
        assert not demo._true(lied, arrived, views).ok
        first, second = list(truth)[:2]
        mixed_up = views | {first: views[second]}
        assert demo._same_in_order(truth, arrived, views).ok
        assert not demo._same_in_order(truth, arrived, mixed_up).ok
        faults = delivery.faults
        assert demo._stored_once(faults, outcomes, views.values()).ok
        one_more = faults._replace(sent=faults.sent + 1)
        assert not demo._stored_once(one_more, outcomes, views.values()).ok
        assert outcomes[Outcome.QUARANTINED] == 0


def test_people_see_a_timeline_a_diagram_and_where_to_look_next(tmp_path):
    arguments = ("demo", "--orders", "20", "--db", "sqlite:///demo.db")
    answer = run(*arguments, cwd=tmp_path)
    assert answer.code == 0
    assert "\x1b" not in answer.out
    for part in ("xyz123457", "20 orders", "yes  ", "■ delivered", "stateDiagram-v2", "verify"):
        assert part in answer.out
    colored = run_on_terminal(*arguments, cwd=tmp_path, columns=60)
    assert colored.code == 0
    assert "\x1b[" in colored.out


def test_the_recordings_travel_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["examples/recordings"] == "lifecycle/recordings"
    assert demo._PLACES[0] == ROOT / "lifecycle" / "recordings"
    assert all(demo.how_to().values())
