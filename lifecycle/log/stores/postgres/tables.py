"""The tables of a log in PostgreSQL: what is made, and what must be found.

One description serves both, so that whoever looks at a database compares it with what
`lifecycle db init` makes. `stored_events` is the log, the others are made with it and lie
beside it: stored views, the positions of whoever builds them, and subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from lifecycle.log.contract import MAX_POSITION
from lifecycle.log.stores.postgres.qualified import qualified

TABLE: Final = "stored_events"
TRACKING: Final = "tracking"


class Column(NamedTuple):
    """One column: text compares bytewise unless it is only shown."""

    name: str
    type: str
    collation: str = ""
    required: bool = True
    is_identity: bool = False

    def definition(self) -> str:
        """Return the column as it stands in the statement that makes its table."""
        collation = f' COLLATE "{self.collation}"' if self.collation not in {"", "default"} else ""
        identity = " GENERATED ALWAYS AS IDENTITY" if self.is_identity else ""
        required = " NOT NULL" if self.required and not self.is_identity else ""
        plain = self.type in {"bigint", "boolean"}
        named = self.type if plain else f"pg_catalog.{self.type}"
        return f"{self.name} {named}{qualified(collation)}{required}{identity}"


class Index(NamedTuple):
    """One index besides the primary key's.

    `where` is the condition of a partial one, `where_shown` how the server says it where it
    says it otherwise.
    """

    name: str
    columns: str
    where: str = ""
    where_shown: str = ""
    is_unique: bool = False


class Table(NamedTuple):
    """One table, its primary key, its other indexes and its constraints.

    A constraint is a name and a condition, spelled as the server shows it again.
    """

    name: str
    columns: tuple[Column, ...]
    key: str
    indexes: tuple[Index, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()

    def statements(self, schema: str, *, again: bool = False) -> Iterator[str]:
        """Yield the statements that make it; with `again` they may be run once more."""
        yield self._statement(schema, "IF NOT EXISTS " if again else "")
        yield from self.index_statements(schema)

    def index_statements(self, schema: str) -> Iterator[str]:
        """Yield the statements that make its indexes, unless they are there."""
        for index in self.indexes:
            unique = "UNIQUE " if index.is_unique else ""
            where = f" WHERE {qualified(index.where)}" if index.where else ""
            yield (
                f"CREATE {unique}INDEX IF NOT EXISTS {index.name}\n"
                f"ON {schema}.{self.name} ({index.columns}){where}"
            )

    def _statement(self, schema: str, unless: str) -> str:
        lines = [f"    {column.definition()}" for column in self.columns]
        lines += [f"    PRIMARY KEY ({self.key})"]
        lines += [
            f"    CONSTRAINT {name} CHECK ({qualified(condition)})"
            for name, condition in self.checks
        ]
        body = ",\n".join(lines)
        return f"CREATE TABLE {unless}{schema}.{self.name} (\n{body}\n)"


def _text(name: str) -> Column:
    return Column(name, "text", "C")


def _shown(name: str) -> Column:
    return Column(name, "text", "default")


def _number(name: str) -> Column:
    return Column(name, "bigint")


_OF_AN_ORDER: Final = "originator_id > 'order:'::text AND originator_id < 'order;'::text"
_OF_NO_ORDER: Final = "originator_id = 'quarantine'::text OR originator_id = 'control'::text"

LOG: Final = Table(
    TABLE,
    (
        _text("originator_id"),
        _number("originator_version"),
        _text("topic"),
        Column("state", "bytea"),
        Column("notification_id", "bigint", is_identity=True),
    ),
    "originator_id, originator_version",
    (Index("stored_events_notification_id_idx", "notification_id", is_unique=True),),
    (
        (
            "stored_events_position",
            f"notification_id >= 1 AND notification_id <= '{MAX_POSITION}'::bigint",
        ),
        (
            "stored_events_version",
            "originator_version >= 1 AND originator_version <= notification_id",
        ),
        ("stored_events_stream", f"{_OF_AN_ORDER} OR {_OF_NO_ORDER}"),
        ("stored_events_topic", "topic <> ''::text"),
    ),
)

VIEWS: Final = (
    Table(
        "view_generations",
        (
            Column("number", "bigint", is_identity=True),
            _text("provider"),
            _text("definition"),
            _number("form"),
            _text("release"),
            _text("phase"),
            _text("walked"),
        ),
        "number",
    ),
    Table(
        "order_views",
        (
            _number("generation"),
            _text("order_id"),
            _text("status"),
            Column("terminal", "boolean"),
            _text("awaiting"),
            _number("waiting_since"),
            _number("anomalies"),
            _number("first_received_at"),
            _number("last_received_at"),
            _number("version"),
            _number("position"),
            _text("digest"),
            Column("body", "bytea"),
        ),
        "generation, order_id",
        (
            Index("order_views_by_status", "generation, status, order_id"),
            Index(
                "order_views_waiting",
                "generation, order_id, waiting_since",
                "awaiting <> ''",
                "awaiting <> ''::text",
            ),
            Index("order_views_odd", "generation, order_id", "anomalies > 0"),
            Index("order_views_by_time", "generation, order_id, last_received_at"),
        ),
    ),
    Table(
        "poisoned_orders",
        (_number("generation"), _text("order_id"), _shown("reason")),
        "generation, order_id",
    ),
    # As the library's own tracking recorder makes it, which writes to it.
    Table(
        TRACKING,
        (_shown("application_name"), Column("notification_id", "bigint", required=False)),
        "application_name",
    ),
)

FEEDS: Final = (
    Table("feeds", (_text("name"), _number("position")), "name"),
    Table(
        "feed_letters",
        (
            _text("feed"),
            _number("position"),
            _text("order_id"),
            _shown("reason"),
            _number("attempts"),
        ),
        "feed, position",
        (Index("feed_letters_order", "feed, order_id"),),
    ),
)

BESIDE: Final = (*VIEWS, *FEEDS)
"""What lies beside the log: whoever follows it writes there."""

TABLES: Final = (LOG, *BESIDE)

MARK: Final = (
    "INSERT INTO {schema}.tracking (application_name, notification_id) "
    "VALUES ('__migration__', 1) ON CONFLICT DO NOTHING"
)
"""How the library knows a tracking table that holds one row a name."""
