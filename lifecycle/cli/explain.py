"""`lifecycle explain`: the story of one order, for people who did not write any of this."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from lifecycle.audit.explain import Story, explain_order
from lifecycle.cli.choice import named_rules, orders_with
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    AsAt,
    AsOf,
    Database,
    LogAt,
    OrderId,
    Output,
    ProviderName,
    RulesName,
)
from lifecycle.cli.output import print_text
from lifecycle.diagram.picture import seen_at_once
from lifecycle.log.look_options import LookOptions

_Form = Literal["text", "markdown", "html"]
_SUFFIXES: Final[dict[str, _Form]] = {".md": "markdown", ".html": "html", ".htm": "html"}

FormName = Annotated[
    _Form | None,
    typer.Option("--format", help="The form to write it in.", show_default="as FILE is named"),
]


def explain(
    order: OrderId,
    *,
    form: FormName = None,
    output: Output = STDOUT,
    as_at: AsAt = None,
    as_of: AsOf = None,
    log_at: LogAt = None,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Tell the story of one order in sentences, with both clocks."""
    how = LookOptions(as_at=as_at, as_of=as_of, log_at=log_at, rules=named_rules(rules))
    with orders_with(db, provider, order) as orders:
        view, entries = seen_at_once(orders, order, **how)
        times = [time for time in (as_at, log_at) if isinstance(time, datetime)]
        delivered, undelivered = orders.letters.delivered(order), orders.letters.of_order(order)
        story = explain_order(view, entries, delivered, undelivered, until=min(times, default=None))
    written = _written(story, form or _SUFFIXES.get(Path(output).suffix.lower(), "text"))
    if output == STDOUT:
        print_text(written)
        return
    with whole_or_not_there(Path(output), "story") as file:
        file.write(written.encode())


def _written(story: Story, form: _Form) -> str:
    match form:
        case "markdown":
            return story.markdown()
        case "html":
            return story.html()
        case "text":
            return story.text()
