"""The log in a stream of NATS JetStream: past what one machine carries.

The stream holds the records. What else belongs to a log lies in a database beside it: stored
views, subscriptions, links and checkpoints, all of which can be made again but for the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Setting
from lifecycle.log.event_log import Clock, EventLog, now
from lifecycle.log.partitioned import PartitionedLog
from lifecycle.log.retry_policy import retrying
from lifecycle.log.stores.jetstream.connection import Connection
from lifecycle.log.stores.jetstream.links import FollowedLinks
from lifecycle.log.stores.jetstream.recorder import JetStreamRecorder
from lifecycle.log.stores.jetstream.stream import refuse_unsynced
from lifecycle.log.stores.jetstream.url import Target, parse_url

_NOT_BESIDE: Final = "it holds records, so it is a log of its own; name another one in beside="


class JetStreamLog(EventLog):
    """The log in the stream that a URL names, made if there is none and `create` is true.

    `beside` is a log without records: its database keeps what lies beside the stream. It is
    closed with this log, also if that cannot be opened.

    Raises:
        StoreMissingError: there is no log and `create` is false; nothing is made.
        StoreUnavailableError: it cannot be opened, or it is not safe.
    """

    def __init__(
        self,
        target: Target,
        connection: Connection,
        beside: EventLog,
        *,
        create: bool = True,
        clock: Clock = now,
    ) -> None:
        self.recorder = JetStreamRecorder(target, connection)
        try:
            _check_beside(beside)
            timeout, prepare = target.options.retry_timeout, self.recorder.prepare
            retrying(target.url, timeout, prepare, create=create)
        except BaseException:
            self.recorder.close()
            beside.close()
            raise
        self.beside = beside
        # An erasure is recorded in the first partition: the others would not know of it.
        self.takes_keys = target.options.partitions == 1
        self._followed = FollowedLinks(self, beside)
        super().__init__(
            self.recorder,
            clock,
            target.options.retry_timeout,
            feeds=beside.feeds,
            views=beside.views,
            tree=beside.tree,
            links=self._followed,
        )

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


def _check_beside(beside: EventLog) -> None:
    if beside.last_position():
        raise StoreUnavailableError(beside.url, _NOT_BESIDE)


def opened(
    url: str, open_beside: Callable[[str], EventLog], *, create: bool, clock: Clock
) -> EventLog | PartitionedLog:
    """Return the log at `url`, or one that consists of its partitions."""
    target = parse_url(url)
    refuse_unsynced(target)
    with ExitStack() as stack:
        connection = stack.enter_context(closing(Connection(target)))
        parts: list[EventLog] = []
        failing = stack.enter_context(ExitStack())
        for part in target.parts:
            beside = open_beside(part.options.beside)
            log = JetStreamLog(part, connection.shared(), beside, create=create, clock=clock)
            parts.append(failing.enter_context(closing(log)))
        failing.pop_all()
    return PartitionedLog(target.url, parts) if target.is_parted else parts[0]
