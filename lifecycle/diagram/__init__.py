"""Pictures of a definition, of one order, and of a whole log.

    from lifecycle.diagram import draw_definition, draw_order

    draw_definition(orders.provider.definition).svg()
    draw_order(orders, "xyz123456", "timeline").png()

Definition, OrderView ─→ outline ─┬→ mermaid, dot
                                  └→ grid → routes → chart → blueprint, path, stats_picture ┐
OrderView, history ─→ moments ─┬→ timeline (a terminal's, by paint)                         ├→ scene
                               └→ wording ─┬→ ledger, lanes ────────────────────────────────┘
                                           └→ sequence, in mermaid
scene       shapes and measured texts ─→ svg, and PNG from it
harmless    foreign text that only shows
metrics     how wide a text is before anybody draws it; texts cut or broken to fit
theme       colors, light and dark
paint       lines in color or plain, and the characters that a timeline is drawn with
"""

from lifecycle.diagram.picture import (
    OrderPicture,
    Picture,
    draw_bars,
    draw_definition,
    draw_history,
    draw_order,
    draw_stats,
)
from lifecycle.diagram.theme import Theme

__all__ = [
    "OrderPicture",
    "Picture",
    "Theme",
    "draw_bars",
    "draw_definition",
    "draw_history",
    "draw_order",
    "draw_stats",
]
