"""The attention page: what needs a person, worst first, each item with advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

from lifecycle.diagram.harmless import spoken
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.attention import KINDS, AttentionItem
from lifecycle.web.answers import TEMPLATES, Page, Table
from lifecycle.web.log_source import MOST_OF_A_KIND, LogSource
from lifecycle.web.worklists import REASONS

LABELS: Final[Mapping[str, str]] = {
    "unreadable": "Damaged record",
    "dead_letter": "Message not delivered",
    "hung_handler": "Program hangs",
    "quarantined": "Unreadable message",
    "linked_twice": "Linked twice",
    "anomaly": "Anomaly",
    "overdue": "Overdue",
}
"""The name of each kind on the page."""

ADVICE: Final[Mapping[str, str]] = {
    "unreadable": "Have an engineer run lifecycle verify: a stored record cannot be read.",
    "dead_letter": "Have whatever failed mended, then have it tried again.",
    "hung_handler": "Have an engineer see what the program waits for, and restart it.",
    "quarantined": "See in the quarantine why it could not be read; after a fix, read it again.",
    "linked_twice": "Ask the provider which of the two orders this id belongs to.",
    "anomaly": "The order's page says which events are odd, and why.",
    "overdue": "Ask the provider: the order has waited longer than it should.",
}
"""What to do about each kind, for readers without the command line."""

CODES: Final[Mapping[str, str]] = {
    "refused": "The provider said something that cannot be after what it had said before. "
    "It was kept, and the order stays where it was: ask the provider which is so.",
    "unrecognized": "The provider said something that our rules do not know. It was kept, and "
    "the order stays where it was.",
    "divergent": "The provider sent one event twice, and not with the same content. One of the "
    "two counts, the other one was kept.",
    "bad_time": "An event has a time that cannot be read.",
    "unreadable_body": "The provider accepted the order with an answer that cannot be read.",
}
"""What each code of an anomaly means, for readers without the command line."""

CODE_LABELS: Final[Mapping[str, str]] = {
    "refused": "Contradiction",
    "unrecognized": "Unknown event",
    "divergent": "Two versions",
    "bad_time": "Bad time",
    "unreadable_body": "Unreadable answer",
}
"""The name of each code on the page."""

FIRST_OF_A_KIND: Final = 10
"""How many items of each kind are listed where all kinds are."""

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
    listed = sorted((item for item in items if kind in {"", item.kind}), key=_urgency)
    by_kind = [(each, [*found]) for each, found in groupby(listed, attrgetter("kind"))]
    shown = {
        "by_kind": by_kind,
        "first": MOST_OF_A_KIND if kind else FIRST_OF_A_KIND,
        "counts": [(each, counts[each]) for each in KINDS if counts[each] or each == kind],
        "total": sum(counts.values()),
        "kind": kind,
        "is_all": is_all,
        "most": MOST_OF_A_KIND,
    }
    told = {"items": listed, "most_of_a_kind": MOST_OF_A_KIND}
    table = Table(_HEADINGS, ([getattr(item, name) for name in _HEADINGS] for item in listed))
    return Page("attention.html", "Attention", shown, told, table, live="*")


def _urgency(item: AttentionItem) -> tuple[int, bool, float]:
    """Return a place by kind; then contradictions, then the newest, of what waits the oldest."""
    since = 0.0 if item.since is None else item.since.timestamp()
    is_mild = item.kind == "anomaly" and "refused" not in item.found
    return KINDS.index(item.kind), is_mild, since if item.kind == "overdue" else -since


def words(item: AttentionItem) -> str:
    """Return what was found, in words for readers without the command line."""
    status, _, rest = item.found.partition(", with ")
    if item.kind == "anomaly" and rest:
        labels = (CODE_LABELS.get(code, spoken(code)).lower() for code in rest.split(", "))
        return f"The order is {spoken(status)}, with: {', '.join(labels)}."
    status, _, rest = item.found.partition(", waits for ")
    if item.kind == "overdue" and rest:
        awaited = ", or ".join(map(spoken, rest.split(", ")))
        return f"The order is {spoken(status)}, and waits for {awaited}."
    name, _, rest = item.found.partition(" did not deal with the change at position ")
    if item.kind == "dead_letter" and rest:
        reason = rest.partition(": ")[2].replace("the handler raised", "the program failed with")
        return f"{name} was not told of a change of this order: {reason}"
    if item.kind in {"quarantined", "linked_twice"}:
        number, _, reason = item.found.partition(": ")
        return f"{REASONS.get(reason.partition(':')[0], reason)} It is {number} of the quarantine."
    return item.found


TEMPLATES.globals |= {
    "labels": LABELS,
    "advice": ADVICE,
    "codes": CODES,
    "code_labels": CODE_LABELS,
    "words": words,
}
