"""The checkouts of the examples, while their provider is out of reach or fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.test_examples import EXAMPLES, ROOT
from tests.http.scripted import Scripted, answer, drop

CHECKOUTS = [example for example in EXAMPLES if "_checkout" in example.name]


def answers_of(example: Path, url: str) -> list[list[str]]:
    """Return what customers are answered: the status, what they read, and that of their order."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "examples" / "failing_provider.py", example, url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    return [[line[:3], line[4:-4], line[-3:]] for line in lines]


@pytest.mark.parametrize("example", CHECKOUTS, ids=lambda example: example.stem)
def test_the_checkout_continues_without_a_provider(example):
    with Scripted(listening=False) as nobody:
        for status, told, seen in answers_of(example, nobody.url):
            assert (status, "working on it" in told, seen) == ("200", True, "404")


@pytest.mark.parametrize("example", CHECKOUTS, ids=lambda example: example.stem)
def test_the_checkout_goes_on_whatever_a_provider_in_trouble_answers(example):
    with Scripted() as server:
        server.on("create", answer(503), answer(429), drop()).always("get", answer(503))
        for status, told, seen in answers_of(example, server.url):
            assert (status, "working on it" in told, seen) == ("200", True, "200")
        assert server.count("create") == 3, "what may have been made was not sent again"
