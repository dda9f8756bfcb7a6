"""Find the orders that are stuck, and see what each is waiting for."""

from datetime import UTC, datetime, timedelta

from lifecycle import connect

NOON = datetime(2022, 6, 4, 12, 0, tzinfo=UTC)
LIMIT = timedelta(minutes=15)

STANDS = {  # order: what came last, and how many minutes ago
    "fresh-1": ("brand_new", 3),
    "stuck-1": ("brand_new", 95),
    "stuck-2": ("at_store", 40),
    "ended-1": ("delivered", 300),
}

with connect("memory:") as orders:
    for number, (order_id, (name, minutes)) in enumerate(STANDS.items()):
        happened = NOON - timedelta(minutes=minutes)
        orders.record_callback(
            {
                "event_id": number,
                "event_name": f"fulfillment.{name}",
                "event_timestamp": happened.isoformat(),
                "event_metadata": {"order_id": order_id},
            },
            received_at=happened,
        )
    # A request whose answer never came: the order may exist, so ask before sending it again.
    sent = orders.begin_request("lost-1", {"order_id": "lost-1"}, received_at=NOON - 2 * LIMIT)
    sent.unanswered(received_at=NOON - 2 * LIMIT)

    stuck = list(orders.find(waiting_longer_than=LIMIT, now=NOON))
    for view in sorted(stuck, key=lambda view: view.arrival.waiting_since):
        minutes = int((NOON - view.arrival.waiting_since) / timedelta(minutes=1))
        expected = " or ".join(view.awaiting)
        print(f"{view.order_id}  {view.status:10} for {minutes:3} minutes, awaits {expected}")

    assert {view.order_id for view in stuck} == {"stuck-1", "stuck-2", "lost-1"}
