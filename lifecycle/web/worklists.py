"""The quarantine, the letters and the checkpoints: three lists as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.signed_note import Note
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.feed_store import Delivery
from lifecycle.log.tree_store import Signed
from lifecycle.service.receipt import QuarantineItem
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource
from lifecycle.web.personal_fields import ShownBody, harmless_fields, shown_body

AT_ONCE: Final = 50
MOST_LETTERS: Final = 5_000
"""The most deliveries that one list of letters looks at, those that others block too."""

REASONS: Final[Mapping[str, str]] = {
    "not_json": "The body is not strict JSON.",
    "not_an_object": "The body is JSON, but no object.",
    "no_name": "Nothing in the body says what happened.",
    "no_order": "Neither the address nor the body names an order.",
    "order_mismatch": "The body names another order than the request did.",
    "too_big": "The body is larger than 1 MiB.",
    "bad_order_id": "The order's id cannot be one.",
    "provider_fault": "The provider's code failed with it.",
    "bad_line": "A line of a recording that says nothing usable.",
    "unlinked": "It names the provider's own id, and nobody knows yet of which order.",
    "linked_twice": "Two orders claim the id that it names.",
    "test_event": "A test of the provider's, not about a real order.",
    "damaged": "The stored record itself cannot be read.",
}
"""What each reason means, for whoever has the pages alone."""

_ITEM: Final = ("item", "reason", "detail", "provider", "order_id", "kind", "received_at", "size")
_LETTER: Final = (
    *("subscription", "position", "order_id", "state", "attempts", "due_at", "reason", "blocks"),
)


def quarantine_page(source: LogSource, asked: Mapping[str, str], *, unmask: int = 0) -> Page:
    """Return the list of what could not be read; the body of the item `unmask` is not masked.

    Raises:
        InvalidArgumentError: the address asks for what there is not.
    """
    is_all, after = asked.get("all", "") not in {"", "0"}, whole_number(asked, "after")
    waiting = source.any_orders().quarantine(all=is_all)
    items = [*islice((item for item in waiting if item.item > after), AT_ONCE + 1)]
    listed = items[:AT_ONCE]
    more = {"all": "1" * is_all, "after": listed[-1].item} if len(items) > AT_ONCE else None
    rows = [(item, _body(source, item, masked=item.item != unmask)) for item in listed]
    shown = {"rows": rows, "is_all": is_all, "following": more, "reasons": REASONS, "after": after}
    told = {"items": [_told(item, body) for item, body in rows], "next": more}
    table = Table(_ITEM, ([getattr(item, name) for name in _ITEM] for item in listed))
    return Page("quarantine.html", "Quarantine", shown, told, table, live="" if unmask else "*")


def letters_page(source: LogSource, asked: Mapping[str, str]) -> Page:
    """Return the list of what was not delivered to subscriptions, and how far each is."""
    is_all, name = asked.get("all", "") not in {"", "0"}, asked.get("subscription") or None
    skipped = whole_number(asked, "after")
    undelivered = [*islice(source.any_orders().letters.list(name, all=is_all), MOST_LETTERS + 1)]
    letters = with_what_they_block(undelivered[:MOST_LETTERS])
    listed = letters[skipped : skipped + AT_ONCE]
    more: dict[str, object] | None = None
    if len(letters) > skipped + AT_ONCE:
        more = {"all": "1" * is_all, "subscription": name, "after": skipped + AT_ONCE}
    feeds, end = source.log.feeds.positions(), source.log.last_position()
    shown = {
        "letters": listed,
        "named": {letter.order_id: source.named(letter.order_id) for letter, _ in listed},
        "feeds": feeds,
        "end": end,
        "is_all": is_all,
        "name": name,
        "following": more,
        "after": skipped,
        "most": MOST_LETTERS if len(undelivered) > MOST_LETTERS else 0,
    }
    rows = [{**letter.as_json(), "blocks": blocks} for letter, blocks in listed]
    subscriptions = [feed._asdict() for feed in feeds]
    told = {"letters": rows, "subscriptions": subscriptions, "end": end, "next": more}
    table = Table(_LETTER, ([row[name] for name in _LETTER] for row in rows))
    return Page("letters.html", "Dead letters", shown, told, table, live="*")


def with_what_they_block(letters: Iterable[Delivery]) -> list[tuple[Delivery, int]]:
    """Return deliveries, each with how many later ones of its order wait only for it."""
    blocks: dict[tuple[str, str], int] = {}
    first: list[Delivery] = []
    for each in letters:
        order = each.subscription, each.order_id
        if each.state == "blocked" and order in blocks:
            blocks[order] += 1
        else:
            blocks.setdefault(order, 0)
            first.append(each)
    return [(each, blocks.pop((each.subscription, each.order_id), 0)) for each in first]


def checkpoints_page(source: LogSource, asked: Mapping[str, str]) -> Page:
    """Return the list of checkpoints, the newest first."""
    before = whole_number(asked, "before")
    kept = [each for each in reversed(_checkpoints(source)) if not before or each.size < before]
    listed = [_checkpoint(each) for each in kept[:AT_ONCE]]
    more = {"before": listed[-1]["size"]} if len(kept) > AT_ONCE else None
    end = source.log.last_position()
    shown = {"checkpoints": listed, "end": end, "following": more, "before": before}
    told = {"checkpoints": listed, "end": end, "next": more}
    headings = ("size", "root", "taken_at", "signed_by")
    rows = (
        [*(each[name] for name in headings[:3]), " ".join(each["signed_by"])] for each in listed
    )
    return Page("checkpoints.html", "Checkpoints", shown, told, Table(headings, rows), live="*")


def _checkpoints(source: LogSource) -> list[Signed]:
    kept: list[Signed] = []
    while page := source.log.tree.checkpoints(kept[-1].size if kept else -1, 500):
        kept += page
    return kept


def _checkpoint(signed: Signed) -> dict[str, Any]:
    told: dict[str, Any] = {"size": signed.size, "note": signed.note}
    try:
        note = Note.parse(signed.note)
        checkpoint = Checkpoint.parse(note.text)
    except InvalidArgumentError:
        return {**told, "root": "", "taken_at": None, "signed_by": []}
    names = [*dict.fromkeys(signature.name for signature in note.signatures)]
    root = checkpoint.head.root.hex()
    return {**told, "root": root, "taken_at": checkpoint.taken_at, "signed_by": names}


def _body(source: LogSource, item: QuarantineItem, *, masked: bool) -> ShownBody:
    provider = source.known.get(item.provider)
    fields = harmless_fields(provider.definition.details) if provider else frozenset()
    return shown_body(item.body, fields, masked=masked)


def _told(item: QuarantineItem, body: ShownBody) -> dict[str, Any]:
    shown = {"body": body.text, "masked": body.is_masked, "cut": body.is_cut}
    return {**item.model_dump(mode="json"), **shown}


def whole_number(asked: Mapping[str, str], name: str) -> int:
    """Return a number that is asked for, 0 where none is.

    Raises:
        InvalidArgumentError: it is none.
    """
    text = asked.get(name, "")
    if text and not (text.isdecimal() and len(text) < 19):
        raise InvalidArgumentError(name, "a number")
    return int(text or 0)
