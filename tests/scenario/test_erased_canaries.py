"""After an erasure nothing that an order's bodies said is in any file, on SQLite and PostgreSQL.

A canary stands in every field of every kind of body, in the context, in the quarantine, in a
header that is not kept, and in what a handler says when it fails. Then all on the disk is
searched: database, write-ahead log, stored views, feeds and letters, key store, a backup.
The same search in a plain log finds all that is kept.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
from secrets import token_hex
from typing import Any

import pytest

from lifecycle import Orders, connect
from lifecycle.providers.instacart.details import FulfillmentDetails, OrderDetails
from lifecycle.providers.instacart.request import Address, CreateOrder

TEXTS = [name for name, field in OrderDetails.model_fields.items() if "str" in str(field)]
WINDOW = list(FulfillmentDetails.model_fields)
REQUEST = [*{*CreateOrder.model_fields, *Address.model_fields} - {"order_id"}]
SPOKEN = [
    *(f"{kind}_{name}" for kind in ("callback", "poll", "late") for name in (*TEXTS, *WINDOW)),
    *(f"request_{name}" for name in REQUEST),
    "callback_unheard_of",
    "context",
    "divergent",
    "error_key",
    "error_message",
    "failure",
    "item",
    "no_json",
]


class Canaries:
    """The canaries of one log, which no other test has."""

    def __init__(self) -> None:
        self.token = token_hex(6)

    def __getitem__(self, name: str) -> str:
        return f"canary-{name}-{self.token}"

    def found_in(self, folder: Any) -> set[str]:
        """Return the names of the canaries in any file of a folder."""
        grep = ["grep", "-rhoaE", f"canary-[a-z_0-9]+-{self.token}", folder]
        done = subprocess.run(grep, stdout=subprocess.PIPE, check=False)
        return {line.split("-")[1] for line in done.stdout.decode().split()}

    def named_in(self, text: str) -> set[str]:
        """Return the names of the canaries in a text."""
        return set(re.findall(f"canary-([a-z_0-9]+)-{self.token}", text))

    def details(self, kind: str) -> dict[str, Any]:
        """Return an order object with a canary in each text."""
        window = {name: self[f"{kind}_{name}"] for name in WINDOW}
        return {name: self[f"{kind}_{name}"] for name in TEXTS} | {"fulfillment_details": window}


def callback(event_id: str, status: str, said: dict[str, Any]) -> bytes:
    metadata = {"order_id": "xyz", **said}
    return json.dumps(
        {"event_id": event_id, "event_name": status, "event_metadata": metadata}
    ).encode()


def tell(orders: Orders, canary: Canaries) -> None:
    """Record something of an order in every way, each with canaries."""
    body = {name: canary[f"request_{name}"] for name in REQUEST} | {"order_id": "xyz"}
    sent = orders.begin_request("xyz", body, context=canary["context"])
    said = {"message": canary["error_message"], "code": 4001}
    sent.answered(422, {"error": said, "meta": {"key": canary["error_key"]}})
    orders.begin_request("xyz", {**body, "again": 1}).answered(500, canary["failure"].encode())
    told = canary.details("callback") | {"unheard_of": canary["callback_unheard_of"]}
    headers = {"set-cookie": canary["cookie"]}
    orders.record_callback(callback("1", "brand_new", told), headers=headers)
    orders.record_callback(callback("1", "brand_new", {"locale": canary["divergent"]}))
    orders.record_poll("xyz", 200, {"id": "xyz", "status": "at_store", **canary.details("poll")})
    orders.record_callback(callback("2", canary["item"], {"order_id": "?"}), order_id="xyz")
    orders.record_callback(f"no JSON, {canary['no_json']}".encode(), order_id="xyz")
    orders.record_callback(b'{"id":"other","status":"brand_new"}')


def shown(orders: Orders) -> str:
    """Return all that is shown of the orders."""
    views = [*orders.find(), *(change.view for change in orders.changes())]
    told = [view.model_dump() for view in views], orders.history("xyz")
    bodies = [item.body for item in orders.quarantine(all=True)], orders.last_request("xyz")
    return repr((told, bodies))


@pytest.mark.parametrize("is_encrypted", [True, False])
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_after_an_erasure_no_file_holds_anything_of_the_bodies(
    store, is_encrypted, tmp_path, request, caplog
):
    caplog.set_level(logging.DEBUG)
    canary, folder, url = Canaries(), tmp_path, f"sqlite:///{tmp_path}/orders.db"
    if store == "postgres":
        server = request.getfixturevalue("postgres")
        folder, url = server.folder, server.new_url()

    def failing(change):
        raise ConnectionError(canary["handler"], change.view)

    with connect(url, keys=f"file:{tmp_path}/orders.db.keys" if is_encrypted else None) as orders:
        tell(orders, canary)
        orders.views.rebuild()
        reader = orders.subscription("failing", failing, attempts=1)
        reader.catch_up()
        assert list(reader.letters())
        if store == "sqlite":
            orders.log.backup(str(tmp_path / "backup.db"))
        if is_encrypted:
            assert orders.erase("xyz", reason="asked")
        orders.record_callback(callback("3", "delivered", canary.details("late")))
        orders.views.catch_up()
        reader.catch_up()
        assert [view.erased for view in orders.find()] == [False, is_encrypted]
        if store == "postgres":
            server.execute("CHECKPOINT")
        # The positive control: in a plain log they are all there.
        expected = set() if is_encrypted else set(SPOKEN)
        assert canary.found_in(folder) == expected
        assert (canary.named_in(shown(orders)) == set()) is is_encrypted
        assert canary.named_in(repr([*reader.letters(all=True)])) == set()
        assert canary.named_in(caplog.text) == {"handler"}
        assert {each.levelno for each in caplog.records if each.exc_info} == {logging.DEBUG}
    assert canary.found_in(folder) == expected
    assert canary.found_in(tmp_path) == (expected if store == "sqlite" else set())
