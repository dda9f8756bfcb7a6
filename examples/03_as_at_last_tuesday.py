"""What did we know last Tuesday, and what was really so? Two questions with two answers."""

from datetime import UTC, datetime, timedelta

from lifecycle import connect

TUESDAY = datetime(2022, 6, 7, 9, 0, tzinfo=UTC)
NOON = TUESDAY.replace(hour=12)


def callback(event_id: int, name: str, happened: datetime) -> dict[str, object]:
    """Return a callback as the provider posts it."""
    return {
        "event_id": event_id,
        "event_name": f"fulfillment.{name}",
        "event_timestamp": happened.isoformat(),
        "event_metadata": {"order_id": "xyz123456"},
    }


with connect("memory:") as orders:
    for event_id, name, happened, delay in [
        (1, "brand_new", TUESDAY, timedelta(seconds=1)),
        (2, "acknowledged_for_delivery", TUESDAY + timedelta(minutes=30), timedelta(seconds=1)),
        # It happened on Tuesday morning, and was told on Wednesday.
        (3, "canceled", TUESDAY + timedelta(minutes=45), timedelta(days=1)),
    ]:
        orders.record_callback(callback(event_id, name, happened), received_at=happened + delay)

    known = orders.get("xyz123456", as_at=NOON)
    so = orders.get("xyz123456", as_of=NOON)
    print(f"At noon on Tuesday we believed: {known.status}")
    print(f"At noon on Tuesday it was:      {so.status}")
    print("Because:")
    for entry in orders.history("xyz123456"):
        received = f"{entry.received_at:%a %H:%M}"
        print(f"  {entry.occurred_at:%a %H:%M}  told {received}  {entry.name}: {entry.reason}")

    assert (known.status, so.status) == ("acknowledged_for_delivery", "canceled")
