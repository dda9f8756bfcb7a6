"""The obvious way: an `eventsourcing` aggregate with a `transitions` machine per order.

It follows the tutorials of the two libraries: an `Application` on SQLite, an aggregate per
order, an `@event` method for arrivals, and a machine that decides on moves. The libraries and
the recorder have their default settings: WAL, and `synchronous` FULL. It does less than the
log: no strict parse, no divergent contents, no chain, and events out of order mislead it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from transitions import Machine

from lifecycle.core.definition import Definition
from lifecycle.registry import known_providers

sys.path.append(str(Path(__file__).parents[1]))

from tests.postgres_server import SUPERUSER, Server

LAST_MILE: Final[Definition] = known_providers()["instacart"].definition
STATES: Final = list(LAST_MILE.states)
MOVES: Final = [move._asdict() for move in LAST_MILE.moves]

_PREFIX: Final = "fulfillment."


def machine() -> Machine:
    """Return the machine of one order."""
    return Machine(
        states=STATES,
        transitions=MOVES,
        initial=LAST_MILE.initial,
        ignore_invalid_triggers=True,
    )


class ObviousOrder(Aggregate):
    """One order: what came, once each, and a machine that keeps its state."""

    @event("Opened")
    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.seen: set[int] = set()
        self.path: list[str] = []
        self.details: dict[str, Any] = {}
        self.machine = machine()

    @staticmethod
    def create_id(order_id: str) -> UUID:
        """Return the id of an order's aggregate."""
        return uuid5(NAMESPACE_URL, order_id)

    @property
    def status(self) -> str:
        """The state in which the machine stands."""
        return str(self.machine.state)

    @event("CameIn")
    def came_in(self, event_id: int, name: str, details: dict[str, Any]) -> None:
        """Take in one callback."""
        self.seen.add(event_id)
        if self.machine.trigger(name):
            self.path.append(name)
        self.details.update(details)


class ObviousOrders(Application[UUID]):
    """The service around the aggregates."""

    def record(self, body: bytes) -> None:
        """Record one callback, durable on return; a repeat is left out."""
        content = json.loads(body)
        details = content["event_metadata"]
        order_id = details["order_id"]
        try:
            order = self.order(order_id)
        except AggregateNotFoundError:
            order = ObviousOrder(order_id)
        if content["event_id"] in order.seen:
            return
        order.came_in(content["event_id"], content["event_name"].removeprefix(_PREFIX), details)
        self.save(order)

    def order(self, order_id: str) -> ObviousOrder:
        """Return one order, made again from its events."""
        found: ObviousOrder = self.repository.get(ObviousOrder.create_id(order_id))
        return found


def opened(path: str) -> ObviousOrders:
    """Return the obvious way on the SQLite file at `path`."""
    return ObviousOrders({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path})


def opened_on_postgres(server: Server, database: str) -> ObviousOrders:
    """Return the obvious way in a database of a PostgreSQL server."""
    return ObviousOrders(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": database,
            "POSTGRES_HOST": str(server.folder),
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": SUPERUSER,
            "POSTGRES_PASSWORD": "",
        }
    )
