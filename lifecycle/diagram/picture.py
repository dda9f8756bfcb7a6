"""What can be drawn: a definition, one order in three views, and a whole log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from inspect import iscoroutinefunction
from typing import Final, Literal, Protocol, Unpack

from lifecycle.core.argument import check_type
from lifecycle.core.definition import Definition
from lifecycle.core.instant import format_instant
from lifecycle.core.provider import Provider
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.bars import bars
from lifecycle.diagram.blueprint import blueprint
from lifecycle.diagram.dot import dot
from lifecycle.diagram.harmless import harmless
from lifecycle.diagram.lanes import lanes
from lifecycle.diagram.mermaid import mermaid, sequence
from lifecycle.diagram.path import path
from lifecycle.diagram.scene import Scene
from lifecycle.diagram.stats_picture import fleet
from lifecycle.diagram.svg import rendered, written
from lifecycle.diagram.theme import Theme
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.log_time import LogTime, LookOptions
from lifecycle.projections.stats import LogStats

OrderPicture = Literal["path", "timeline", "sequence"]
"""What a picture of an order shows: its way through the states, its events in time, or who
told whom."""

ORDER_PICTURES: Final[tuple[OrderPicture, ...]] = ("path", "timeline", "sequence")


class Source(Protocol):
    """Whoever can tell of an order: `Orders` does."""

    provider: Provider

    def get(self, order_id: str, **how: Unpack[LookOptions]) -> OrderView:
        """Return the view of an order."""

    def history(self, order_id: str, **how: Unpack[LookOptions]) -> tuple[HistoryEntry, ...]:
        """Return every event of an order."""

    def definition(
        self, rules: str | Definition | None = None, *, log_at: LogTime | None = None
    ) -> Definition:
        """Return the definition that rules name; today's by default."""


