"""Pictures of a definition, of one order, and of a whole log.

    from lifecycle.diagram import draw_definition, draw_order

    draw_definition(orders.provider.definition).svg()
    draw_order(orders, "xyz123456", "timeline").png()

Definition, OrderView ─→ outline ─┬→ mermaid, dot
                                  └→ grid ─→ routes ─→ chart ─→ blueprint, path, fleet ─┐
OrderView, history ─→ moments ─┬→ rows ─→ timeline (a terminal's)                       ├→ scene
                               └→ episode ─┬→ ledger, lanes ────────────────────────────┘
                                           └→ sequence (Mermaid)
scene       shapes and measured texts ─→ svg ─→ png
harmless    foreign text that only shows
metrics     how wide a text is, before anybody draws it
breaking    texts cut or broken into lines, to fit
theme       colors, light and dark
paint       lines in color or plain
strokes     what a timeline is drawn with
"""

from lifecycle.diagram.drawing import (
    OrderPicture,
    draw_definition,
    draw_history,
    draw_order,
    draw_stats,
)
from lifecycle.diagram.picture import Picture
from lifecycle.diagram.theme import Theme

__all__ = [
    "OrderPicture",
    "Picture",
    "Theme",
    "draw_definition",
    "draw_history",
    "draw_order",
    "draw_stats",
]
