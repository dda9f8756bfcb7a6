"""Draw the lifecycle, and the path that one order took through it, as Mermaid diagrams."""

from pathlib import Path

from lifecycle import connect
from lifecycle.diagram.mermaid import mermaid

STEPS = [
    ("brand_new", "10:00:09"),
    ("acknowledged_for_delivery", "10:05:00"),
    ("at_store", "10:21:00"),
    ("waiting_for_delivery", "10:30:00"),  # the shopper dropped out
    ("acknowledged_for_delivery", "10:31:00"),
    ("canceled", "10:50:00"),
]

with connect("memory:") as orders:
    for event_id, (name, at) in enumerate(STEPS):
        orders.record_callback(
            {
                "event_id": event_id,
                "event_name": f"fulfillment.{name}",
                "event_timestamp": f"2022-06-04T{at}Z",
                "event_metadata": {"order_id": "xyz123456"},
            }
        )
    whole = mermaid(orders.provider.definition)
    taken = mermaid(orders.provider.definition, orders.get("xyz123456"))

page = Path("lifecycle.md")
page.write_text(f"```mermaid\n{whole}```\n\n```mermaid\n{taken}```\n", encoding="utf-8")
print(taken)
print(f"Both diagrams are in {page}; any Markdown viewer that knows Mermaid shows them.")

assert "waiting_for_delivery" in taken
