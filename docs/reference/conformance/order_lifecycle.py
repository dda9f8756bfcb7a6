"""Answers the cases by this library: python runner.py -- python order_lifecycle.py."""

from __future__ import annotations

import json
import sys
from typing import Any

from lifecycle import connect

OUTCOMES = ("appended", "duplicate", "divergent", "quarantined")


def answer(recordings: list[Any]) -> dict[str, Any]:
    """Return what a new log holds once it has recorded these, one after the other."""
    totals = dict.fromkeys(OUTCOMES, 0)
    quarantine, order_ids = [], set()
    with connect("memory:") as orders:
        for line, recording in enumerate(recordings, 1):
            for receipt in orders.record_many([recording]):
                totals[receipt.outcome] += 1
                if receipt.outcome == "quarantined":
                    quarantine.append({"line": line, "reason": receipt.event.reason})
                else:
                    order_ids.add(receipt.event.order_id)
        found = {
            order_id: {
                "view": orders.get(order_id).model_dump(mode="json"),
                "history": [row.model_dump(mode="json") for row in orders.history(order_id)],
            }
            for order_id in order_ids
        }
    return {"orders": found, "quarantine": quarantine, "totals": totals}


for asked in sys.stdin:
    case = json.loads(asked)
    print(json.dumps({"case": case["case"], **answer(case["recordings"])}), flush=True)
