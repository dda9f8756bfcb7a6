"""The picture of the theorem: all sets of three callbacks, and the one view of each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations, permutations
from typing import Any

from lifecycle.core.view import OrderView
from lifecycle.providers.instacart.recordings import ORDER, callback
from lifecycle.testing import memory_orders

CALLBACKS = {
    number: callback(name, at=60 * number, event_id=number)["body"]
    for number, name in enumerate(("brand_new", "at_store", "canceled"), start=1)
}


def lattice() -> str:
    """Return the sets and the arrivals between them, as a Mermaid diagram."""
    sets = list(chain.from_iterable(combinations(CALLBACKS, size) for size in range(4)))
    lines = ["flowchart TB", *(f"    {name_of(each)}[{label_of(each)!r}]" for each in sets)]
    lines += [
        f"    {name_of(smaller)} -->|{CALLBACKS[one]['event_id']}| {name_of(larger)}"
        for smaller in sets
        for larger in sets
        for one in {*larger} - {*smaller}
        if {*larger} == {*smaller, one}
    ]
    return "\n".join(("```mermaid", *lines, "```")).replace("'", '"')


def name_of(each: Iterable[int]) -> str:
    """Return what the diagram calls a set."""
    return "s" + "".join(map(str, each))


def label_of(each: tuple[int, ...]) -> str:
    """Return a set of callbacks and the status and path that every arrival of it gives."""
    if not each:
        return "nothing"
    views = [view_of(arrival) for arrival in permutations(each)]
    assert len({view.digest for view in views}) == 1
    path = " → ".join(step.status for step in views[0].path)
    return f"{{{', '.join(map(str, each))}}}<br>{views[0].status}: {path}"


def view_of(arrival: Iterable[int]) -> OrderView:
    """Return the view after callbacks arrived in an order."""
    with memory_orders() as orders:
        for number in arrival:
            record: dict[str, Any] = CALLBACKS[number]
            orders.record_callback(record)
        return orders.get(ORDER)
