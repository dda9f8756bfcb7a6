"""The tables of stored views in SQLite, and what is said to them.

Every index leads by order id within its generation, so that any query is walked page by page
and nothing is sorted: what is read is an index of the orders that wait, that have a status,
or that show an anomaly. Times are whole microseconds since 1970.
"""

from __future__ import annotations

from typing import Final

from lifecycle.view_store import Conditions, StoredView

COLUMNS: Final = StoredView._fields

SCHEMA: Final = (
    """
CREATE TABLE IF NOT EXISTS view_generations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    definition TEXT NOT NULL,
    form INTEGER NOT NULL,
    release TEXT NOT NULL,
    phase TEXT NOT NULL,
    walked TEXT NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS order_views (
    generation INTEGER NOT NULL,
    order_id TEXT NOT NULL COLLATE BINARY,
    status TEXT NOT NULL,
    terminal INTEGER NOT NULL,
    awaiting TEXT NOT NULL,
    waiting_since INTEGER NOT NULL,
    anomalies INTEGER NOT NULL,
    first_received_at INTEGER NOT NULL,
    last_received_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (generation, order_id)
)""",
    """
CREATE TABLE IF NOT EXISTS poisoned_orders (
    generation INTEGER NOT NULL,
    order_id TEXT NOT NULL COLLATE BINARY,
    reason TEXT NOT NULL,
    PRIMARY KEY (generation, order_id)
) WITHOUT ROWID""",
    (
        "CREATE INDEX IF NOT EXISTS order_views_by_status "
        "ON order_views (generation, status, order_id)"
    ),
    (
        "CREATE INDEX IF NOT EXISTS order_views_waiting "
        "ON order_views (generation, order_id, waiting_since) WHERE awaiting <> ''"
    ),
    (
        "CREATE INDEX IF NOT EXISTS order_views_odd "
        "ON order_views (generation, order_id) WHERE anomalies > 0"
    ),
    (
        "CREATE INDEX IF NOT EXISTS order_views_by_time "
        "ON order_views (generation, order_id, last_received_at)"
    ),
)

IS_THERE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN (?, ?)"

_GENERATION: Final = (
    "SELECT number, provider, definition, form, release, phase, walked, "
    "coalesce((SELECT max(notification_id) FROM tracking "
    "WHERE application_name = 'views:' || provider || ':' || number), 0) FROM view_generations "
)
GENERATIONS: Final = _GENERATION + "WHERE provider = ? ORDER BY number"
GENERATION: Final = _GENERATION + "WHERE number = ?"
UNDER_WAY: Final = (
    "SELECT count(*) FROM view_generations WHERE provider = ? AND phase IN ('walking', 'trailing')"
)
BEGIN: Final = (
    "INSERT INTO view_generations (provider, definition, form, release, phase, walked) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
WALK: Final = "UPDATE view_generations SET walked = ? WHERE number = ?"
PROMOTE: Final = "UPDATE view_generations SET phase = ? WHERE number = ?"
RETIRE: Final = (
    "UPDATE view_generations SET phase = 'retired' "
    "WHERE provider = ? AND phase = 'live' AND number <> ?"
)
UPSERT: Final = (
    f"INSERT INTO order_views (generation, {', '.join(COLUMNS)}) "  # noqa: S608
    f"VALUES (?{', ?' * len(COLUMNS)}) ON CONFLICT (generation, order_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    + " WHERE excluded.version >= order_views.version"
)
DROP_VIEW: Final = "DELETE FROM order_views WHERE generation = ? AND order_id = ?"
POISON: Final = (
    "INSERT OR REPLACE INTO poisoned_orders (generation, order_id, reason) VALUES (?, ?, ?)"
)
HEAL: Final = "DELETE FROM poisoned_orders WHERE generation = ? AND order_id = ?"
POISONED: Final = (
    "SELECT order_id, reason FROM poisoned_orders "
    "WHERE generation = ? AND order_id > ? ORDER BY order_id LIMIT ?"
)
SWEEP_VIEWS: Final = (
    "DELETE FROM order_views WHERE rowid IN "
    "(SELECT rowid FROM order_views WHERE generation = ? LIMIT ?)"
)
SWEEP_POISONED: Final = "DELETE FROM poisoned_orders WHERE generation = ?"
SWEEP_GENERATION: Final = "DELETE FROM view_generations WHERE number = ?"
SWEEP_TRACKING: Final = "DELETE FROM tracking WHERE application_name = ?"

# CAST: whoever changes a row by hand may leave text where bytes belong.
_SELECT: Final = f"SELECT {', '.join(COLUMNS[:-1])}, CAST(body AS BLOB) FROM order_views"  # noqa: S608
BETWEEN: Final = (
    f"{_SELECT} WHERE generation = ? AND order_id > ? AND order_id <= coalesce(?, order_id) "
    "ORDER BY order_id"
)


def finding(wanted: Conditions) -> tuple[str, list[object]]:
    """Return the statement for these conditions, its generation, `after` and limit left open.

    The index is named: the planner knows nothing of how few orders wait.
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
    return f"{_SELECT} INDEXED BY {index} WHERE {where} ORDER BY order_id LIMIT ?", values
