"""By which rules an order is looked at: those of today, those in force then, or others."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lifecycle import (
    InvalidArgumentError,
    UnknownOrderError,
    connect,
    connect_async,
)
from lifecycle.audit.replay import replay
from lifecycle.audit.shadow_replay import ShadowReplay
from lifecycle.audit.verify import verify
from lifecycle.core.definition import Definition
from lifecycle.diagram import draw_order
from lifecycle.log.contract import CONTROL
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.providers.instacart import INSTACART, Instacart
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.registry import known_providers
from tests.insider import VERIFIER
from tests.replays import Otherwise
from tests.sample_events.recordings import at
from tests.sample_events.recordings import callback as sent
from tests.scenario.command_line import DATABASE, Answer, callback, run
from tests.tampered import resealed

NO_WAY_BACK = replace(
    LAST_MILE,
    moves=tuple(m for m in LAST_MILE.moves if (m.source, m.dest) != ("delivering", "at_store")),
)
THEN, NOW = NO_WAY_BACK.fingerprint, LAST_MILE.fingerprint


@dataclass(frozen=True)
class Ruled(Instacart):
    """The provider, with other rules."""

    definition: Definition = NO_WAY_BACK


def back_to_the_store() -> list[dict[str, Any]]:
    """Return an order that steps back, which is an anomaly to the rules of then."""
    return [
        sent("a", f"{minute}", name, at(60 * minute))
        for minute, name in enumerate(("brand_new", "delivering", "at_store"), 1)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log that was begun under the rules of then, at positions 1 to 4, and goes on under today's.

    5 are today's rules, 6 is another order.
    """
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url, provider=Ruled()) as orders:
        orders.record_many(back_to_the_store())
    with connect(url) as orders:
        orders.record_many([callback("brand_new", "b")])
        assert orders.log.last_position() == 6
    return tmp_path


def lifecycle(folder: Path, *arguments: str) -> Answer:
    return run(*arguments, "--db", DATABASE, cwd=folder)


@pytest.mark.parametrize(
    ("rules", "log_at", "fingerprint", "status"),
    [
        (None, None, NOW, "at_store"),
        ("now", None, NOW, "at_store"),
        ("then", None, NOW, "at_store"),
        ("then", 4, THEN, "delivering"),
        ("then", 5, NOW, "at_store"),
        ("now", 4, NOW, "at_store"),
        (THEN, None, THEN, "delivering"),
        (THEN[:8], None, THEN, "delivering"),
        (NO_WAY_BACK, None, THEN, "delivering"),
    ],
)
def test_an_order_is_folded_by_the_rules_that_are_named(folder, rules, log_at, fingerprint, status):
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        view = orders.get("a", rules=rules, log_at=log_at)
        verdicts = [entry.verdict for entry in orders.history("a", rules=rules, log_at=log_at)]
        definition = orders.definition(rules, log_at=log_at)

    assert (view.definition, view.status) == (fingerprint, status)
    assert definition.fingerprint == fingerprint
    assert verdicts[-1] == ("reverted" if status == "at_store" else "refused")


def test_coroutines_look_by_the_same_rules(folder):
    async def look() -> tuple[str, str, str]:
        async with connect_async(f"sqlite:///{folder}/orders.db") as orders:
            view = await orders.get("a", rules=THEN)
            entries = await orders.history("a", rules="then", log_at=4)
            return view.status, entries[-1].verdict, (await orders.definition("then")).fingerprint

    assert asyncio.run(look()) == ("delivering", "refused", NOW)


@pytest.mark.parametrize(
    "rules", ["", "nobody's", THEN[:7], "0" * 64, 7, Ruled(), ["then"], b"then"]
)
def test_rules_that_nothing_names_are_refused(folder, rules):
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        for look in (orders.get, orders.history):
            with pytest.raises(InvalidArgumentError, match="rules"):
                look("a", rules=rules)
        with pytest.raises(InvalidArgumentError, match="rules"):
            orders.definition(rules)


def test_before_any_rules_were_recorded_there_are_none_of_then(folder):
    with (
        connect(f"sqlite:///{folder}/orders.db") as orders,
        pytest.raises(InvalidArgumentError, match="up to position 0 are recorded: none"),
    ):
        orders.get("a", rules="then", log_at=0)


def test_an_order_that_is_not_there_is_unknown_by_any_rules(folder):
    with (
        connect(f"sqlite:///{folder}/orders.db") as orders,
        pytest.raises(UnknownOrderError, match="no event about order 'c'"),
    ):
        orders.get("c", rules="then")


def test_details_are_as_the_provider_tells_them_now(folder):
    class Further(LAST_MILE.details):  # type: ignore[name-defined,misc]
        more: str | None = None

    today = replace(LAST_MILE, details=Further)
    with connect(f"sqlite:///{folder}/orders.db", provider=Ruled(definition=today)) as orders:
        view = orders.get("a", rules=THEN)

    assert isinstance(view.details, Further)
    assert view.status == "delivering"
    assert view.definition not in {THEN, NOW, today.fingerprint}


