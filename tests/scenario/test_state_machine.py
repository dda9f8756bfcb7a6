"""The log in the large: thousands of steps of a state machine, no wrong answer.

Twenty thousand are a long test. The machine stands in `tests/state_machine.py`; a million
steps and more are a command: `campaigns/state_machine.py`. The controls break one thing each,
and each must be caught.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from msgspec import structs

from lifecycle.audit.export import export
from lifecycle.composition import connect
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Reading
from lifecycle.log.cipher import Cipher
from lifecycle.log.stores.sql.keys import TableKeys
from lifecycle.providers.instacart import Instacart
from tests import state_machine
from tests.state_machine import DEV, LogMachine, figures, run, walk

ROOT = Path(__file__).parents[2]
QUICK = settings(DEV, phases=[Phase.generate])


@pytest.mark.parametrize(
    ("first", "wanted"),
    [(0, 1000), *(pytest.param(1000 * n, 5000, marks=pytest.mark.long) for n in range(4))],
)
def test_every_view_is_right_after_each_of_thousands_of_steps(first, wanted):
    before = figures.copy()
    *_, (_, made) = walk(wanted, first=first)
    assert made >= wanted
    steps = figures - before
    events = ("append", "reorder", "duplicate", "divergent", "rubbish")
    accidents = ("crash", "reopen", "rebuild")
    assert min(steps[name] for name in events + accidents) > wanted / 100, steps
    assert steps["erase"] > wanted / 400, steps  # only half of the logs are encrypted


def test_a_fold_that_never_sorts_again_is_caught(monkeypatch):
    """A positive control."""

    def only_step(folding, event):
        if folding._count(event) and folding._counted[event.key] is event:
            folding._insert(event, (2, len(folding._places)))

    monkeypatch.setattr(Folding, "add", only_step)
    with pytest.raises(AssertionError):
        run(LogMachine, 1, QUICK)


def test_a_crash_that_loses_what_was_acknowledged_is_caught():
    """A positive control: what stands in the write-ahead log alone is gone."""

    class Forgetful(LogMachine):
        def after_crash(self, file):
            found = self.new_file()
            shutil.copy(file, found)
            return found

    with pytest.raises(Exception, match=r"no event about order|should be|assert|no log of this"):
        run(Forgetful, 1, QUICK)


def test_an_export_that_leaves_something_out_is_caught(monkeypatch):
    """A positive control."""

    def without_the_last(log, **options):
        yield from list(export(log, **options))[:-1]

    monkeypatch.setattr(state_machine, "export", without_the_last)
    with pytest.raises(AssertionError, match="the rebuilt log holds"):
        run(LogMachine, 1, QUICK)


def test_a_log_that_takes_every_repeat_for_a_new_event_is_caught(monkeypatch):
    """A positive control."""

    class Restless(Instacart):
        @cached_property
        def seen(self):
            return Counter()

        def read(self, arrival, body):
            found = super().read(arrival, body)
            if not isinstance(found, Reading) or found.event_id is None:
                return found
            self.seen[found.event_id] += 1
            count = self.seen[found.event_id]
            again = structs.replace(found, event_id=f"{found.event_id}:{count}")
            return found if count == 1 else again

    def connected(url, **how):
        return connect(url, provider=Restless(), **how)

    monkeypatch.setattr(state_machine, "connect", connected)
    with pytest.raises(AssertionError, match="where it should be"):
        run(LogMachine, 1, QUICK)


def test_an_erasure_after_which_an_order_is_still_shown_is_caught(monkeypatch):
    """A positive control."""
    monkeypatch.setattr(Cipher, "_forget", lambda self, key_ids: None)
    monkeypatch.setattr(TableKeys, "destroy", lambda self, key_ids: None)
    with pytest.raises(AssertionError):
        run(LogMachine, 1, QUICK)


@pytest.mark.long
def test_the_campaign_is_one_command_that_prints_its_figures():
    command = ROOT / "campaigns" / "state_machine.py"
    done = subprocess.run(
        [sys.executable, command, "--steps", "1", "--seed", "7"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    first, *by_name = done.stdout.splitlines()
    assert re.fullmatch(r"[\d,]+ steps in \d+ s, 0 differences", first)
    assert {line.split()[0] for line in by_name} >= {"append", "crash", "rebuild", "reopen"}
    assert "steps, " in done.stderr
