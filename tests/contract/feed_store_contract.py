"""What every store of subscriptions promises. A store runs the suite with one line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifecycle.log.feed_store import (
    DROPPED,
    EPOCH,
    Delivery,
    DeliveryRecord,
    FeedStore,
    MovedOnError,
    SubscriptionPosition,
)

NOON = EPOCH + timedelta(days=20_000, microseconds=1)
LATER = NOON + timedelta(hours=1)


def delivery(position: int, order_id: str = "xyz", **other) -> Delivery:
    return Delivery("notify", position, order_id, "why", **{"attempts": 1, "due_at": NOON} | other)


def record(kept: Delivery, **other) -> DeliveryRecord:
    return DeliveryRecord(*kept[:3], NOON, kept.attempts)._replace(**other)


def keep(store: FeedStore, *deliveries: Delivery) -> None:
    """Park deliveries, one after the other, from where the subscription stands."""
    for each in deliveries:
        assert store.enqueue(store.begin("notify", 0), each)


class FeedStoreContract:
    """Run by `class TestSomeFeeds(FeedStoreContract)`, which gives the fixture `store`."""

    def test_a_new_subscription_starts_at_the_given_position_and_later_at_its_own(
        self, store: FeedStore
    ):
        assert store.positions() == []
        assert store.undelivered("notify", 0, 10) == []
        assert store.delivered("xyz", ("", 0), 10) == []
        assert store.begin("notify", 7) == 7
        assert store.begin("notify", 99) == 7
        assert store.begin("audit", 0) == 0
        assert store.positions() == [
            SubscriptionPosition("audit", 0, 0),
            SubscriptionPosition("notify", 7, 0),
        ]

    def test_a_position_moves_only_from_where_its_reader_found_it(self, store):
        store.begin("notify", 0)
        assert store.advance("notify", 0, 5)
        assert not store.advance("notify", 0, 9)
        assert store.begin("notify", 0) == 5

    def test_a_delivery_is_kept_with_the_move_to_it_or_not_at_all(self, store):
        store.begin("notify", 0)
        kept = delivery(4, "é \U0001f600 '\"", attempts=3, reader="host 1 2 3")
        assert store.enqueue(0, kept)
        assert not store.enqueue(0, kept._replace(position=6))
        assert store.undelivered("notify", 0, 10, all=True) == [kept]
        assert store.positions() == [SubscriptionPosition("notify", 4, 0, 1)]

    def test_deliveries_come_in_the_order_of_the_log_a_page_at_a_time(self, store):
        store.begin("other", 0)
        keep(store, *(delivery(position, due_at=None) for position in (2, 5, 9)))
        assert [each.position for each in store.undelivered("notify", 0, 2)] == [2, 5]
        assert [each.position for each in store.undelivered("notify", 5, 2)] == [9]
        assert store.undelivered("other", 0, 2) == []

    def test_what_a_dead_letter_blocks_is_listed_with_it_and_what_is_retried_is_not(self, store):
        dead, behind = delivery(1, due_at=None), delivery(3, due_at=EPOCH)
        retried, again = delivery(2, "abc"), delivery(4, "abc", due_at=EPOCH)
        keep(store, dead, retried, behind, again)
        assert store.undelivered("notify", 0, 9) == [dead, behind]
        assert store.undelivered("notify", 0, 9, all=True) == [dead, retried, behind, again]
        assert store.positions() == [SubscriptionPosition("notify", 4, 2, 2)]

    def test_an_order_waits_while_a_delivery_of_it_does(self, store):
        kept = delivery(1)
        keep(store, kept)
        assert store.has_undelivered("notify", "xyz")
        assert not store.has_undelivered("notify", "xy")
        assert not store.has_undelivered("other", "xyz")
        assert store.settle(kept, record(kept))
        assert not store.settle(kept, record(kept))
        assert not store.has_undelivered("notify", "xyz")

    def test_all_that_is_not_delivered_of_an_order_is_found_by_subscription_and_position(
        self, store
    ):
        assert store.undelivered_of("xyz") == []
        dead, behind, other = delivery(1, due_at=None), delivery(5), delivery(3, "xy")
        keep(store, dead, other, behind)
        store.begin("mail", 0)
        mailed = delivery(4)._replace(subscription="mail")
        assert store.enqueue(0, mailed)
        assert store.undelivered_of("xyz") == [mailed, dead, behind]
        assert store.undelivered_of("x") == []

    def test_the_first_delivery_of_an_order_is_due_once_its_time_has_come(self, store):
        first, second = delivery(1, due_at=LATER), delivery(2, due_at=EPOCH)
        keep(store, first, second, delivery(3, "dead", due_at=None), delivery(4, "now"))
        assert store.due("notify", NOON, 0, 9) == [delivery(4, "now")]
        assert store.due("notify", LATER, 0, 9) == [first, delivery(4, "now")]
        assert store.due("notify", LATER, 0, 1) == [first]
        assert store.due("notify", LATER, 1, 9) == [delivery(4, "now")]
        store.settle(first, record(first))
        assert store.due("notify", NOON, 0, 1) == [second]

    def test_what_is_in_progress_is_found_before_it_is_due(self, store):
        held = delivery(1, due_at=LATER, reader="host 1 2 3")
        keep(store, held)
        assert store.due("notify", NOON, 0, 9) == [held]
        assert store.due("other", NOON, 0, 9) == []

    @pytest.mark.parametrize("changed", [{"attempts": 2}, {"reader": "somebody"}])
    def test_a_delivery_changes_only_from_what_its_reader_found(self, store, changed):
        kept = delivery(1)
        keep(store, kept)
        after = kept._replace(reason="still", due_at=LATER, **changed)
        assert store.replace(kept, after)
        assert not store.replace(kept, after)
        assert not store.settle(kept, record(kept))
        with pytest.raises(MovedOnError), store.settling(kept, record(kept), 60):
            pass
        assert store.undelivered("notify", 0, 9, all=True) == [after]
        assert store.settle(after, record(after))

    def test_a_transaction_settles_when_it_is_done_and_not_when_it_fails(self, store):
        kept = delivery(1)
        keep(store, kept)
        with pytest.raises(ZeroDivisionError), store.settling(kept, record(kept), 60):
            _ = 1 / 0
        assert store.has_undelivered("notify", "xyz")
        assert store.delivered("xyz", ("", 0), 9) == []
        with store.settling(kept, record(kept), 60):
            pass
        assert not store.has_undelivered("notify", "xyz")
        assert store.delivered("xyz", ("", 0), 9) == [record(kept)]

    def test_what_was_delivered_is_kept_by_order_a_page_at_a_time(self, store):
        deliveries = [delivery(position) for position in (1, 2, 5)]
        told = [
            record(deliveries[0]),
            record(deliveries[1], outcome=DROPPED, reason="é: the customer left"),
            record(deliveries[2], attempts=7, at=LATER),
        ]
        keep(store, *deliveries)
        for each, taken in zip(deliveries, told, strict=True):
            assert store.settle(each, taken)
        assert store.delivered("xyz", ("", 0), 2) == told[:2]
        assert store.delivered("xyz", told[1][:2], 2) == told[2:]
        assert store.delivered("xy", ("", 0), 2) == []

    def test_old_records_are_pruned_a_page_at_a_time_and_the_rest_stay(self, store):
        assert store.prune(LATER, 9) == 0
        deliveries = [delivery(position) for position in (1, 2, 5)]
        keep(store, *deliveries)
        for each, at in zip(deliveries, (NOON, NOON, LATER), strict=True):
            assert store.settle(each, record(each, at=at))
        assert store.prune(NOON, 9) == 0
        assert [store.prune(LATER, 1) for _ in range(3)] == [1, 1, 0]
        assert store.delivered("xyz", ("", 0), 9) == [record(deliveries[2], at=LATER)]
