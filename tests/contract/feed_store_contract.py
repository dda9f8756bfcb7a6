"""What every store of subscriptions promises. A store runs the suite with one line."""

from __future__ import annotations

import pytest

from lifecycle.log.feed_store import DeadLetter, FeedStore, MovedOnError, SubscriptionPosition


class FeedStoreContract:
    """Run by `class TestSomeFeeds(FeedStoreContract)`, which gives the fixture `store`."""

    def test_a_new_subscription_starts_at_the_given_position_and_later_at_its_own(
        self, store: FeedStore
    ):
        assert store.positions() == []
        assert store.letters("notify", 0, 10) == []
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

    def test_a_transaction_moves_the_position_when_it_is_done(self, store):
        store.begin("notify", 0)
        with store.moving("notify", 0, 5):
            pass
        assert store.begin("notify", 0) == 5

    def test_a_transaction_that_fails_moves_nothing(self, store):
        store.begin("notify", 0)
        with pytest.raises(ZeroDivisionError), store.moving("notify", 0, 5):
            _ = 1 / 0
        assert store.begin("notify", 0) == 0

    def test_a_transaction_from_elsewhere_is_refused(self, store):
        store.begin("notify", 3)
        with pytest.raises(MovedOnError), store.moving("notify", 2, 5):
            pass
        assert store.begin("notify", 0) == 3

    def test_a_letter_is_kept_with_the_move_to_it_or_not_at_all(self, store):
        store.begin("notify", 0)
        letter = DeadLetter(4, "é \U0001f600 '\"", "the handler raised ValueError", 3)
        assert store.park("notify", 0, letter)
        assert not store.park("notify", 0, letter._replace(position=6))
        assert store.letters("notify", 0, 10) == [letter]
        assert store.positions() == [SubscriptionPosition("notify", 4, 1)]

    def test_letters_come_in_the_order_of_the_log_a_page_at_a_time(self, store):
        store.begin("notify", 0)
        store.begin("other", 0)
        for before, position in [(0, 2), (2, 5), (5, 9)]:
            assert store.park("notify", before, DeadLetter(position, "xyz", "why", 1))
        assert [letter.position for letter in store.letters("notify", 0, 2)] == [2, 5]
        assert [letter.position for letter in store.letters("notify", 5, 2)] == [9]
        assert store.letters("other", 0, 2) == []

    def test_an_order_waits_while_a_letter_of_it_does(self, store):
        store.begin("notify", 0)
        store.park("notify", 0, DeadLetter(1, "xyz", "why", 1))
        assert store.waits("notify", "xyz")
        assert not store.waits("notify", "xy")
        assert store.drop("notify", 1)
        assert not store.drop("notify", 1)
        assert not store.waits("notify", "xyz")

    def test_a_letter_is_dropped_with_what_its_handler_wrote(self, store):
        store.begin("notify", 0)
        store.park("notify", 0, DeadLetter(1, "xyz", "why", 1))
        with pytest.raises(ZeroDivisionError), store.dropping("notify", 1):
            _ = 1 / 0
        assert store.waits("notify", "xyz")
        with store.dropping("notify", 1):
            pass
        assert not store.waits("notify", "xyz")
        with pytest.raises(MovedOnError), store.dropping("notify", 1):
            pass

    def test_further_transfers_of_leadership_are_counted(self, store):
        store.begin("notify", 0)
        store.park("notify", 0, DeadLetter(1, "xyz", "why", 1))
        store.retried("notify", 1, "still", 3)
        assert store.letters("notify", 0, 1) == [DeadLetter(1, "xyz", "still", 4)]
