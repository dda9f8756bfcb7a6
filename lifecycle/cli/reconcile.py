"""`lifecycle reconcile`: asks the provider for orders that wait too long."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    Database,
    Json,
    ProviderName,
    span_option,
)
from lifecycle.cli.output import print_fields, print_json, progress
from lifecycle.composition import connect, part_of

ENVIRONMENT: Final = "LIFECYCLE_PROVIDER_"
NEEDED: Final = ("URL", "CLIENT_ID", "CLIENT_SECRET", "USER_ID")
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


def reconcile(
    *,
    waiting_longer_than: WaitingLongerThan = "15m",  # type: ignore[assignment]  # typer parses it
    interval: Interval = "5m",  # type: ignore[assignment]  # as above
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, max=100, help="How many to ask for at a time.")
    ] = 4,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Ask the provider for orders that wait too long."""
    module, settings = part_of(provider, "reconcile"), provider_settings(os.environ)
    with (
        connect(db, provider=provider, create=False) as orders,
        part_of(provider, "client").Client(**settings) as client,
        progress("reconcile") as advance,
    ):
        found = module.reconcile(
            orders,
            client,
            longer_than=waiting_longer_than,
            interval=interval,
            at_once=at_once,
            on_result=lambda _order_id, _result: advance(1),
        )
    counts = {name: count for name, count in vars(found).items() if isinstance(count, int)}
    if json:
        print_json(counts)
    else:
        print_fields({name.replace("_", " "): count for name, count in counts.items()})
    if found.unanswered or found.not_asked or found.failed:
        raise Refusal(f"not all were answered: {found.why or 'the provider is busy'}", NO)


def provider_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a client of the provider is made from, as the environment tells it.

    Raises:
        Refusal: a variable is missing.
    """
    missing = [ENVIRONMENT + name for name in NEEDED if not environment.get(ENVIRONMENT + name)]
    if missing:
        raise Refusal(f"the environment has no {', '.join(missing)}; set it and try again")
    return {
        "base_url": environment[f"{ENVIRONMENT}URL"],
        "client_id": environment[f"{ENVIRONMENT}CLIENT_ID"],
        "client_secret": environment[f"{ENVIRONMENT}CLIENT_SECRET"],
        "user_id": environment[f"{ENVIRONMENT}USER_ID"],
        "token_url": environment.get(f"{ENVIRONMENT}TOKEN_URL") or None,
    }


def background_of(provider: str, longer_than: timedelta) -> tuple[Any, Any]:
    """Return a client to keep open, and what runs beside a receiver to reconcile its orders."""
    client = part_of(provider, "client").AsyncClient(**provider_settings(os.environ))
    pause = min(max(longer_than, timedelta(seconds=1)), LONGEST_PAUSE)
    keep = part_of(provider, "reconcile").keep_reconciled(
        client, every=pause, longer_than=longer_than, interval=pause
    )
    return client, keep
