"""`reconcile` asks for orders that wait too long; `resume` finishes what a process left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lifecycle.cli.choice import open_orders, provider_of_a_log
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName, span_option
from lifecycle.cli.output import print_fields, print_json, progress
from lifecycle.registry import part_of
from lifecycle.service.orders import Orders

if TYPE_CHECKING:
    from lifecycle.http.client import ClientPort

LONGEST_PAUSE: Final = timedelta(minutes=5)

WaitingLongerThan = Annotated[
    timedelta,
    span_option("--waiting-longer-than", "Only orders that wait longer than 90s, 15m, 2h or 3d."),
]
Interval = Annotated[
    timedelta,
    span_option(
        "--interval", "Only orders that nothing was heard of for so long, earlier polls included."
    ),
]
SettleAfter = Annotated[
    timedelta,
    span_option("--settle-after", "How long a request may be on its way before it is sent again."),
]
BegunWithin = Annotated[
    timedelta,
    span_option("--begun-within", "What was begun longer ago is only looked up, never sent again."),
]
AtOnce = Annotated[
    int, typer.Option("--at-once", min=1, max=100, help="How many orders at a time.")
]


def reconcile(
    *,
    waiting_longer_than: WaitingLongerThan = "15m",  # type: ignore[assignment]  # typer parses it
    interval: Interval = "5m",  # type: ignore[assignment]  # as above
    at_once: AtOnce = 4,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Ask the provider for orders that wait too long."""
    from lifecycle.http.reconcile import reconcile as reconcile_orders  # noqa: PLC0415 - `http` may not be installed

    with _asking("reconcile", db, provider) as (orders, client, advance):
        found = reconcile_orders(
            orders,
            client,
            longer_than=waiting_longer_than,
            interval=interval,
            at_once=at_once,
            on_result=advance,
        )
    _print(found, json=json)
    if found.unanswered or found.not_asked or found.failed:
        raise Refusal(f"not all were answered: {found.why or 'the provider is busy'}", NO)


def resume(
    *,
    settle_after: SettleAfter = "60s",  # type: ignore[assignment]  # typer parses it
    begun_within: BegunWithin = "1h",  # type: ignore[assignment]  # as above
    at_once: AtOnce = 4,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Finish the create requests that a process left."""
    with _asking("resume", db, provider) as (orders, client, advance):
        found = orders.resume(
            client,
            settle_after=settle_after,
            begun_within=begun_within,
            at_once=at_once,
            on_result=advance,
        )
    _print(found, json=json)
    if not found.ok:
        why = found.why or "they may still be on their way; run it again in a minute"
        raise Refusal(f"the outcome of some is not known: {why}", NO)


@contextmanager
def _asking(
    what: str, db: str, provider: str | None
) -> Iterator[tuple[Orders, Any, Callable[..., None]]]:
    """Open the orders of a provider and a client that asks it; the third counts what is done."""
    name = provider or provider_of_a_log(db, what)
    port = part_of(name, "client")
    settings = provider_settings(port, os.environ)
    with (
        open_orders(db, name) as orders,
        port.client(**settings) as client,
        progress(what) as advance,
    ):
        yield orders, client, lambda *_: advance(1)


def _print(found: object, *, json: bool) -> None:
    counts = {name: count for name, count in vars(found).items() if isinstance(count, int)}
    if json:
        print_json(counts)
    else:
        print_fields({name.replace("_", " "): count for name, count in counts.items()})


def provider_settings(port: ClientPort, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a client of the provider is made from, as the environment tells it.

    Raises:
        Refusal: a variable is missing.
    """
    if missing := port.missing(environment):
        raise Refusal(f"the environment has no {', '.join(missing)}; set it and try again")
    return port.arguments(environment)


def background_of(
    provider: str, longer_than: timedelta | None, *, resumes: bool
) -> tuple[Any, dict[str, Any]]:
    """Return a client to keep open, and what runs beside a receiver with it, by name."""
    from lifecycle.http.reconcile import keep_reconciled  # noqa: PLC0415 - as above
    from lifecycle.http.resume import keep_resumed  # noqa: PLC0415 - as above

    port = part_of(provider, "client")
    client = port.async_client(**provider_settings(port, os.environ))
    background = {"resuming": keep_resumed(client)} if resumes else {}
    if longer_than is not None:
        pause = min(max(longer_than, timedelta(seconds=1)), LONGEST_PAUSE)
        keep = keep_reconciled(client, every=pause, longer_than=longer_than, interval=pause)
        background["reconciliation"] = keep
    return client, background
