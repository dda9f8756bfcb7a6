"""`lifecycle resume`: finishes what a process began that is gone."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Annotated

import typer

from lifecycle.cli.choice import open_orders, provider_of_a_log
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName, span_option
from lifecycle.cli.output import print_fields, print_json, progress
from lifecycle.cli.reconcile import provider_settings
from lifecycle.registry import part_of

SettleAfter = Annotated[
    timedelta,
    span_option("--settle-after", "How long a request may be on its way before it is sent again."),
]
BegunWithin = Annotated[
    timedelta,
    span_option("--begun-within", "What was begun longer ago is only looked up, never sent again."),
]


def resume(
    *,
    settle_after: SettleAfter = "60s",  # type: ignore[assignment]  # typer parses it
    begun_within: BegunWithin = "1h",  # type: ignore[assignment]  # as above
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, max=100, help="How many orders at a time.")
    ] = 4,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Finish the create requests that a process left."""
    name = provider or provider_of_a_log(db, "resume")
    client_port = part_of(name, "client")
    settings = provider_settings(client_port, os.environ)
    with (
        open_orders(db, name) as orders,
        client_port.client(**settings) as client,
        progress("resume") as advance,
    ):
        found = orders.resume(
            client,
            settle_after=settle_after,
            begun_within=begun_within,
            at_once=at_once,
            on_result=lambda _order_id, _outcome: advance(1),
        )
    counts = {name: count for name, count in vars(found).items() if isinstance(count, int)}
    if json:
        print_json(counts)
    else:
        print_fields(counts)
    if not found.ok:
        why = found.why or "they may still be on their way; run it again in a minute"
        raise Refusal(f"the outcome of some is not known: {why}", NO)
