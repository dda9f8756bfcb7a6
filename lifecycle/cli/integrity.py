"""`verify`, `replay` and `quarantine`: is what is stored sound, and what could not be read?"""

from __future__ import annotations

import json as json_module
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lifecycle.audit import replay as replaying
from lifecycle.audit import verify as verification
from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.difference import MOST_LISTED, Difference, Finding
from lifecycle.audit.range_replay import ChangedDefinition
from lifecycle.cli.checkpoint import WitnessKeys, public_key, read_checkpoint, witness_keys
from lifecycle.cli.choice import keys_named, log_at, open_orders
from lifecycle.cli.evidence import verify_evidence
from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName, RulesName
from lifecycle.cli.output import (
    Cell,
    attributes,
    counted,
    print_json_array,
    print_table,
    progress,
    say,
    warn,
)
from lifecycle.cli.partition import Answer, from_each, named, numbered, print_answers, url_of
from lifecycle.cli.rules import shadow_replay
from lifecycle.composition import open_log
from lifecycle.core.event import Event
from lifecycle.log.contract import ORDERS, Log
from lifecycle.log.order_stream import provider_in
from lifecycle.log.recorded_rules import ReturnedRules
from lifecycle.registry import known_providers, providers_with
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import QuarantineItem

_Held = Annotated[
    list[str] | None,
    typer.Option(
        "--checkpoint",
        metavar="CHECKPOINT",
        help="An earlier one, or its file, kept elsewhere: what it saw must still be there.",
    ),
]
_Evidence = Annotated[
    Path | None,
    typer.Option("--evidence", metavar="FILE", help="Verify this evidence, and no database."),
]
_Trusted = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The only public key to trust for signatures."),
]


