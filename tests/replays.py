"""What is replayed in tests: logs of records just as they are, and views changed behind backs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from lifecycle.audit.replay import Replay, replay
from lifecycle.audit.stream_check import Chain, Links, rederived
from lifecycle.core.event import Event
from lifecycle.log.contract import Record
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.view_store import Generation, StoredView
from lifecycle.providers.instacart import Instacart
from lifecycle.registry import known_providers
from tests.without_rules import connect

PROVIDERS = known_providers()
Differing = tuple[Any, ...]


def recorded(*recordings: dict[str, Any]) -> list[Record]:
    """Return the records of a log of some recordings."""
    with connect("memory:") as orders:
        orders.record_many(recordings)
        return list(orders.log.scan())


def log_of(records: Sequence[Record]) -> MemoryLog:
    """Return a log of records just as they are, at positions from 1 on."""
    log = MemoryLog()
    log.restore(records)
    return log


@dataclass(frozen=True)
class Otherwise(Instacart):
    """A provider that reads callbacks otherwise than it did."""

    fields: dict[str, Any] = field(default_factory=dict)

    def read(self, arrival: Any, body: Any) -> Any:
        said = super().read(arrival, body)
        return structs.replace(said, **self.fields) if arrival.kind == "callback" else said


class Shown:
    """A log with views, of which some are changed behind everybody's back."""

    def __init__(self, *recordings: dict[str, Any]) -> None:
        self.orders = connect("memory:")
        self.orders.record_many(recordings)
        self.orders.views.rebuild()
        self.log: Any = self.orders.log

    @property
    def generation(self) -> Generation:
        return self.log.views.generations("instacart")[-1]

    def view(self, order_id: str) -> StoredView:
        found = self.log.views.between(self.generation, "", None)
        return next(view for view in found if view.order_id == order_id)

    def change(self, order_id: str, **columns: Any) -> None:
        changed = self.view(order_id)._replace(**columns)
        self.log.views._kept[self.generation.number].views[order_id] = changed

    def rewrite(self, order_id: str, **fields: Any) -> None:
        """Change fields of a view's body."""
        body = json.loads(self.view(order_id).body)
        self.change(order_id, body=json.dumps(body | fields).encode())

    def forget(self, order_id: str) -> None:
        del self.log.views._kept[self.generation.number].views[order_id]

    def replay(self, providers: Any = PROVIDERS) -> Replay:
        return replay(self.log, providers)

    def differences(self, providers: Any = PROVIDERS) -> list[Differing]:
        return [tuple(difference) for difference in self.replay(providers).differences]


def rederived_events(records: Sequence[Record]) -> list[Event]:
    """Return the events of one order's records."""
    return rederived(PROVIDERS["instacart"], records, Chain("a", Links(0), lambda _: None))
