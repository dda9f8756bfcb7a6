"""The actions of the pages: review, redrive, drop a letter, unmask."""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.core.event import Unmasked, stream_of
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import QUARANTINE
from lifecycle.service.attention import MAX_BY
from lifecycle.web.log_source import LogSource, OrderName
from lifecycle.web.worklists import whole_number


def review(source: LogSource, form: Mapping[str, str], by: str) -> str:
    """Record the review of an item of attention, and return the sentence for the user.

    Raises:
        InvalidArgumentError: it no longer needs attention, or `why` or `by` is missing.
    """
    subject = form.get("subject", "")
    listed = source.attention()
    if form.get("provider"):
        name = OrderName(form["provider"], form.get("order_id", ""))
        listed += source.attention_of(source.orders_of(name.provider).get(name.order_id))
    for item in listed:
        if item.subject == subject:
            is_first = source.any_orders().review(item, by=by, why=form.get("why", ""))
            return "Reviewed." if is_first else "Somebody had reviewed it before."
    expected = "one that needs attention now; something new may have come"
    raise InvalidArgumentError("subject", expected)


def redrive_quarantine(source: LogSource, form: Mapping[str, str], by: str) -> str:  # noqa: ARG001 - as every action
    """Read the quarantine again, and return the sentence for the user."""
    count = sum(1 for _ in source.any_orders().redrive())
    return f"{count} of the items became events." if count else "None of the items can be read yet."


def redrive_letters(source: LogSource, form: Mapping[str, str], by: str) -> str:  # noqa: ARG001 - as above
    """Make one dead letter due, or all of them, and return the sentence for the user."""
    letters = source.any_orders().letters
    name, position = form.get("subscription") or None, _position(form)
    count = letters.redrive(name, position)
    due = f"{count} of the letters {'is' if count == 1 else 'are'} due now."
    return due if count else "There is no dead letter."


def drop_letter(source: LogSource, form: Mapping[str, str], by: str) -> str:
    """Drop a letter for good, and return the sentence for the user.

    Raises:
        InvalidArgumentError: the reason is missing.
    """
    letters = source.any_orders().letters
    position = _position(form)
    reason = form.get("why", "").strip()
    if not reason:
        raise InvalidArgumentError("why", "the reason, which is kept")
    told = f"{reason} (dropped by {by})"
    dropped = letters.drop(form.get("subscription", ""), position or 0, reason=told)
    return "The letter was dropped." if dropped else "There is no such letter any more."


def unmask(source: LogSource, name: OrderName, by: str) -> None:
    """Record that a user unmasks the bodies of an order, before they are shown."""
    source.log.append(Unmasked(stream_of(*name), by, source.now))


def unmask_item(source: LogSource, item: int, by: str) -> None:
    """Record that a user unmasks an item of the quarantine, before it is shown."""
    source.log.append(Unmasked(QUARANTINE, by, source.now, item))


def said_by(user: str, form: Mapping[str, str]) -> str:
    """Return who acts: the user, or without authentication the name in the form.

    Raises:
        InvalidArgumentError: no name is given.
    """
    by = user or form.get("by", "").strip()
    if not 0 < len(by) <= MAX_BY:
        raise InvalidArgumentError("by", f"your name, in 1 to {MAX_BY} characters")
    return by


def _position(form: Mapping[str, str]) -> int | None:
    return whole_number(form, "position") if form.get("position") else None
