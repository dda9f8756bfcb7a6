"""Record a callback, its repeat, one that comes late, and one that cannot be read."""

from lifecycle import connect


def callback(event_id: int, name: str, at: str) -> dict[str, object]:
    """Return a callback as the provider posts it; in a service, pass its raw bytes on."""
    return {
        "event_id": event_id,
        "event_name": f"fulfillment.{name}",
        "event_timestamp": f"2022-06-04T{at}Z",
        "event_metadata": {"order_id": "xyz123456"},
    }


ARRIVED: list[bytes | dict[str, object]] = [
    callback(10, "brand_new", "10:00:09"),
    callback(12, "at_store", "10:21:00"),
    callback(12, "at_store", "10:21:00"),
    callback(11, "acknowledged_for_delivery", "10:05:00"),
    callback(13, "order_location", "10:22:00"),
    b"<html>502 Bad Gateway</html>",
]

with connect("memory:") as orders:
    for body in ARRIVED:
        receipt = orders.record_callback(body)
        change = receipt.change
        if change is None:
            said = "nothing changed"
        elif change.corrected:
            said = f"corrected: still {change.after}, but by another path"
        else:
            said = f"{change.before} -> {change.after}"
        print(f"{receipt.outcome.value:12}{said}")

    view = orders.get("xyz123456")
    print(" -> ".join(step.status for step in view.path))
    assert view.status == "at_store"
    assert view.events == 4
    assert [item.reason for item in orders.quarantine()] == ["not_json"]
