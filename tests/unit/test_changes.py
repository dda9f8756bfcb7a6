"""What an event says it changed, added one at a time: the two paths compared, and no view made."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from lifecycle import Change, Folding
from lifecycle.core.event import Event
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.testing import event

WORDS = ("created", "brand_new", "rescheduled", "acknowledged", "at_store", "delivered", "canceled")


def drawn(seed: int) -> list[Event]:
    """Return events in a drawn order: some undated, some repeated, some with a rival content."""
    random = Random(seed)
    events = [
        event(random.choice(WORDS), random.choice((None, 0, 60, 120, 180, 240))) for _ in range(9)
    ]
    rivals = [
        event(random.choice(WORDS), 90 * number, key=other.key)
        for number, other in enumerate(random.sample(events, 2))
    ]
    events += [*rivals, *random.choices(events, k=2)]
    random.shuffle(events)
    return events


def changes(events: list[Event]) -> list[tuple[Change | None, Change | None]]:
    """Return what each event said that it changed, beside the two paths compared."""
    folding, found = Folding(LAST_MILE), []
    for each in events:
        before = folding.path
        found.append((folding.add(each), Change.between(before, folding.path, each.key)))
    return found


@pytest.mark.parametrize("seed", range(200))
def test_an_event_says_what_a_comparison_of_the_two_paths_shows(seed):
    found = changes(drawn(seed))

    assert [said for said, _ in found] == [compared for _, compared in found]


def test_every_order_of_four_steps_says_what_the_paths_show():
    steps = [event("brand_new", 0), event("acknowledged", 60), event("at_store", 120)]
    for some in permutations([*steps, event("delivered", 180)]):
        found = changes(list(some))

        assert [said for said, _ in found] == [compared for _, compared in found]
        assert found[0][0] == Change(None, some[0].name, some[0].key, corrected=False)


def test_a_late_event_corrects_and_the_next_one_continues():
    folding = Folding(LAST_MILE)
    folding.add(event("at_store", 120))
    late, last = event("brand_new", 0), event("delivered", 240)

    assert folding.add(late) == Change("at_store", "at_store", late.key, corrected=True)
    assert folding.add(last) == Change("at_store", "delivered", last.key, corrected=False)
    assert folding.add(last) is None


def test_a_step_back_before_a_repeated_state_corrects_what_was_told_of_the_steps_after_it():
    told = [event("at_store", 0), event("at_store", 120), event("delivering", 180)]
    folding, back = Folding.of(LAST_MILE, told), event("acknowledged", 60)

    assert folding.add(back) == Change("delivering", "delivering", back.key, corrected=True)
