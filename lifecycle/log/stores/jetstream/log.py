"""The log in NATS JetStream: past what one machine carries.

A JetStream stream holds the records. What else belongs to a log lies in a database beside it:
stored views, subscriptions, links and checkpoints, all of which can be made again but for the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Setting
from lifecycle.log.event_log import Clock, EventLog
from lifecycle.log.partitioned import PartitionedLog
from lifecycle.log.retry_policy import retrying
from lifecycle.log.stores.jetstream.connection import Connection
from lifecycle.log.stores.jetstream.links import FollowedLinks
from lifecycle.log.stores.jetstream.recorder import JetStreamRecorder
from lifecycle.log.stores.jetstream.stream import refuse_unsynced
from lifecycle.log.stores.jetstream.url import parse_url

_NOT_BESIDE: Final = "it holds records, so it is a log of its own; name another one in beside="


class JetStreamLog(EventLog):
    """The log in one JetStream stream.

    `beside` is a log without records: its database keeps what lies beside that. It is
    closed with this log.
    """

    def __init__(self, recorder: JetStreamRecorder, beside: EventLog, clock: Clock) -> None:
        self.recorder = recorder
        self.beside = beside
        # An erasure is recorded in the first partition: the others would not know of it.
        self.takes_keys = recorder.target.options.partitions == 1
        self._followed = FollowedLinks(self, beside)
        super().__init__(
            recorder,
            clock,
            recorder.target.options.retry_timeout,
            feeds=beside.feeds,
            views=beside.views,
            tree=beside.tree,
            links=self._followed,
        )

    def prepare(self, *, create: bool) -> None:
        """Make the JetStream stream if need be, and check it and what lies beside it."""
        self.recorder.prepare(create=create)
        self._followed.begin(self.recorder.target.name, self.recorder.created)

    def holds(self, stream: str) -> bool:
        """Tell whether a stream of the log lies here and not in another partition."""
        return self.recorder.target.holds(stream)

    def index_links(self) -> None:
        """Add to the index what it lacks of the links that the log holds."""
        self._followed.follow()

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, and what the database beside the log is set to."""
        beside = (
            each._replace(name=f"{each.name}, beside the log") for each in self.beside.settings()
        )
        return [*super().settings(), *beside]

    def close(self) -> None:
        """Close every connection; what was acknowledged stays."""
        super().close()
        self.beside.close()


def opened(
    url: str, open_beside: Callable[[str], EventLog], *, create: bool, clock: Clock
) -> EventLog | PartitionedLog:
    """Return the log that a URL names, made if there is none and `create` is true.

    Raises:
        StoreMissingError: there is no log and `create` is false; nothing is made.
        StoreUnavailableError: it cannot be opened, or it is not safe.
    """
    target = parse_url(url)
    refuse_unsynced(target)
    with closing(Connection(target)) as connection, ExitStack() as failing:
        parts: list[EventLog] = []
        for part in target.parts:
            beside = open_beside(part.options.beside)
            log = JetStreamLog(JetStreamRecorder(part, connection.shared()), beside, clock)
            parts.append(failing.enter_context(closing(log)))
            if beside.last_position():
                raise StoreUnavailableError(beside.url, _NOT_BESIDE)
            retrying(part.url, part.options.retry_timeout, log.prepare, create=create)
        failing.pop_all()
    return PartitionedLog(target.url, parts) if len(parts) > 1 else parts[0]
