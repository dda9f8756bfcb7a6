"""What every store of subscriptions promises. A store runs the suite with one line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifecycle.log.feed_store import (
    DROPPED,
    EPOCH,
    FeedStore,
    Handed,
    Letter,
    MovedOnError,
    SubscriptionPosition,
)

NOON = EPOCH + timedelta(days=20_000, microseconds=1)
LATER = NOON + timedelta(hours=1)


def letter(position: int, order_id: str = "xyz", **other) -> Letter:
    return Letter("notify", position, order_id, "why", **{"attempts": 1, "due_at": NOON} | other)


def handed(kept: Letter, **other) -> Handed:
    return Handed(*kept[:3], NOON, kept.attempts)._replace(**other)


def keep(store: FeedStore, *letters: Letter) -> None:
    """Park letters, one after the other, from where the subscription stands."""
    for each in letters:
        assert store.park(store.begin("notify", 0), each)


class FeedStoreContract:
    """Run by `class TestSomeFeeds(FeedStoreContract)`, which gives the fixture `store`."""

    def test_a_new_subscription_starts_at_the_given_position_and_later_at_its_own(
        self, store: FeedStore
    ):
        assert store.positions() == []
        assert store.letters("notify", 0, 10) == []
        assert store.handed("xyz", ("", 0), 10) == []
        assert store.begin("notify", 7) == 7
        assert store.begin("notify", 99) == 7
        assert store.begin("audit", 0) == 0
        assert store.positions() == [
            SubscriptionPosition("audit", 0, 0),
            SubscriptionPosition("notify", 7, 0),
        ]

    def test_a_position_moves_only_from_where_its_reader_found_it(self, store):
        store.begin("notify", 0)
        assert store.move("notify", 0, 5)
        assert not store.move("notify", 0, 9)
        assert store.begin("notify", 0) == 5

    def test_a_letter_is_kept_with_the_move_to_it_or_not_at_all(self, store):
        store.begin("notify", 0)
        kept = letter(4, "é \U0001f600 '\"", attempts=3, reader="host 1 2 3")
        assert store.park(0, kept)
        assert not store.park(0, kept._replace(position=6))
        assert store.letters("notify", 0, 10, all=True) == [kept]
        assert store.positions() == [SubscriptionPosition("notify", 4, 0, 1)]

    def test_letters_come_in_the_order_of_the_log_a_page_at_a_time(self, store):
        store.begin("other", 0)
        keep(store, *(letter(position, due_at=None) for position in (2, 5, 9)))
        assert [each.position for each in store.letters("notify", 0, 2)] == [2, 5]
        assert [each.position for each in store.letters("notify", 5, 2)] == [9]
        assert store.letters("other", 0, 2) == []

    def test_what_waits_behind_a_dead_letter_is_listed_with_it_and_what_is_retried_is_not(
        self, store
    ):
        dead, behind = letter(1, due_at=None), letter(3, due_at=EPOCH)
        retried, again = letter(2, "abc"), letter(4, "abc", due_at=EPOCH)
        keep(store, dead, retried, behind, again)
        assert store.letters("notify", 0, 9) == [dead, behind]
        assert store.letters("notify", 0, 9, all=True) == [dead, retried, behind, again]
        assert store.positions() == [SubscriptionPosition("notify", 4, 2, 2)]

    def test_an_order_waits_while_a_letter_of_it_does(self, store):
        kept = letter(1)
        keep(store, kept)
        assert store.waits("notify", "xyz")
        assert not store.waits("notify", "xy")
        assert not store.waits("other", "xyz")
        assert store.settle(kept, handed(kept))
        assert not store.settle(kept, handed(kept))
        assert not store.waits("notify", "xyz")

    def test_the_first_letter_of_an_order_is_due_once_its_time_has_come(self, store):
        first, second = letter(1, due_at=LATER), letter(2, due_at=EPOCH)
        keep(store, first, second, letter(3, "dead", due_at=None), letter(4, "now"))
        assert store.due("notify", NOON, 0, 9) == [letter(4, "now")]
        assert store.due("notify", LATER, 0, 9) == [first, letter(4, "now")]
        assert store.due("notify", LATER, 0, 1) == [first]
        assert store.due("notify", LATER, 1, 9) == [letter(4, "now")]
        store.settle(first, handed(first))
        assert store.due("notify", NOON, 0, 1) == [second]

    def test_what_is_in_the_hands_of_a_reader_is_found_before_it_is_due(self, store):
        held = letter(1, due_at=LATER, reader="host 1 2 3")
        keep(store, held)
        assert store.due("notify", NOON, 0, 9) == [held]
        assert store.due("other", NOON, 0, 9) == []

    @pytest.mark.parametrize("changed", [{"attempts": 2}, {"reader": "somebody"}])
    def test_a_letter_changes_only_from_what_its_reader_found(self, store, changed):
        kept = letter(1)
        keep(store, kept)
        after = kept._replace(reason="still", due_at=LATER, **changed)
        assert store.replace(kept, after)
        assert not store.replace(kept, after)
        assert not store.settle(kept, handed(kept))
        with pytest.raises(MovedOnError), store.settling(kept, handed(kept)):
            pass
        assert store.letters("notify", 0, 9, all=True) == [after]
        assert store.settle(after, handed(after))

    def test_a_transaction_settles_when_it_is_done_and_not_when_it_fails(self, store):
        kept = letter(1)
        keep(store, kept)
        with pytest.raises(ZeroDivisionError), store.settling(kept, handed(kept)):
            _ = 1 / 0
        assert store.waits("notify", "xyz")
        assert store.handed("xyz", ("", 0), 9) == []
        with store.settling(kept, handed(kept)):
            pass
        assert not store.waits("notify", "xyz")
        assert store.handed("xyz", ("", 0), 9) == [handed(kept)]

    def test_what_was_handed_over_is_kept_by_order_a_page_at_a_time(self, store):
        letters = [letter(position) for position in (1, 2, 5)]
        told = [
            handed(letters[0]),
            handed(letters[1], outcome=DROPPED, reason="é: the customer left"),
            handed(letters[2], attempts=7, handed_at=LATER),
        ]
        keep(store, *letters)
        for each, taken in zip(letters, told, strict=True):
            assert store.settle(each, taken)
        assert store.handed("xyz", ("", 0), 2) == told[:2]
        assert store.handed("xyz", told[1][:2], 2) == told[2:]
        assert store.handed("xy", ("", 0), 2) == []
