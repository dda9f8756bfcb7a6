"""Pictures of a definition, and of the path that one order took: text in, text out.

Definition, OrderView ─→ outline ─→ mermaid, dot
OrderView, history ─→ moments ─→ rows ─→ timeline
harmless    foreign text that only shows
paint       lines in colour or plain
strokes     what a timeline is drawn with
"""
