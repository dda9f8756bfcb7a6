"""The pictures of one order and of all of them, loaded by pages as images."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.responses import Response

from lifecycle.core.definition import Definition
from lifecycle.diagram.picture import ORDER_PICTURES, draw_history, draw_stats
from lifecycle.errors import InvalidArgumentError
from lifecycle.web.answers import TEMPLATES
from lifecycle.web.fleet import SHOWN_HOURS, Counted
from lifecycle.web.order_page import OrderAt

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A picture that is opened by itself runs nothing and loads nothing."""

_RATES: Final[Mapping[str, str]] = {
    "events": "events came",
    "late": "of them late",
    "begun": "orders begun",
    "ended": "orders ended",
    "missing": "states never heard of",
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


def fleet_picture(definition: Definition, counted: Counted, kind: str, *, narrow: bool) -> Response:
    """Return a picture of all orders.

    Raises:
        InvalidArgumentError: there is no such picture.
    """
    if kind == "diagram":
        return as_svg(draw_stats(definition, counted.stats, narrow=narrow).svg())
    if kind != "rates":
        raise InvalidArgumentError("picture", "diagram or rates")
    hours = counted.hours[-SHOWN_HOURS:]
    rows = []
    for name, label in _RATES.items():
        values = [getattr(hour, name) for hour in hours]
        bars = [*enumerate(values, SHOWN_HOURS - len(values))]
        rows.append((label, max(values, default=0), bars))
    last = hours[-1].hour if hours else counted.counted_at
    ends = (last - timedelta(hours=SHOWN_HOURS - 1), last)
    first, last_hour = (f"{hour:%Y-%m-%d %H}:00" for hour in ends)
    shown = {"rows": rows, "width": 956 / SHOWN_HOURS, "first": first, "last": last_hour}
    return as_svg(TEMPLATES.get_template("rates.svg").render(shown, title="By the hour"))


def as_svg(picture: str) -> Response:
    """Return a picture as an image."""
    headers = {"content-security-policy": _POLICY}
    return Response(picture, media_type="image/svg+xml", headers=headers)
