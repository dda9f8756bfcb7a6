"""A part that a provider lacks, or offers wrongly, is an error that names it, for every command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from lifecycle.errors import InvalidArgumentError
from lifecycle.registry import PARTS, part_of
from tests.scenario.command_line import run

WHOLE = """
from lifecycle.core.definition import Definition
from lifecycle.core.provider import PlainProvider

TAKEN = Definition.write("bare", states=("a", "b"), moves=[], terminal=("b",))
PROVIDER = PlainProvider("bare", TAKEN, lambda arrival, body: None)
"""
WRONG: dict[str, str] = {
    "nothing in it": "",
    "another type": "CLIENT = RECEIVER = SIMULATED = SAMPLE_ORDERS = recordings_for = ['a list']",
    "a class": "class CLIENT: pass\nRECEIVER = SIMULATED = SAMPLE_ORDERS = CLIENT",
    "one that lies about its class": (
        "class Liar:\n    __class__ = property(lambda self: 1 / 0)\n    def __hash__(self): 1 / 0\n"
        "CLIENT = RECEIVER = SIMULATED = SAMPLE_ORDERS = recordings_for = Liar()"
    ),
    "raises": "raise RuntimeError('personal')",
    "raises when asked": "def __getattr__(name): raise RuntimeError('personal')",
    "leaves": "import sys; sys.exit(3)",
    "no Python": "def (",
    "needs what is not there": "import no_such_module_at_all",
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": ("serve", "--port", "0"),
    "simulate": ("simulate", "--port", "0"),
    "reconcile": ("reconcile",),
    "resume": ("resume",),
}
PART_OF = {"serve": "receiver", "simulate": "simulator", "reconcile": "client", "resume": "client"}


@pytest.fixture
def package(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what writes a package, and returns how its provider is named."""

    def written(**modules: str) -> str:
        folder = tmp_path / "bare_package"
        folder.mkdir()
        (folder / "__init__.py").write_text(WHOLE)
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return "bare_package:PROVIDER"

    for name in [name for name in sys.modules if name.startswith("bare_package")]:
        monkeypatch.delitem(sys.modules, name)
    return written


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith("bare_package")]:
        del sys.modules[name]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_not_there_is_named(part: str, package: Callable[..., str]) -> None:
    with pytest.raises(InvalidArgumentError, match="one that has") as refused:
        part_of(package(), part)
    assert "bare_package:PROVIDER" in str(refused.value)
    forget()


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_wrong_is_named(part: str, wrong: str, package: Callable[..., str]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"module {part} ") as refused:
        part_of(package(**{part: WRONG[wrong]}), part)
    assert "personal" not in str(refused.value)
    forget()


def test_an_interrupt_is_nobodys_mistake(package: Callable[..., str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        part_of(package(client="raise KeyboardInterrupt"), "client")
    forget()


def test_a_simulator_that_records_nothing_is_no_recordings(package: Callable[..., str]) -> None:
    text = """
from dataclasses import replace
from lifecycle.providers.uber_direct.simulator import SIMULATED as THEIRS
SIMULATED = replace(THEIRS, recorded=None)
"""
    with pytest.raises(InvalidArgumentError, match="one that has recordings"):
        part_of(package(simulator=text), "recordings")
    forget()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("text", [None, "", "CLIENT = RECEIVER = SIMULATED = []"])
def test_a_command_that_lacks_its_part_says_which_and_exits_with_2(
    command: str, text: str | None, tmp_path: Any, package: Callable[..., str]
) -> None:
    modules = {} if text is None else {PART_OF[command]: text}
    named = package(**modules)
    answer = run(*COMMANDS[command], "--provider", named, cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert PART_OF[command] in answer.err
    assert "Traceback" not in answer.err
    forget()


@pytest.mark.parametrize("given", ["", ":", "a:", ":a", "no_such:A", "json:dumps", "json:no.such"])
def test_a_name_of_nothing_usable_is_a_sentence(given: str, tmp_path: Any) -> None:
    answer = run("simulate", "--provider", given, cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err


def test_every_shipped_provider_offers_what_the_commands_need() -> None:
    for provider in ("instacart", "doordash_drive", "uber_direct"):
        for part in PARTS:
            assert not isinstance(part_of(provider, part), ModuleType)
