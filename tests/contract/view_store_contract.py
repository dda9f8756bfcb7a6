"""What every store of views promises, whatever database. A store runs it with one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Barrier, Thread

import pytest

from lifecycle.log.contract import Log
from lifecycle.log.view_store import (
    Batch,
    Conditions,
    Generation,
    Heard,
    Phase,
    Poisoned,
    StoredView,
    ViewStore,
)

NAMES = ("b", "a", "B", "é", "z", "\U0001f600", "aa", "10", "9", "%", "_", "'", '"; --', "x" * 255)


def new(provider: str = "instacart", position: int = 0, definition: str = "one") -> Generation:
    return Generation(0, provider, definition, 1, "0.1.0", Phase.WALKING, "", position)


def view(order_id: str = "xyz", version: int = 1, **columns: object) -> StoredView:
    made = StoredView(
        order_id, "created", False, "brand_new canceled", 10, 0, 5, 20, 1, 1, "d", b"{}"
    )
    return made._replace(version=version, position=version, **columns)


class ViewStoreContract:
    """Run by `class TestSomeViews(ViewStoreContract)`, which says how to open a log."""

    def open(self, folder: Path) -> Log:
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = self.open(tmp_path)
        yield log
        log.close()

    @pytest.fixture
    def store(self, log: Log) -> ViewStore:
        assert log.views is not None
        return log.views

    @pytest.fixture
    def live(self, store: ViewStore) -> Generation:
        """A generation in use, empty."""
        return self.published(store, new())

    def published(self, store: ViewStore, made: Generation) -> Generation:
        store.create()
        assert store.begin(made)
        for phase in (Phase.TRAILING, Phase.LIVE):
            assert store.promote(self.newest(store, made.provider), phase)
        return self.newest(store, made.provider)

    def newest(self, store: ViewStore, provider: str = "instacart") -> Generation:
        return store.generations(provider)[-1]

    def found(self, store: ViewStore, live: Generation, **wanted: object) -> list[str]:
        return [one.order_id for one in store.find(live, Conditions(**wanted), "", 1000)]

    # Those first of which was heard last

    def test_the_order_heard_of_last_comes_first_and_every_page_goes_on_from_the_one_before(
        self, store, live
    ):
        random, names = Random(7), list(NAMES)
        views = [view(name, last_received_at=random.randrange(-3, 4)) for name in names]
        assert store.write(live, Batch(views, position=1))
        expected = sorted(views, key=lambda each: (each.last_received_at, each.order_id.encode()))
        found, before = [], Heard(2**63 - 1, "")
        while page := store.recent(live, before, 3):
            found += page
            before = page[-1].heard
        assert found == expected[::-1]

    def test_views_are_counted_by_their_status(self, store, live):
        views = [view("a"), view("b"), view("c", status="delivered")]
        assert store.write(live, Batch(views, position=1))
        assert store.write(self.published(store, new("other")), Batch([view("d")], position=1))
        assert store.count_by_status(live) == {"created": 2, "delivered": 1}
        assert store.write(live, Batch([view("a", 2, status="delivered")], gone=["b"], position=2))
        assert store.count_by_status(store.generations("instacart")[0]) == {"delivered": 2}
        assert store.count_by_status(live._replace(number=999)) == {}

    # Generations

    def test_nothing_is_there_before_it_is_created(self, store):
        assert store.generations("instacart") == []

    def test_creating_twice_is_creating_once(self, store):
        store.create()
        store.create()
        assert store.generations("instacart") == []

    def test_a_generation_begins_as_it_is_given_with_a_number_of_its_own(self, store):
        store.create()
        assert store.begin(new(position=7))
        assert store.begin(new("other"))

        (ours,), (theirs,) = store.generations("instacart"), store.generations("other")
        assert ours == new(position=7)._replace(number=ours.number)
        assert ours.number != theirs.number

    def test_only_one_generation_of_a_provider_is_built_at_a_time(self, store):
        store.create()
        assert store.begin(new())
        assert not store.begin(new())
        store.promote(self.newest(store), Phase.TRAILING)
        assert not store.begin(new())
        store.promote(self.newest(store), Phase.LIVE)
        assert store.begin(new())

    def test_a_live_generation_retires_the_one_before_it_and_no_other_s(self, store):
        other = self.published(store, new("other"))
        first = self.published(store, new())
        second = self.published(store, new())

        assert [(one.number, one.phase) for one in store.generations("instacart")] == [
            (first.number, Phase.RETIRED),
            (second.number, Phase.LIVE),
        ]
        assert store.generations("other") == [other]

    def test_a_phase_is_given_once(self, store):
        store.create()
        store.begin(new())
        read = self.newest(store)
        assert store.promote(read, Phase.TRAILING)
        assert not store.promote(read, Phase.TRAILING)

    def test_a_retired_generation_is_swept_piece_by_piece_and_its_number_is_not_used_again(
        self, store
    ):
        old = self.published(store, new())
        store.write(old, Batch([view(str(n)) for n in range(5)], [Poisoned("p", "why")]))
        self.published(store, new())
        retired = store.generations("instacart")[0]

        pieces = 0
        while store.sweep(retired, 2):
            pieces += 1

        assert pieces == 3
        assert [one.phase for one in store.generations("instacart")] == [Phase.LIVE]
        assert store.find(retired, Conditions(), "", 10) is None
        assert store.between(retired, "", None) == []
        assert store.poisoned(retired, "", 10) == []
        assert not store.sweep(retired, 2)
        assert self.published(store, new()).number > old.number + 1

    # Writing

    def test_views_come_back_as_they_were(self, store, live):
        odd = view("xyz", 3, waiting_since=-(10**15), body=bytes(range(256)), terminal=True)

        assert store.write(live, Batch([odd], position=3))

        assert store.find(live, Conditions(), "", 10) == [odd]
        assert self.newest(store).position == 3

    def test_a_later_version_replaces_an_earlier_one_and_not_the_reverse(self, store, live):
        store.write(live, Batch([view(version=2, status="new")], position=2))
        store.write(live, Batch([view(version=1, status="old")], position=3))
        assert store.find(live, Conditions(), "", 10)[0].status == "new"

        store.write(live, Batch([view(version=2, status="mended")], position=4))
        assert store.find(live, Conditions(), "", 10)[0].status == "mended"

    def test_the_position_only_ever_grows_and_the_views_are_written_with_it_or_not_at_all(
        self, store, live
    ):
        assert store.write(live, Batch([view("a")], position=5))
        for position in (5, 4, 0):
            batch = Batch([view("b")], [Poisoned("a", "why")], position=position)
            assert not store.write(live, batch)

        assert self.found(store, live) == ["a"]
        assert self.newest(store).position == 5

    def test_a_walk_goes_on_from_where_it_was_read_or_not_at_all(self, store):
        store.create()
        store.begin(new())
        read = self.newest(store)
        assert store.write(read, Batch([view("a")], walked="a"))
        assert not store.write(read, Batch([view("b")], walked="b"))

        assert self.newest(store).walked == "a"
        assert [one.order_id for one in store.between(read, "", None)] == ["a"]

    def test_repairing_in_place_yields_to_a_concurrent_writer(self, store, live):
        store.write(live, Batch(poisoned=[Poisoned("a", "why")], position=5))
        assert not store.write(live, Batch([view("a")]))
        assert store.write(self.newest(store), Batch([view("a")]))

        assert store.poisoned(live, "", 10) == []
        assert self.newest(store).position == 5

    def test_nothing_is_written_to_what_was_promoted_or_swept(self, store, live):
        assert not store.write(live._replace(phase=Phase.TRAILING), Batch([view()], position=1))
        self.published(store, new())
        assert not store.write(live, Batch([view()], position=1))
        retired = store.generations("instacart")[0]
        while store.sweep(retired, 10):
            continue
        assert not store.write(retired, Batch([view()], position=1))

    def test_a_poisoned_order_has_no_view_and_a_healed_one_no_error(self, store, live):
        store.write(live, Batch([view("a"), view("b")], position=1))
        store.write(live, Batch(poisoned=[Poisoned("a", "first"), Poisoned("c", "x")], position=2))
        assert self.found(store, live) == ["b"]
        assert store.poisoned(live, "", 10) == [Poisoned("a", "first"), Poisoned("c", "x")]
        assert store.poisoned(live, "a", 10) == [Poisoned("c", "x")]

        store.write(live, Batch(poisoned=[Poisoned("a", "second")], position=3))
        assert store.poisoned(live, "", 1) == [Poisoned("a", "second")]
        store.write(live, Batch([view("a")], gone=["c"], position=4))
        assert (self.found(store, live), store.poisoned(live, "", 10)) == (["a", "b"], [])

    def test_an_order_that_is_gone_leaves_nothing(self, store, live):
        store.write(live, Batch([view("a"), view("b")], position=1))
        store.write(live, Batch(gone=["a", "nobody"], position=2))
        assert self.found(store, live) == ["b"]

    def test_exactly_one_of_many_writers_moves_the_position(self, store, live):
        ready, won = Barrier(8), []

        def write(number: int) -> None:
            ready.wait()
            if store.write(live, Batch([view(str(number))], position=1)):
                won.append(str(number))

        threads = [Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert self.found(store, live) == won

    # Finding

    def test_orders_are_found_by_code_point_page_by_page(self, store, live):
        store.write(live, Batch([view(name) for name in NAMES], position=1))
        pages, after = [], ""
        while page := store.find(live, Conditions(), after, 4):
            pages += [one.order_id for one in page]
            after = page[-1].order_id

        assert pages == sorted(NAMES)
        between = store.between(live, sorted(NAMES)[2], sorted(NAMES)[5])
        assert [one.order_id for one in between] == sorted(NAMES)[3:6]

    def test_generations_do_not_mix(self, store):
        old = self.published(store, new())
        store.write(old, Batch([view("a")], position=1))
        fresh = self.published(store, new())
        store.write(fresh, Batch([view("b")], position=1))
        assert self.found(store, old) == ["a"]
        assert self.found(store, fresh) == ["b"]

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"status": "created"}, ["c", "d"]),
            ({"waiting_before": 11}, ["c"]),
            ({"waiting_before": 10}, []),
            ({"waiting_before": 2**63 - 1}, ["c", "e"]),
            ({"waiting_before": -(2**63)}, []),
            ({"anomalies": True}, ["d", "e"]),
            ({"received_since": 30}, ["d", "e"]),
            ({"received_before": 30}, ["c"]),
            ({"received_since": 30, "received_before": 31}, ["d"]),
            ({"status": "created", "anomalies": True}, ["d"]),
            ({"status": "created", "waiting_before": 99}, ["c"]),
            ({"anomalies": True, "waiting_before": 99}, ["e"]),
            ({"status": "' OR 1=1 --"}, []),
        ],
        ids=str,
    )
    def test_conditions_must_all_hold(self, store, live, wanted, expected):
        views = [
            view("c"),
            view("d", awaiting="", anomalies=2, last_received_at=30),
            view("e", status="brand_new", waiting_since=12, anomalies=1, last_received_at=40),
        ]
        store.write(live, Batch(views, position=1))
        assert self.found(store, live, **wanted) == expected

    def test_any_conditions_give_what_reading_all_of_it_gives(self, store, live):
        random = Random(7)
        views = [
            view(
                f"o{number:03}",
                status=random.choice(["created", "delivered"]),
                awaiting=random.choice(["", "brand_new"]),
                waiting_since=random.randrange(20),
                anomalies=random.choice([0, 0, 1, 3]),
                last_received_at=random.randrange(20),
            )
            for number in range(150)
        ]
        store.write(live, Batch(views, position=1))
        for _ in range(200):
            wanted = Conditions(
                random.choice([None, "created", "delivered"]),
                random.choice([None, random.randrange(20)]),
                random.choice([False, True]),
                random.choice([None, random.randrange(20)]),
                random.choice([None, random.randrange(20)]),
            )
            expected = [one for one in views if holds(wanted, one)]
            after = random.choice(["", "o075"])
            assert store.find(live, wanted, after, 1000) == [
                one for one in expected if one.order_id > after
            ]


def holds(wanted: Conditions, one: StoredView) -> bool:
    """Tell the same in other words: an oracle shares no code with what it judges."""
    status, waiting_before, anomalies, since, before = wanted
    if status is not None and one.status != status:
        return False
    if waiting_before is not None and not (one.awaiting and one.waiting_since < waiting_before):
        return False
    if anomalies and not one.anomalies:
        return False
    if since is not None and one.last_received_at < since:
        return False
    return before is None or one.last_received_at < before
