"""What subscriptions say to a database: the same for all, but for how values are marked."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from lifecycle.log.stores.located import placed

TABLES: Final = ("feeds", "feed_letters")


class Statements(NamedTuple):
    """The statements; `?` stands for each value in its order."""

    begin: str = "INSERT INTO feeds (name, position) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
    position: str = "SELECT position FROM feeds WHERE name = ?"
    standings: str = (
        "SELECT name, position, (SELECT count(*) FROM feed_letters WHERE feed = name) "
        "FROM feeds ORDER BY name"
    )
    move: str = "UPDATE feeds SET position = ? WHERE name = ? AND position = ? RETURNING position"
    park: str = (
        "INSERT INTO feed_letters (feed, position, order_id, reason, attempts) "
        "VALUES (?, ?, ?, ?, ?)"
    )
    letters: str = (
        "SELECT position, order_id, reason, attempts FROM feed_letters "
        "WHERE feed = ? AND position > ? ORDER BY position LIMIT ?"
    )
    waits: str = "SELECT 1 FROM feed_letters WHERE feed = ? AND order_id = ? LIMIT 1"
    drop: str = "DELETE FROM feed_letters WHERE feed = ? AND position = ? RETURNING position"
    retried: str = (
        "UPDATE feed_letters SET reason = ?, attempts = attempts + ? "
        "WHERE feed = ? AND position = ? RETURNING position"
    )

    def placed(self, place: str) -> Self:
        """Return the statements for PostgreSQL, with the tables at `place`."""
        return type(self)(*(placed(statement, place, TABLES) for statement in self))
