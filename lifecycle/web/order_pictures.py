"""The pictures of an order, loaded by its page as images."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from lifecycle.diagram.picture import ORDER_PICTURES, Picture, draw_history
from lifecycle.errors import InvalidArgumentError
from lifecycle.web.order_page import OrderAt

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A picture that is opened by itself runs nothing and loads nothing."""


def order_picture(order: OrderAt, kind: str, *, narrow: bool) -> Response:
    """Return a picture of an order at a time.

    Raises:
        InvalidArgumentError: there is no such picture.
    """
    drawn = [each for each in ORDER_PICTURES if each != "sequence" and each == kind]
    if not drawn:
        raise InvalidArgumentError("picture", "path or timeline")
    definition = order.orders.provider.definition
    return as_svg(
        draw_history(definition, order.view, order.history, drawn[0], narrow=narrow, bare=True)
    )


def as_svg(picture: Picture) -> Response:
    """Return a picture as an image."""
    headers = {"content-security-policy": _POLICY}
    return Response(picture.svg(), media_type="image/svg+xml", headers=headers)
