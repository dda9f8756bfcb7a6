"""The tables beside the log, described once: each database makes them in its own words.

Beside the log lie the index of links and, if they are kept there, the keys of what is encrypted,
which whoever appends writes; stored views, the positions
of whoever builds them, subscriptions, and the Merkle tree with its checkpoints, which whoever
follows the log writes. A condition is spelled as PostgreSQL shows it again, so that what is found
compares with it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Column(NamedTuple):
    """One column: text compares bytewise unless it is only shown."""

    name: str
    type: str
    collation: str = ""
    required: bool = True
    is_identity: bool = False


class Index(NamedTuple):
    """One index besides the primary key's; `where` is the condition of a partial one."""

    name: str
    columns: str
    where: str = ""
    is_unique: bool = False


class Table(NamedTuple):
    """One table, its primary key, its other indexes, and its constraints by name."""

    name: str
    columns: tuple[Column, ...]
    key: str
    indexes: tuple[Index, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()


def text(name: str) -> Column:
    """Return a column of text that is compared."""
    return Column(name, "text", "C")


def shown(name: str) -> Column:
    """Return a column of text that is only shown."""
    return Column(name, "text", "default")


def number(name: str) -> Column:
    """Return a column of integers."""
    return Column(name, "bigint")


GENERATIONS: Final = Table(
    "view_generations",
    (
        Column("number", "bigint", is_identity=True),
        text("provider"),
        text("definition"),
        number("form"),
        text("release"),
        text("phase"),
        text("walked"),
    ),
    "number",
)
ORDER_VIEWS: Final = Table(
    "order_views",
    (
        number("generation"),
        text("order_id"),
        text("status"),
        Column("terminal", "boolean"),
        text("awaiting"),
        number("waiting_since"),
        number("anomalies"),
        number("first_received_at"),
        number("last_received_at"),
        number("version"),
        number("position"),
        text("digest"),
        Column("body", "bytea"),
    ),
    "generation, order_id",
    (
        Index("order_views_by_status", "generation, status, order_id"),
        Index("order_views_waiting", "generation, order_id, waiting_since", "awaiting <> ''::text"),
        Index("order_views_odd", "generation, order_id", "anomalies > 0"),
        Index("order_views_by_time", "generation, order_id, last_received_at"),
        Index("order_views_recent", "generation, last_received_at, order_id"),
    ),
)
POISONED: Final = Table(
    "poisoned_orders",
    (number("generation"), text("order_id"), shown("reason")),
    "generation, order_id",
)
TRACKING: Final = Table(
    "tracking",
    (shown("application_name"), Column("notification_id", "bigint", required=False)),
    "application_name",
)
"""As the library's own tracking recorder makes it, which writes to it."""

VIEWS: Final = (GENERATIONS, ORDER_VIEWS, POISONED, TRACKING)

FEEDS: Final = (
    Table("feeds", (text("name"), number("position")), "name"),
    Table(
        "feed_deliveries",
        (
            text("feed"),
            number("position"),
            text("order_id"),
            shown("reason"),
            number("attempts"),
            number("due_at"),
            text("reader"),
        ),
        "feed, position",
        (Index("feed_deliveries_order", "feed, order_id, position, due_at"),),
    ),
    Table(
        "feed_delivered",
        (
            text("feed"),
            number("position"),
            text("order_id"),
            number("at"),
            number("attempts"),
            shown("outcome"),
            shown("reason"),
        ),
        "order_id, feed, position",
        (Index("feed_delivered_by_time", "at"),),
    ),
)

TREE: Final = (
    Table(
        "tree_tiles",
        (number("level"), number("number"), number("position"), Column("hashes", "bytea")),
        "level, number",
        (Index("tree_tiles_by_position", "level, position"),),
    ),
    Table("checkpoints", (number("size"), shown("note")), "size"),
)

LINKS: Final = (
    Table(
        "order_links",
        (text("provider"), text("link"), text("order_id")),
        "provider, link, order_id",
    ),
)
"""Written in the transaction of the append that tells of a link, by whoever appends."""

KEYS: Final = (Table("data_keys", (text("key_id"), Column("wrapped", "bytea")), "key_id"),)
"""Where the log's database keeps the keys of what is encrypted: whoever appends makes them."""

BESIDE: Final = (*VIEWS, *FEEDS, *TREE)
"""What lies beside the log: whoever follows it writes there."""
