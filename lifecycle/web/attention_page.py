"""The attention page: what needs a person, worst first, each item with advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from lifecycle.diagram.harmless import spoken
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.attention import KINDS, AttentionItem
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import MOST_OF_A_KIND, LogSource
from lifecycle.web.worklists import REASONS

LABELS: Final[Mapping[str, str]] = {
    "unreadable": "Cannot be folded",
    "dead_letter": "Dead letter",
    "hung_handler": "Handler hangs",
    "quarantined": "Quarantined",
    "linked_twice": "Linked twice",
    "anomaly": "Anomaly",
    "overdue": "Overdue",
}
"""The name of each kind on the page."""

ADVICE: Final[Mapping[str, str]] = {
    "unreadable": "Have an engineer run lifecycle verify: a stored record cannot be read.",
    "dead_letter": "Mend whatever failed with the change, then redrive it among the letters.",
    "hung_handler": "Have an engineer see what the handler waits for, and restart its process.",
    "quarantined": "See in the quarantine why it could not be read; redrive it after a fix.",
    "linked_twice": "Ask the provider which of the two orders this id belongs to.",
    "anomaly": "Open the order and look at the marked events.",
    "overdue": "Ask the provider: the order has waited longer than it should.",
}
"""What to do about each kind, for readers without the command line."""

CODES: Final[Mapping[str, str]] = {
    "refused": "An event cannot follow where the order stood; it was kept, and moved nothing.",
    "unrecognized": "An event has a name that no rule knows; it was kept, and moved nothing.",
    "divergent": "One event came more than once with different contents; the first reading counts.",
    "bad_time": "An event has a time that cannot be read.",
    "unreadable_body": "The provider accepted the order with an answer that cannot be read.",
}
"""What each code of an anomaly means."""

_HEADINGS: Final = ("kind", "provider", "order_id", "found", "since", "subject", "advice")


def attention_page(source: LogSource, asked: Mapping[str, str]) -> Page:
    """Return the list of what needs attention.

    Raises:
        InvalidArgumentError: the address names an unknown kind.
    """
    kind, is_all = asked.get("kind", ""), asked.get("all", "") not in {"", "0"}
    if kind and kind not in KINDS:
        raise InvalidArgumentError("kind", "one of " + ", ".join(KINDS))
    items = source.attention(include_reviewed=is_all)
    counts = Counter(item.kind for item in items if item.review is None)
    listed = [item for item in items if kind in {"", item.kind}]
    shown = {
        "items": listed,
        "counts": [(each, counts[each]) for each in KINDS if counts[each] or each == kind],
        "total": sum(counts.values()),
        "kind": kind,
        "is_all": is_all,
        "labels": LABELS,
        "advice": ADVICE,
        "words": words,
        "most": MOST_OF_A_KIND,
    }
    told = {"items": listed, "most_of_a_kind": MOST_OF_A_KIND}
    table = Table(_HEADINGS, ([getattr(item, name) for name in _HEADINGS] for item in listed))
    return Page("attention.html", "Attention", shown, told, table, live="*")


def words(item: AttentionItem) -> str:
    """Return what was found, in words for readers without the command line."""
    status, _, rest = item.found.partition(", with ")
    if item.kind == "anomaly" and rest:
        said = (CODES.get(code, spoken(code)) for code in rest.split(", "))
        return f"The order is {spoken(status)}. {' '.join(said)}"
    status, _, rest = item.found.partition(", waits for ")
    if item.kind == "overdue" and rest:
        awaited = ", or ".join(map(spoken, rest.split(", ")))
        return f"The order is {spoken(status)}, and waits for {awaited}."
    if item.kind in {"quarantined", "linked_twice"}:
        number, _, reason = item.found.partition(": ")
        return f"{REASONS.get(reason.partition(':')[0], reason)} It is {number} of the quarantine."
    return item.found
