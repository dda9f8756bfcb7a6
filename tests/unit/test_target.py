"""What a user may ask to check: every form is taken as it is, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import SimpleNamespace
from typing import Any

import pytest

from lifecycle import Definition, DefinitionError, InvalidArgumentError
from lifecycle.core.definition import Written
from lifecycle.proof.quotient import FunctionFold
from lifecycle.proof.target import target_of, written_in

MOVES = [{"trigger": "shut", "source": "open", "dest": "shut"}]
PARTS: dict[str, Any] = {"states": ("open", "shut"), "moves": MOVES, "terminal": ("shut",)}
SHOP = Definition.write("shop", **PARTS)
WRITTEN = Written("shop", **PARTS)
LATEST = FunctionFold("the latest", (1, 2), 0, lambda _, event: event)


class Callable_(FunctionFold):  # noqa: N801 - a name that says what it is
    """A fold over arrivals that can also be called."""

    def __call__(self) -> Definition:
        return SHOP


class Forgotten:
    """A fold over arrivals whose class has all parts too."""

    name, alphabet, initial = "forgotten", (1, 2), 0

    def step(self, state: Any, event: Any) -> Hashable:
        return 0

    def output(self, state: Any) -> Hashable:
        return state


class Provider:
    """A provider, which has a definition."""

    definition = SHOP


@pytest.mark.parametrize("given", [SHOP, WRITTEN, LATEST], ids=["built", "written", "fold"])
def test_a_valid_definition_is_accepted_in_any_form(given: Any) -> None:
    assert target_of(given, "mine:IT") is given
    assert target_of(lambda: given, "mine:IT") is given


def test_a_fold_that_can_be_called_is_not_called_but_a_class_is() -> None:
    callable_ = Callable_("callable", (1,), 0, lambda _, event: event)
    assert target_of(callable_, "mine:IT") is callable_
    assert isinstance(target_of(Forgotten, "mine:IT"), Forgotten)


SHOP_OWNER = Provider()


@pytest.mark.parametrize("given", [Provider, SHOP_OWNER, lambda: SHOP_OWNER])
def test_the_definition_of_a_provider_is_checked(given: Any) -> None:
    assert target_of(given, "mine:IT") is SHOP


def test_a_mapping_is_what_is_written_and_gets_a_name_only_if_it_has_none() -> None:
    assert target_of(PARTS, "mine:IT") == Written("mine:IT", **PARTS)
    assert target_of({**PARTS, "name": "shop"}, "mine:IT") == WRITTEN
    assert target_of(lambda: PARTS, "mine:IT") == Written("mine:IT", **PARTS)


def test_a_mapping_of_something_else_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        target_of({"states": ("open",), "doors": 2}, "mine:IT")
    assert str(refused.value) == (
        "mine:IT cannot be used; expected a mapping of what Definition.write takes"
    )


@pytest.mark.parametrize(
    "given",
    [7, None, "shop", SimpleNamespace(definition="shop"), lambda: 7, lambda: lambda: SHOP],
    ids=["number", "none", "text", "no definition", "makes a number", "makes a function"],
)
def test_anything_else_is_refused_with_the_forms_that_are_taken(given: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        target_of(given, "mine:IT")
    assert str(refused.value) == (
        "mine:IT cannot be used; expected a Definition, a Written, a mapping of what "
        "Definition.write takes, a fold over arrivals, a provider, or a function that returns "
        "one of these"
    )


def refusing(written: object) -> Callable[[], Any]:
    def build() -> Any:
        raise DefinitionError("shop", ("all wrong",), written)

    return build


def test_a_definition_that_cannot_be_built_is_checked_as_written() -> None:
    assert target_of(refusing(WRITTEN), "mine:IT") is WRITTEN
    with pytest.raises(DefinitionError, match="all wrong"):
        target_of(refusing(None), "mine:IT")
    assert written_in(DefinitionError("shop", (), WRITTEN)) is WRITTEN
    assert written_in(DefinitionError("shop", (), PARTS)) is None
