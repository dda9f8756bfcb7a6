"""`replay --rules`: which orders would change under other rules, and in what."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from typing import Any

import typer

from lifecycle.audit.shadow_replay import ChangedOrder, ShadowReplay
from lifecycle.cli.choice import (
    check_installed,
    log_at,
    named_rules,
    only_provider,
    providers_asked,
)
from lifecycle.cli.failure import NO
from lifecycle.cli.output import (
    attributes,
    counted,
    print_json_report,
    print_table,
    progress,
    say,
)
from lifecycle.cli.partition import heading, in_json, numbered
from lifecycle.core.definition import Definition
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log
from lifecycle.registry import find_provider
from lifecycle.service.chosen_rules import chosen_definition

_HEADINGS = ("order", "field", "today", "by these rules")


def shadow_replay(db: str, provider: str | None, rules: str, *, json: bool) -> None:
    """Print each order that would change if it were folded by these rules.

    Raises:
        InvalidArgumentError: none are recorded of that name.
        Refusal: they are one provider's, and it is not said whose.
    """
    with log_at(db, provider) as log:
        ok = [
            _print_replay(part, number, provider, named_rules(rules), json=json)
            for number, part in numbered(log)
            if number is None or part.last_position()  # an empty one has no rules
        ]
    if not all(ok):
        raise typer.Exit(NO)


def _print_replay(
    log: Log,
    number: int | None,
    provider: str | None,
    rules: str | Definition | None,
    *,
    json: bool,
) -> bool:
    """Print the changed orders of a log or a partition, and return whether there are none."""
    with progress("replay", log.last_position()) as advance:
        chosen = _chosen(log, provider, rules)
        known = {name: find_provider(name).provider for name in chosen}
        replay = ShadowReplay(log, known, chosen)
        changes = replay.changes(advance)
        if json:
            rows = (change.as_json() for change in changes)
            print_json_report("changed_orders", rows, lambda: in_json(number, _totals(replay)))
        else:
            heading(number)
            print_table(_HEADINGS, (row for change in changes for row in _rows(change)))
            _print_totals(replay)
    return replay.ok


def _chosen(
    log: Log, provider: str | None, rules: str | Definition | None
) -> dict[str, Definition]:
    """Return the rules by provider: those of one, or the recorded ones of each that has them."""
    if isinstance(rules, Definition):
        names = [provider or only_provider(log, "replay")]
    else:
        names = providers_asked(log, provider)
    chosen, refusal = {}, None
    for name in names:
        if name != provider:
            check_installed(name)
        try:
            found = find_provider(name)
            chosen[found.name] = chosen_definition(log, found.provider, rules)
        except InvalidArgumentError as none_recorded:
            refusal = none_recorded
    if not chosen and refusal is not None:
        raise refusal
    return chosen


def _totals(replay: ShadowReplay) -> dict[str, Any]:
    rules = {name: definition.fingerprint for name, definition in replay.rules.items()}
    counts = attributes(replay, "ok", "orders", "changed", "unreadable")
    return {**counts, "kinds": dict(replay.kinds.most_common()), "rules": rules}


def _rows(change: ChangedOrder) -> Iterator[tuple[Any, ...]]:
    name = f"{change.provider}:{change.order_id}"
    for field, today, by_rules in change.fields:
        yield name, field, _shown(today), _shown(by_rules)


def _shown(value: Any) -> str:
    return "-" if value is None else json_module.dumps(value, ensure_ascii=False)


def _print_totals(replay: ShadowReplay) -> None:
    rules = ", ".join(
        f"{definition.fingerprint[:12]} of {name}" for name, definition in replay.rules.items()
    )
    looked_at = f"{counted(replay.orders, 'order')} folded by the rules {rules}"
    if replay.ok:
        say(f"{looked_at}: none would change", "green")
        return
    say(f"{looked_at}: {replay.changed:,} would change", "bold red")
    for kind, orders in replay.kinds.most_common():
        say(f"  {kind}: {counted(orders, 'order')}")
    if replay.unreadable:
        say(f"{counted(replay.unreadable, 'order')} cannot be folded; run: lifecycle list")