def test_show_history_explain_and_diagram_take_rules(folder):
    shown = lifecycle(folder, "show", "a", "--rules", "then", "--log-at", "4", "--json")
    told = lifecycle(folder, "history", "a", "--rules", THEN, "--json")
    story = lifecycle(folder, "explain", "a", "--rules", THEN[:12])
    drawn = lifecycle(folder, "diagram", "--order", "a", "--rules", THEN, "--format", "svg")

    assert (shown.value["definition"], shown.value["status"]) == (THEN, "delivering")
    assert [row["verdict"] for row in told.value][-1] == "refused"
    assert "Order a is delivering" in story.out
    assert f"by the rules {THEN[:12]}" in drawn.out
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        assert draw_order(orders, "a", rules=THEN).svg() == drawn.out


def test_a_module_offers_rules_by_a_definition_or_a_provider(folder, monkeypatch):
    (folder / "offers.py").write_text(
        "from tests.scenario.test_rules_of_orders import NO_WAY_BACK, Ruled\nTHEIRS = Ruled()\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "offers", raising=False)
    for name in ("offers:NO_WAY_BACK", "offers:THEIRS"):
        answer = lifecycle(folder, "show", "a", "--rules", name, "--json")
        assert answer.value["definition"] == THEN
    for wrong in ("offers:NOTHING", "offers:Ruled", "nowhere_at_all:X", "offers:", ":", "then:"):
        answer = lifecycle(folder, "show", "a", "--rules", wrong)
        assert (answer.code, answer.out) == (2, ""), wrong


def test_a_definition_is_drawn_by_no_recorded_rules(folder):
    answer = lifecycle(folder, "diagram", "--rules", "then")

    assert (answer.code, answer.err) == (
        2,
        "lifecycle: --rules is about an order; name one with --order ORDER\n",
    )


def test_replay_by_rules_tells_each_order_that_would_change(folder):
    answer = lifecycle(folder, "replay", "--rules", THEN)
    told = lifecycle(folder, "replay", "--rules", THEN, "--json")

    assert (answer.code, told.code) == (1, 1)
    assert f"2 orders folded by the rules {THEN[:12]} of instacart: 1 would change" in answer.out
    assert "instacart:a" in answer.out
    assert "instacart:b" not in answer.out
    (order,) = told.value["changed_orders"]
    changes = {change["field"]: change for change in order["changes"]}
    assert changes["status"] == {"field": "status", "today": "at_store", "then": "delivering"}
    assert told.value["kinds"] == dict.fromkeys(changes, 1)
    assert {"path", "anomalies", "awaiting"} <= changes.keys()
    assert {k: told.value[k] for k in ("ok", "orders", "changed", "unreadable", "rules")} == {
        "ok": False,
        "orders": 2,
        "changed": 1,
        "unreadable": 0,
        "rules": {"instacart": THEN},
    }


def test_replay_by_rules_that_change_nothing_ends_well(folder):
    answer = lifecycle(folder, "replay", "--rules", "then")
    told = lifecycle(folder, "replay", "--rules", "now", "--json")

    assert (answer.code, told.code) == (0, 0)
    assert (
        answer.out == f"2 orders folded by the rules {NOW[:12]} of instacart: none would change\n"
    )
    assert (told.value["ok"], told.value["changed_orders"], told.value["kinds"]) == (True, [], {})


def test_replay_by_unknown_rules_is_refused(folder):
    answer = lifecycle(folder, "replay", "--rules", "f" * 64)

    assert (answer.code, answer.out) == (2, "")
    assert f"are recorded: {THEN[:12]}, {NOW[:12]}" in answer.err


def test_rules_that_come_back_after_others_are_named_by_replay_and_doctor(folder):
    with connect(f"sqlite:///{folder}/orders.db", provider=Ruled()) as orders:
        orders.record_many([callback("brand_new", "c")])

    told = lifecycle(folder, "replay", "--json")
    doctor = lifecycle(folder, "doctor", "--json")

    (back,) = told.value["returned"]
    assert (back["provider"], back["fingerprint"], back["position"]) == ("instacart", THEN, 7)
    assert "came back at position 7" in lifecycle(folder, "replay").out
    check = next(each for each in doctor.value["checks"] if each["name"] == "rules")
    assert (check["level"], check["ok"]) == ("note", True)
    assert "came back after others at position 7" in check["meaning"]


def test_the_doctor_says_when_today_s_rules_are_not_the_last_recorded_ones(folder):
    def rules() -> dict[str, Any]:
        checks = lifecycle(folder, "doctor", "--json").value["checks"]
        return next(each for each in checks if each["name"] == "rules")

    assert (rules()["level"], rules()["meaning"]) == ("ok", None)
    (folder / "orders.db").unlink()
    with connect(f"sqlite:///{folder}/orders.db", provider=Ruled()) as orders:
        orders.record_many(back_to_the_store())

    assert rules()["level"] == "note"
    assert rules()["advice"] == "run: lifecycle replay --rules then"


def test_code_that_changed_while_its_fingerprint_did_not_is_found_by_replay():
    with connect("memory:") as orders:
        orders.record_many(back_to_the_store())
        orders.views.rebuild()
        assert replay(orders.log, known_providers()).ok
        other = Otherwise(fields={"details": {"locale": "fr-CA"}})
        assert other.definition.fingerprint == INSTACART.definition.fingerprint

        found = replay(orders.log, {**known_providers(), "instacart": other})

    assert not found.ok
    assert "details.locale" in {each.field for each in found.differences}
    assert not found.changed


def test_a_forged_definition_is_named_by_verify_and_by_replay():
    with connect("memory:") as orders:
        orders.record_many(back_to_the_store())
        rules, *others = orders.log.scan()
    definition = {**json.loads(LAST_MILE.to_json()), "terminal": ["delivered"]}
    forged = MemoryLog()
    forged.restore([rules._replace(state=resealed(rules.state, definition=definition)), *others])

    (first, *_) = verify(forged).findings

    assert (first.stream, first.sentence) == (
        CONTROL,
        "its definition is not the one of its fingerprint",
    )
    assert (CONTROL, "header") in {
        (each.stream, each.field) for each in replay(forged, known_providers()).differences
    }


def test_an_encrypted_log_holds_the_rules_plain_and_goes_by_them_after_an_erasure(tmp_path):
    url, keys = f"sqlite:///{tmp_path}/orders.db", f"file:{tmp_path}/orders.db.keys"
    with connect(url, provider=Ruled(), keys=keys) as orders:
        orders.record_many(back_to_the_store())
    with connect(url, keys=keys) as orders:
        assert orders.log.is_encrypted() is True
        rules = orders.log.read(CONTROL)[0]
        assert NO_WAY_BACK.to_json().encode() in rules.state
        assert [orders.get("a", rules=each).status for each in ("then", "now")] == [
            "delivering",
            "at_store",
        ]
        orders.erase("a", reason="asked", by="me")
        walk = ShadowReplay(orders.log, known_providers(), {"instacart": NO_WAY_BACK})
        (changed,) = walk.changes()

    assert ("status", "at_store", "delivering") in changed.fields


def test_a_copy_and_an_export_hold_the_rules(folder):
    copied = run("copy", "--from", DATABASE, "--to", "sqlite:///copy.db", cwd=folder)
    whole = lifecycle(folder, "export", "--whole")
    (folder / "whole.jsonl").write_text(whole.out)
    anew = run("ingest", "whole.jsonl", "--db", "sqlite:///anew.db", "--json", cwd=folder)

    assert copied.code == 0
    shown = run("show", "a", "--rules", THEN, "--db", "sqlite:///copy.db", "--json", cwd=folder)
    assert shown.value["definition"] == THEN
    lines = [json.loads(line) for line in whole.out.splitlines()]
    rules = [line for line in lines if line.get("control") == "rules"]
    assert [(line["position"], line["fingerprint"]) for line in rules] == [(1, THEN), (5, NOW)]
    assert rules[0]["definition"] == json.loads(NO_WAY_BACK.to_json())
    assert rules[0]["details"] == LAST_MILE.details.model_json_schema()
    assert (anew.value["appended"], anew.value["control"]) == (4, 3)


def test_evidence_holds_the_rules_and_proves_those_that_were_in_force(folder):
    made = lifecycle(folder, "evidence", "a", "-o", "a.json")
    file = json.loads((folder / "a.json").read_text())

    assert made.code == 0, made.err
    assert file["rules"] == {"fingerprint": NOW, "definition": json.loads(LAST_MILE.to_json())}
    assert [line["fingerprint"] for line in file["in_force"]] == [THEN]
    assert verified(folder, file) == (0, 0)


@pytest.mark.parametrize("part", ["header_base64", "proof", "index", "left out", "another"])
def test_evidence_whose_rules_in_force_were_forged_is_refused(folder, part):
    lifecycle(folder, "evidence", "a", "-o", "a.json")
    file = json.loads((folder / "a.json").read_text())
    (rules,) = file["in_force"]
    match part:
        case "left out":
            file["in_force"] = []
        case "another":
            file["in_force"] = [file["records"][0]]
        case "index":
            rules["index"] += 1
        case "proof":
            rules["proof"] = rules["proof"][::-1]
        case "header_base64":
            rules["header_base64"] = file["records"][0]["header_base64"]

    assert verified(folder, file) == (1, 1)


def verified(folder: Path, file: dict[str, Any]) -> tuple[int, int]:
    """Return what our verification and the standalone one make of evidence."""
    (folder / "b.json").write_text(json.dumps(file))
    ours = run("verify", "--evidence", "b.json", cwd=folder).code
    alone = subprocess.run(
        [sys.executable, VERIFIER, folder / "b.json"], capture_output=True, check=False
    )
    return ours, alone.returncode