@dataclass(frozen=True)
class Picture:
    """A picture, as text or bytes; a notebook shows it where a cell ends with it.

    `scene` is what `svg` and `png` are written from, `texts` holds the other forms; each
    view of an order has its own. Made by the functions of `lifecycle.diagram`.
    """

    title: str
    scene: Scene | None = field(repr=False)
    texts: dict[str, str] = field(repr=False, hash=False)

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of the forms that this picture has."""
        return (*self.texts, *(("svg", "png") if self.scene is not None else ()))

    def svg(self, *, theme: Theme = "auto") -> str:
        """Return it as SVG; `auto` is light or dark as the reader prefers.

        Raises:
            InvalidArgumentError: it has no such form, or there is no such theme.
        """
        return written(self._drawn("svg"), theme=theme)

    def png(self, *, theme: Theme = "light", scale: float = 2.0) -> bytes:
        """Return it as a PNG, `scale` pixels for each of the SVG's; `auto` is light.

        Raises:
            InvalidArgumentError: it has no such form, or no such theme or scale.
            MissingExtraError: the extra `png` is not installed.
        """
        return rendered(self._drawn("png"), theme=theme, scale=scale)

    def mermaid(self) -> str:
        """Return it as Mermaid.

        Raises:
            InvalidArgumentError: it has no such form.
        """
        return self._text("mermaid")

    def dot(self) -> str:
        """Return it in the language of Graphviz.

        Raises:
            InvalidArgumentError: it has no such form.
        """
        return self._text("dot")

    def _drawn(self, form: str) -> Scene:
        if self.scene is None:
            raise self._refusal(form)
        return self.scene

    def _text(self, form: str) -> str:
        if form not in self.texts:
            raise self._refusal(form)
        return self.texts[form]

    def _refusal(self, form: str) -> InvalidArgumentError:
        return InvalidArgumentError("format", "one of " + ", ".join(self.formats), found=form)

    def _repr_svg_(self) -> str | None:
        return None if self.scene is None else self.svg()

    def _repr_markdown_(self) -> str | None:
        """Return what a notebook shows of a picture that is no SVG."""
        return f"```mermaid\n{self.mermaid()}```\n" if self.scene is None else None


def draw_definition(definition: Definition, *, narrow: bool = False) -> Picture:
    """Return the states and moves of a definition as a picture.

    A `narrow` one breaks the happy path into shorter rows, for a page of about 900 pixels.
    """
    scene = blueprint(definition, narrow=narrow)
    return Picture(scene.title, scene, {"mermaid": mermaid(definition), "dot": dot(definition)})


def draw_stats(definition: Definition, stats: LogStats, *, narrow: bool = False) -> Picture:
    """Return the figures of a whole log, on the states and moves of its definition.

    A `narrow` one breaks the happy path into shorter rows.

    Raises:
        InvalidArgumentError: they were counted under another definition.
    """
    scene = fleet(definition, stats, narrow=narrow)
    return Picture(scene.title, scene, {})


def draw_bars(title: str, rows: Sequence[tuple[str, float]], *, unit: str = "") -> Picture:
    """Return figures as bars, one a row, as of a question that was asked of an export.

    Raises:
        InvalidArgumentError: a row is no pair of a text and a number from 0 on.
    """
    for name, text in (("title", title), ("unit", unit)):
        check_type(name, text, str)
    try:
        scene = bars(harmless(title), list(rows), harmless(unit))
    except TypeError:
        raise InvalidArgumentError("rows", "pairs of a text and a number from 0 on") from None
    return Picture(title, scene, {})


def draw_order(
    orders: Source,
    order_id: str,
    view: OrderPicture = "path",
    *,
    narrow: bool = False,
    **how: Unpack[LookOptions],
) -> Picture:
    """Return what happened to an order as a picture, now or as `how` says: see `LookOptions`.

    A `narrow` path breaks into shorter rows, for a page of about 900 pixels.

    Raises:
        InvalidArgumentError: there is no such view, or rules that nothing names.
        UnknownOrderError: nothing is stored about the order, or nothing before that time.
    """
    _check(view)
    _check_orders(orders)
    definition = orders.provider.definition
    if how.get("rules") is not None:
        how["rules"] = definition = orders.definition(how["rules"], log_at=how.get("log_at"))
    seen, history = seen_at_once(orders, order_id, **how)
    return draw_history(definition, seen, history, view, asked=_asked(**how), narrow=narrow)


def seen_at_once(
    orders: Source, order_id: str, **how: Unpack[LookOptions]
) -> tuple[OrderView, tuple[HistoryEntry, ...]]:
    """Return the view of an order and its events, both of the same moment and by the same rules.

    Raises:
        InvalidArgumentError: the orders are none, or must be awaited; rules that nothing names.
        UnknownOrderError: nothing is stored about the order, or nothing before that time.
    """
    _check_orders(orders)
    if how.get("rules") is not None:
        how["rules"] = orders.definition(how["rules"], log_at=how.get("log_at"))
    while True:
        seen = orders.get(order_id, **how)
        history = orders.history(order_id, **how)
        # Nothing is ever taken away: as many events are the same events.
        if len(history) == seen.events:
            return seen, history


def draw_history(
    definition: Definition,
    seen: OrderView,
    history: Sequence[HistoryEntry],
    view: OrderPicture = "path",
    *,
    asked: str = "",
    narrow: bool = False,
    bare: bool = False,
) -> Picture:
    """Return a view of an order and its events, both of the same time, as a picture.

    `asked` stands above the picture: of which time it is. A `narrow` path breaks into
    shorter rows. A `bare` picture leaves the title and the list of events to its page.

    Raises:
        InvalidArgumentError: there is no such view, or it was folded under another definition.
    """
    _check(view)
    if view == "sequence":
        title = f"Order {harmless(seen.order_id)}"
        return Picture(title, None, {"mermaid": sequence(seen, history)})
    if view == "timeline":
        scene = lanes(seen, history, asked=asked, bare=bare)
        return Picture(scene.title, scene, {})
    scene = path(definition, seen, history, asked=asked, narrow=narrow, bare=bare)
    texts = {
        "mermaid": mermaid(definition, seen, history),
        "dot": dot(definition, seen, history),
    }
    return Picture(scene.title, scene, texts)


def _check_orders(orders: object) -> None:
    for name in ("get", "history"):
        asked = getattr(orders, name, None)
        if not callable(asked) or iscoroutinefunction(asked):
            raise InvalidArgumentError("orders", "Orders, those of connect")


def _check(view: str) -> None:
    if view not in ORDER_PICTURES:
        raise InvalidArgumentError("view", "one of " + ", ".join(ORDER_PICTURES), found=view)


def _asked(
    *,
    as_at: datetime | None = None,
    as_of: datetime | None = None,
    log_at: LogTime | None = None,
    rules: str | Definition | None = None,
) -> str:
    held = format_instant(log_at) if isinstance(log_at, datetime) else f"position {log_at}"
    told = (
        f"as the log held it at {held}" if log_at is not None else "",
        f"as it was known at {format_instant(as_at)}" if as_at is not None else "",
        f"as it was at {format_instant(as_of)}" if as_of is not None else "",
        f"by the rules {rules.fingerprint[:12]}" if isinstance(rules, Definition) else "",
    )
    return ", ".join(part for part in told if part)