def verify(
    *,
    checkpoint: _Held = None,
    evidence: _Evidence = None,
    key: _Trusted = None,
    witness_key: WitnessKeys = None,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Check that nothing stored was changed; print a checkpoint."""
    trusted, witnesses = public_key(key), witness_keys(witness_key)
    signers = witnesses if trusted is None else [trusted, *witnesses]
    texts = checkpoint or []
    if evidence is not None:
        held = [read_checkpoint(text, signers) for text in texts]
        verify_evidence(evidence, trusted, held, witnesses, json=json)
        return
    with log_at(db, needs_keys=False) as log, progress("verify"):
        every = {
            number: [read_checkpoint(named(text, number), signers) for text in texts]
            for number, _ in numbered(log)
        }
        each = from_each(db, log, partial(_verified, db, every))
    answers = [_verification(found, held=bool(texts)) for found in each]
    print_answers(answers, ("records", "orders", "found"), json=json)


def _verified(
    url: str, held: Mapping[int | None, Sequence[Checkpoint]], log: Log, number: int | None
) -> verification.Verification:
    """Return what verifying a log, or a partition of it, found."""
    found = verification.verify(log, checkpoints=held[number], providers=known_providers())
    odd = _odd_views(log, url, number)
    listed = (*found.findings, *odd)[:MOST_LISTED]
    return replace(found, findings=listed, found=found.found + len(odd))


def _verification(found: verification.Verification, *, held: bool) -> Answer:
    told = {
        **attributes(found, "ok", "records", "orders", "found"),
        "findings": [finding._asdict() for finding in found.findings],
        "notes": [note._asdict() for note in found.notes],
        "checkpoint": str(found.checkpoint),
    }
    return Answer(found.ok, told, partial(_print_verification, found, held=held))


def _odd_views(log: Log, url: str, number: int | None) -> list[Finding]:
    """Return the stored views that are not what their records come to under the same rules."""
    if log.views is None or not any(map(log.views.generations, known_providers())):
        return []
    replayed = _replayed(log, url, 0 if number is None else 1, None)
    other_rules = {change.provider for change in replayed.changed}
    return [
        Finding(each.stream, None, None, f"its stored view is not what it comes to: {each.field}")
        for each in replayed.differences
        if each.version is None
        and each.field != "provider"
        and provider_in(each.stream) not in other_rules
    ]


def _print_verification(found: verification.Verification, *, held: bool) -> None:
    looked_at = _looked_at(found)
    if found.notes:
        say("worth knowing, and no failure:")
        _print_findings(found.notes)
    if found.ok:
        untouched = "nothing that is there was changed, and none is missing in between"
        say(f"{looked_at}: {untouched}", "green")
        if not held:
            say("only an earlier checkpoint can show whether the end of the log was cut off")
        say(f"checkpoint {found.checkpoint}")
        return
    say(f"{looked_at}: {counted(found.found, 'finding')}, in the order of the log", "bold red")
    _print_findings(found.findings)


def _print_findings(findings: Sequence[Finding]) -> None:
    rows = ((each.position, each.stream, each.version, each.sentence) for each in findings)
    print_table(("position", "stream", "version", "found"), rows)


def _looked_at(found: verification.Verification | replaying.Replay) -> str:
    return f"{counted(found.records, 'record')} of {counted(found.orders, 'order')}"


LONGEST_SHOWN: Final = 60
SMALL_LOG: Final = 20_000
"""Records."""

_IN_MEMORY: Final = "memory:"


def replay(
    *,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, metavar="N", help="Processes to use; 0 is one a processor."
        ),
    ] = 0,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Derive every view again from the raw bytes, and compare."""
    if rules is not None:
        shadow_replay(db, provider, rules, json=json)
        return
    with log_at(db, provider) as log:
        answers = [
            _replay(_replayed(part, url_of(db, number), workers, provider))
            for number, part in numbered(log)
        ]
    print_answers(answers, ("records", "orders", "compared", "behind", "found"), json=json)


def _replay(found: replaying.Replay) -> Answer:
    counts = ("records", "orders", "compared", "behind", "linked", "found")
    told = attributes(found, "ok", *counts)
    told["differences"] = [difference._asdict() for difference in found.differences]
    if found.changed:
        told["changed"] = [change._asdict() for change in found.changed]
    if found.returned:
        told["returned"] = [each._asdict() for each in found.returned]
    return Answer(found.ok, told, partial(_print_replay, found))


def _replayed(log: Log, url: str, workers: int, provider: str | None) -> replaying.Replay:
    """Replay every order by its own provider; one that was named is known besides."""
    known = known_providers if provider is None else partial(providers_with, provider)
    last = log.last_position()
    if workers == 0:
        # Starting processes takes longer than replaying a small log.
        workers = (os.cpu_count() or 1) if last > SMALL_LOG else 1
    with progress("replay", last) as advance:
        if workers == 1 or log.url == _IN_MEMORY:
            return replaying.replay(log, known(), advance)
        source = replaying.Source(partial(open_log, url, create=False, keys=keys_named()), known)
        return replaying.replay_in_processes(log, source, workers, advance)


def _print_replay(found: replaying.Replay) -> None:
    if found.ok:
        say(f"{_looked_at(found)}: all of it comes out as it was stored", "green")
    else:
        say(f"{_looked_at(found)}: {counted(found.found, 'difference')}", "bold red")
        print_differences(found.differences)
    for change in found.changed:
        say(about_change(change), "yellow")
    for each in found.returned:
        say(about_return(each), "yellow")
    say(_about_views(found))
    if found.linked is None:
        say("whether nothing is gone from between the records, only verify can tell")


def print_differences(differences: Sequence[Difference]) -> None:
    """Print differences as a table, if there are any."""
    if differences:
        headings = ("order", "version", "field", "stored", "found")
        print_table(headings, map(_difference, differences))


def about_change(change: ChangedDefinition) -> str:
    """Return what it means that views were made under another definition."""
    return (
        f"the definition of {change.provider!a} was changed since its views were stored: "
        f"from {change.stored} to {change.found}; this explains differences in them; "
        "to store them again, run: lifecycle views --rebuild"
    )


def about_return(returned: ReturnedRules) -> str:
    """Return what it means that rules were recorded again after others."""
    return (
        f"rules of {returned.provider!a} came back at position {returned.position}: "
        f"{returned.fingerprint[:12]} by {returned.release}, after others; "
        "releases overlapped, or one was rolled back"
    )


def _about_views(found: replaying.Replay) -> str:
    if not found.compared and not found.behind:
        return "no stored views were there to compare with"
    compared = f"{counted(found.compared, 'stored view')} compared"
    return f"{compared}, {found.behind:,} behind the log" if found.behind else compared


def _difference(each: Difference) -> tuple[Any, ...]:
    order, stored, found = each.stream.removeprefix(ORDERS), each.stored, each.found
    return (order or "-", each.version, each.field, _in_short(stored), _in_short(found))


def _in_short(value: Any) -> str:
    return _shortened(
        "-" if value is None else json_module.dumps(value, ensure_ascii=False, default=str)
    )


HEADINGS: Final = (
    *("item", "received", "reason", "provider", "kind"),
    *("order", "line", "bytes", "re-driven", "detail"),
)
REDRIVEN_HEADINGS: Final = ("item", "order", "outcome", "event")


def quarantine(
    *,
    redrive: Annotated[
        bool,
        typer.Option(
            "--redrive", help="Read every waiting item again, and record what can be read now."
        ),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Also items that were re-driven.")] = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """List what could not be read and why; --redrive reads it again."""
    if redrive and every:
        raise Refusal("--redrive and --all do not go together; run them one after the other")
    with open_orders(db, provider) as orders:
        if redrive:
            _redrive(orders, json=json)
        elif json:
            print_json_array(item.model_dump(mode="json") for item in orders.quarantine(all=every))
        elif not print_table(HEADINGS, map(_row, orders.quarantine(all=every))):
            say("nothing is in the quarantine")


def _redrive(orders: Orders, *, json: bool) -> None:
    # All of it first: a reader of our output that goes away must not stop the work.
    became = list(_redriven(orders))
    if json:
        print_json_array(became)
    elif not print_table(REDRIVEN_HEADINGS, (event.values() for event in became)):
        say("nothing in the quarantine can be read yet")
    known = {*known_providers(), orders.provider.name}
    for provider, count in _without_provider(orders, known).items():
        warn(f"{counted(count, 'item')} left: provider {provider!a} is not known here")


def _redriven(orders: Orders) -> Iterator[dict[str, Any]]:
    for receipt in orders.redrive():
        if isinstance(receipt.event, Event):
            yield {
                "item": receipt.event.redriven_from,
                "order_id": receipt.event.order_id,
                "outcome": receipt.outcome.value,
                "key": receipt.event.key,
            }


def _without_provider(orders: Orders, known: Collection[str]) -> Counter[str]:
    """Count the waiting items whose provider nobody here can ask, by its name."""
    return Counter(item.provider for item in orders.quarantine() if item.provider not in known)


def _row(item: QuarantineItem) -> tuple[Any, ...]:
    received_at = item.model_dump(mode="json")["received_at"]
    reason = Cell(item.reason, "red" if item.redriven is None else "dim")
    order = _shortened(item.order_id or "-")
    came = (received_at, reason, item.provider, item.kind or "-", order)
    return (item.item, *came, item.line_number, item.size, item.redriven or "-", item.detail)


def _shortened(text: str) -> str:
    """Return how a text starts: an order id is in the quarantine because it is far too long."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
