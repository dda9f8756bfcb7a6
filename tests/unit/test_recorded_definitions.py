"""A definition written as JSON comes back with the same fingerprint, or is refused."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding
from lifecycle.errors import DefinitionError, InvalidArgumentError
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.registry import known_providers
from tests.replays import recorded, rederived_events
from tests.scenario.command_line import story

DEFINITIONS = {name: each.definition for name, each in known_providers().items()}


@pytest.mark.parametrize("provider", DEFINITIONS)
def test_a_recorded_definition_has_the_fingerprint_of_the_one_that_was_written(provider):
    written = DEFINITIONS[provider]
    again = Definition.from_json(written.to_json())

    assert again.fingerprint == written.fingerprint == sha256(again.to_json().encode()).hexdigest()
    assert (again.table, again.ranks, again.awaits) == (
        written.table,
        written.ranks,
        written.awaits,
    )
    assert Definition.from_json(written.to_json().encode()).fingerprint == written.fingerprint


def test_a_recorded_definition_folds_as_the_one_that_was_written():
    events = rederived_events(recorded(*story("a")))
    view, again = (
        Folding.of(each, events).view()
        for each in (LAST_MILE, Definition.from_json(LAST_MILE.to_json()))
    )
    assert (view.path, view.awaiting, view.missing) == (again.path, again.awaiting, again.missing)


def test_what_is_laid_out_otherwise_is_the_same_definition():
    laid_out = json.dumps(json.loads(LAST_MILE.to_json()), indent=2)

    assert Definition.from_json(laid_out).fingerprint == LAST_MILE.fingerprint


def without(part: str) -> dict[str, Any]:
    parts = json.loads(LAST_MILE.to_json())
    del parts[part]
    return parts


def changed(**parts: Any) -> dict[str, Any]:
    return json.loads(LAST_MILE.to_json()) | parts


@pytest.mark.parametrize(
    "forged",
    [
        *map(without, json.loads(LAST_MILE.to_json())),
        {},
        [],
        None,
        changed(more=1),
        changed(name=None),
        changed(name="x" * 256),
        changed(states="requested"),
        changed(states=[]),
        changed(states=["a", "a"]),
        changed(states={"a": 1}),
        changed(moves=[["requested", "created"]]),
        changed(moves=[["*", "created", "created"]]),
        changed(moves=[[["requested"], "created", "created"]]),
        changed(moves=[["nowhere", "created", "created"]]),
        changed(terminal=[]),
        changed(terminal=["nowhere"]),
        changed(terminal=["delivered", "canceled", "delivered"]),
        changed(awaits=[]),
        changed(awaits={"requested": ["response"]}),
        changed(awaits={"requested": [["response"], [], [], [1]]}),
        changed(awaits={"nowhere": [[], [], [], []]}),
        changed(details=["a b", "__class__"]),
        changed(details=["_hidden"]),
        changed(details=[1]),
        changed(numbered=False),
        changed(numbered="yes"),
        changed(main_line=["delivering", "nowhere"]),
    ],
)
def test_what_no_definition_is_written_as_is_refused(forged):
    with pytest.raises(DefinitionError):
        Definition.from_json(json.dumps(forged))


@pytest.mark.parametrize("text", ["", "{", "\ud800", b"\xff", "[" * 100, '{"name":"a","name":"b"}'])
def test_what_is_no_strict_json_is_refused(text):
    with pytest.raises(DefinitionError, match="not strict JSON"):
        Definition.from_json(text)


@pytest.mark.parametrize("wrong", [None, 1, {}, [], LAST_MILE])
def test_what_is_no_text_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="the JSON of a definition"):
        Definition.from_json(wrong)
