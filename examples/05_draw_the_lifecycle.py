"""Draw the lifecycle, and what happened to one order, as pictures and as Mermaid."""

from pathlib import Path

from lifecycle import connect
from lifecycle.diagram import draw_definition, draw_order

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
    whole = draw_definition(orders.provider.definition)
    path = draw_order(orders, "xyz123456")
    timeline = draw_order(orders, "xyz123456", "timeline")

page = Path("lifecycle.md")
page.write_text(f"```mermaid\n{whole.mermaid()}```\n\n```mermaid\n{path.mermaid()}```\n", "utf-8")
print(path.mermaid())
print(f"Both diagrams are in {page}; any Markdown viewer that knows Mermaid shows them.")

for name, picture in (("lifecycle", whole), ("path", path), ("timeline", timeline)):
    Path(f"{name}.svg").write_text(picture.svg(), "utf-8")
    print(f"{picture.title}: {name}.svg")

assert "waiting_for_delivery" in path.mermaid()
assert "stepped back" in path.svg()
