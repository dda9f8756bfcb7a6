"""The options that several commands share, and how their values are read."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from lifecycle.core.instant import parse_instant
from lifecycle.log.contract import MAX_POSITION
from lifecycle.log.log_time import LogTime

DEFAULT_DATABASE: Final = "sqlite:///lifecycle.db"
MAX_DAYS: Final = 36_500
_DIGITS: Final = 19

_DURATION: Final = re.compile(r"([0-9]{1,12})\s*([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_time(text: str) -> datetime:
    """Return the instant that a value of `--as-at` or `--as-of` names, in UTC."""
    instant = parse_instant(text.strip())
    if instant is None:
        raise typer.BadParameter(
            f"{text!a} is no time with a zone; write it like 2022-06-04T10:00:00Z"
        )
    return instant


def read_duration(text: str) -> timedelta:
    """Return the span that a value such as `15m` names."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!a} is no span of time; write it like 90s, 15m, 2h or 3d")
    try:
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        span = timedelta.max
    if span > timedelta(days=MAX_DAYS):
        raise typer.BadParameter(f"{text!a} is too long; expected at most {MAX_DAYS}d")
    return span


def read_log_time(text: str) -> LogTime:
    """Return the position or the time by the log's clock that a value of `--log-at` names."""
    said = text.strip()
    if said.isascii() and said.isdigit():
        return min(int(said[:_DIGITS]), MAX_POSITION) if len(said) <= _DIGITS else MAX_POSITION
    return read_time(said)


def time_option(name: str, says: str) -> Any:
    """Return an option whose value is an instant."""
    return typer.Option(name, metavar="TIME", parser=read_time, help=says)


def span_option(name: str, says: str, envvar: str | None = None) -> Any:
    """Return an option whose value is a span of time."""
    return typer.Option(name, metavar="SPAN", parser=read_duration, help=says, envvar=envvar)


def read_provider(name: str) -> str:
    """Return the name of a provider; where it names a module, one that lies here is found."""
    if ":" in name and "" not in sys.path:
        # As `python -m` does, and unlike an installed script.
        sys.path.insert(0, "")
    return name


Database = Annotated[
    str,
    typer.Option("--db", metavar="URL", envvar="LIFECYCLE_DB", help="The log to use."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
ProviderName = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        parser=read_provider,
        help="Whose orders these are; package.module:NAME for one that is not installed.",
    ),
]
AsAt = Annotated[
    datetime | None,
    time_option("--as-at", "What we knew then: events received up to TIME, by the caller's clock."),
]
AsOf = Annotated[
    datetime | None, time_option("--as-of", "What was so then: events that had occurred by TIME.")
]
LogAt = Annotated[
    Any,
    typer.Option(
        "--log-at",
        metavar="TIME|POSITION",
        parser=read_log_time,
        help="What the log held then, by its own clock, or up to that position.",
    ),
]
RulesName = Annotated[
    str | None,
    typer.Option(
        "--rules",
        metavar="RULES",
        parser=read_provider,
        help="then, now, a fingerprint, or package.module:NAME: fold by these rules.",
    ),
]
ReceivedSince = Annotated[
    datetime | None,
    time_option(
        "--received-since", "Only orders about which something was received then or later."
    ),
]
ReceivedBefore = Annotated[
    datetime | None,
    time_option(
        "--received-before", "Only orders about which nothing was received since before then."
    ),
]
OverdueAfter = Annotated[
    timedelta,
    span_option(
        "--overdue-after",
        "How long an order may wait for the provider until it needs attention.",
        "LIFECYCLE_OVERDUE_AFTER",
    ),
]
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is stdout.")
]
