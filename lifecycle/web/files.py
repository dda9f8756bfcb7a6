"""Files that pages lead to: pictures of one order and of all of them, and evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.responses import Response

from lifecycle.audit.evidence import evidence_now
from lifecycle.audit.evidence_check import check_evidence
from lifecycle.audit.signed_note import PrivateKey
from lifecycle.core.definition import Definition
from lifecycle.diagram.picture import ORDER_PICTURES, draw_history, draw_stats
from lifecycle.errors import InvalidArgumentError
from lifecycle.projections.overview import Overview
from lifecycle.web.answers import TEMPLATES
from lifecycle.web.fleet import SHOWN_HOURS
from lifecycle.web.log_source import LogSource
from lifecycle.web.order_page import OrderAt

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of a picture: opened by itself, it runs nothing and loads nothing."""

_RATES: Final[Mapping[str, str]] = {
    "events": "events came",
    "late": "of them out of order",
    "begun": "orders begun",
    "ended": "orders ended",
    "missing": "states no word came of",
}


def order_picture(order: OrderAt, kind: str, *, narrow: bool) -> Response:
    """Return a picture of an order at a time.

    Raises:
        InvalidArgumentError: there is no such picture.
    """
    drawn = [each for each in ORDER_PICTURES if each != "sequence" and each == kind]
    if not drawn:
        raise InvalidArgumentError("picture", "path or timeline")
    definition = order.orders.provider.definition
    picture = draw_history(
        definition, order.view, order.history, drawn[0], narrow=narrow, bare=True
    )
    return as_svg(picture.svg())


def fleet_picture(
    definition: Definition, counted: Overview, kind: str, *, narrow: bool
) -> Response:
    """Return a picture of all orders.

    Raises:
        InvalidArgumentError: there is no such picture.
    """
    if kind == "diagram":
        return as_svg(draw_stats(definition, counted.stats, narrow=narrow).svg())
    if kind != "rates":
        raise InvalidArgumentError("picture", "diagram or rates")
    slots, width = (SHOWN_HOURS // 2, 360) if narrow else (SHOWN_HOURS, 1180)
    hours, rows = counted.hours[-slots:], []
    for name, label in _RATES.items():
        values = [getattr(hour, name) for hour in hours]
        rows.append((label, max(values, default=0), [*enumerate(values, slots - len(values))]))
    last = hours[-1].hour if hours else counted.counted_at
    shown = {"rows": rows, "width": width, "step": (width - 32) / slots, "height": 118 + 84 * 4}
    ends = (last - timedelta(hours=slots - 1), last)
    first, last_hour = (f"{hour:%Y-%m-%d %H}:00" for hour in ends)
    drawn = TEMPLATES.get_template("rates.svg")
    return as_svg(drawn.render(shown, title="By the hour", first=first, last=last_hour))


def evidence_of(source: LogSource, order: OrderAt, key: PrivateKey) -> Response:
    """Return evidence of an order without its bodies, as a file to download.

    Raises:
        InvalidArgumentError: the log does not go on from its own last checkpoint, another key
            signed that over the same records, or a record of the order was changed.
    """
    provider, order_id = order.orders.provider, order.name.order_id
    file = evidence_now(source.log, provider, order_id, key, lambda: source.now, bodies="left out")
    if check_evidence(file, {**source.known, provider.name: provider}, key.public):
        raise InvalidArgumentError("the log", "one that lifecycle verify finds unchanged")
    text = json.dumps(file, indent=1, ensure_ascii=False)
    headers = {"content-disposition": 'attachment; filename="evidence.json"'}
    return Response(text, media_type="application/json", headers=headers)


def as_svg(picture: str) -> Response:
    """Return a picture as an image."""
    headers = {"content-security-policy": _POLICY}
    return Response(picture, media_type="image/svg+xml", headers=headers)
