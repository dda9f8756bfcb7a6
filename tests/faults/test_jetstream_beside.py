"""What lies beside a stream of NATS: that of one stream alone, for whoever may read or write it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lifecycle import connect
from lifecycle.composition import initialize, open_log
from lifecycle.errors import InvalidArgumentError, StoreUnavailableError
from tests import nats_server
from tests.contract.entries import event
from tests.nats_server import NatsServer, new_name
from tests.postgres_server import Server


def beside(folder: Path) -> str:
    return f"sqlite:///{folder}/beside.db"


def test_what_lies_beside_one_stream_is_refused_beside_another(nats: NatsServer, tmp_path):
    url = nats.new_url(beside=beside(tmp_path))
    with connect(url) as orders:
        orders.record_request("xyz", {"order_id": "xyz"})
        orders.subscription("mail", print).catch_up()

    with pytest.raises(StoreUnavailableError, match="beside another stream") as refused:
        open_log(nats.new_url(beside=beside(tmp_path)))
    assert "name another one in beside=" in str(refused.value)
    with connect(url) as orders:
        assert "mail" in [each.name for each in orders.log.feeds.positions()]


def test_what_lies_beside_a_deleted_stream_is_refused_beside_its_successor(nats, tmp_path):
    url = nats.url(name := new_name(), beside=beside(tmp_path))
    with closing(open_log(url)) as log:
        admin = log.recorder._connection  # type: ignore[union-attr]
        admin.run(admin.ask(f"STREAM.DELETE.{name}"))

    with pytest.raises(StoreUnavailableError, match="one that was deleted"):
        open_log(url)


def test_what_lies_beside_a_stream_fits_when_its_server_came_back(tmp_path):
    with nats_server.running() as server:
        url = server.new_url(beside=beside(tmp_path))
        with closing(open_log(url)) as log:
            stored = log.append(event())
        server.stop()
        server.start()
        with closing(open_log(url)) as log:
            assert [record.position for record in log.scan()] == [stored.position]


def test_no_subscription_is_named_as_positions_of_the_log_are():
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError, match="does not begin"):
        orders.subscription("lifecycle:links", print)


@pytest.mark.parametrize("user", ["appends", "reads"])
def test_links_are_found_by_who_may_not_write_beside_the_log(
    nats: NatsServer, postgres: Server, user: str
):
    own = postgres.new_url()
    initialize(own, role="appends", follower="follows", reader="reads")
    name = new_name()

    def url(who: str) -> str:
        return nats.url(name, beside=own.replace("postgres@", f"{who}@").replace("&", "%26"))

    with closing(open_log(url("postgres"))) as writer, closing(open_log(url(user))) as other:
        writer.append(event(links=("del_1",)))
        assert other.links.orders("instacart", "del_1") == ["xyz"]
        assert writer.links.orders("instacart", "del_1") == ["xyz"]
        writer.append(event("abc", links=("del_1", "del_2")))
        assert other.links.orders("instacart", "del_1") == ["abc", "xyz"]
        assert ends(other.links.page(None, 2)) == [("del_1", "abc"), ("del_1", "xyz")]
        assert ends(other.links.page(other.links.page(None, 2)[-1], 9)) == [("del_2", "abc")]
        (position,) = (each.position for each in writer.feeds.positions())
        assert position == 1


def ends(links: list[Any]) -> list[tuple[str, str]]:
    return [(each.link, each.order_id) for each in links]
