"""The tables of stored views, and what is said to them: the same words for SQLite and PostgreSQL.

Every index leads by order id within its generation, so that any query is walked page by page
and nothing is sorted: what is read is an index of the orders that wait, that have a status,
or that show an anomaly. Times are whole microseconds since 1970. Text compares bytewise.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from lifecycle.log.stores.located import placed
from lifecycle.log.view_store import Conditions, StoredView

COLUMNS: Final = StoredView._fields
TABLES: Final = ("view_generations", "order_views", "poisoned_orders", "tracking")

INDEXES: Final = (
    """CREATE INDEX IF NOT EXISTS order_views_by_status
ON order_views (generation, status, order_id)""",
    """CREATE INDEX IF NOT EXISTS order_views_waiting
ON order_views (generation, order_id, waiting_since) WHERE awaiting <> ''""",
    """CREATE INDEX IF NOT EXISTS order_views_odd
ON order_views (generation, order_id) WHERE anomalies > 0""",
    """CREATE INDEX IF NOT EXISTS order_views_by_time
ON order_views (generation, order_id, last_received_at)""",
)

_GENERATION: Final = (
    "SELECT number, provider, definition, form, release, phase, walked, "
    "coalesce((SELECT max(notification_id) FROM tracking "
    "WHERE application_name = ('views:' || provider || ':' || number)), 0) FROM view_generations "
)
# CAST: whoever changes a row by hand may leave text where bytes belong.
_SELECT: Final = "SELECT {columns}, {body} FROM order_views{index} "

_ON_CONFLICT: Final = "ON CONFLICT (generation, order_id) DO UPDATE SET "
_TAKEN_OVER: Final = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])


class Statements(NamedTuple):
    """All statements, with `?` for each value."""

    generations: str = _GENERATION + "WHERE provider = ? ORDER BY number"
    generation: str = _GENERATION + "WHERE number = ?"
    under_way: str = (
        "SELECT count(*) FROM view_generations "
        "WHERE provider = ? AND (phase = 'walking' OR phase = 'trailing')"
    )
    begin: str = (
        "INSERT INTO view_generations (provider, definition, form, release, phase, walked) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING number"
    )
    walk: str = "UPDATE view_generations SET walked = ? WHERE number = ?"
    promote: str = "UPDATE view_generations SET phase = ? WHERE number = ?"
    retire: str = (
        "UPDATE view_generations SET phase = 'retired' "
        "WHERE provider = ? AND phase = 'live' AND number <> ?"
    )
    upsert: str = (
        f"INSERT INTO order_views (generation, {', '.join(COLUMNS)}) "  # noqa: S608 - no values
        f"VALUES (?{', ?' * len(COLUMNS)}) {_ON_CONFLICT}{_TAKEN_OVER} "
        "WHERE excluded.version >= order_views.version"
    )
    drop_view: str = "DELETE FROM order_views WHERE generation = ? AND order_id = ?"
    poison: str = (
        "INSERT INTO poisoned_orders (generation, order_id, reason) VALUES (?, ?, ?) "
        "ON CONFLICT (generation, order_id) DO UPDATE SET reason = excluded.reason"
    )
    odd: str = "SELECT count(*) FROM order_views WHERE generation = ? AND anomalies > 0"
    heal: str = "DELETE FROM poisoned_orders WHERE generation = ? AND order_id = ?"
    poisoned: str = (
        "SELECT order_id, reason FROM poisoned_orders "
        "WHERE generation = ? AND order_id > ? ORDER BY order_id LIMIT ?"
    )
    sweep_views: str = (
        "DELETE FROM order_views WHERE generation = ? AND order_id IN "
        "(SELECT order_id FROM order_views WHERE generation = ? LIMIT ?) RETURNING order_id"
    )
    sweep_poisoned: str = "DELETE FROM poisoned_orders WHERE generation = ?"
    sweep_generation: str = "DELETE FROM view_generations WHERE number = ?"
    sweep_tracking: str = "DELETE FROM tracking WHERE application_name = ?"
    between: str = (
        f"{_SELECT}WHERE generation = ? AND order_id > ? AND order_id <= coalesce(?, order_id) "
        "ORDER BY order_id"
    )

    def spelled(self, place: str | None) -> Self:
        """Return the statements for SQLite, or for PostgreSQL with the tables at `place`."""
        return type(self)(*(spelled(statement, place) for statement in self))


def finding(wanted: Conditions, place: str | None) -> tuple[str, list[object]]:
    """Return the statement for these conditions, and their values.

    Its first values are the generation and `after`, its last one is the limit. In SQLite the
    index is named: its planner knows nothing of how few orders wait.
    """
    index, terms, values = "sqlite_autoindex_order_views_1", [], list[object]()
    if wanted.received_since is not None or wanted.received_before is not None:
        index = "order_views_by_time"
    if wanted.anomalies:
        index = "order_views_odd"
        terms.append("anomalies > 0")
    if wanted.waiting_before is not None:
        index = "order_views_waiting"
        terms.append("awaiting <> '' AND waiting_since < ?")
        values.append(wanted.waiting_before)
    if wanted.status is not None:
        index = index if index == "order_views_odd" else "order_views_by_status"
        terms.append("status = ?")
        values.append(wanted.status)
    if wanted.received_since is not None:
        terms.append("last_received_at >= ?")
        values.append(wanted.received_since)
    if wanted.received_before is not None:
        terms.append("last_received_at < ?")
        values.append(wanted.received_before)
    where = " AND ".join(["generation = ? AND order_id > ?", *terms])
    statement = f"{_SELECT}WHERE {where} ORDER BY order_id LIMIT ?"
    return spelled(statement, place, index=f" INDEXED BY {index}"), values


def spelled(statement: str, place: str | None, *, index: str = "") -> str:
    """Return a statement as SQLite takes it, or PostgreSQL with the tables at `place`."""
    columns = ", ".join(COLUMNS[:-1])
    if place is None:
        body = "CAST(body AS BLOB)"
        return statement.replace("{columns}, {body}", f"{columns}, {body}").replace(
            "{index}", index
        )
    plain = statement.replace("{columns}, {body}", f"{columns}, body").replace("{index}", "")
    return placed(plain, place, TABLES)
