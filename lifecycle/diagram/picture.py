"""A picture that was drawn, in every form that it can be written in."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifecycle.diagram.png import rendered
from lifecycle.diagram.scene import Scene
from lifecycle.diagram.svg import written
from lifecycle.diagram.theme import Theme
from lifecycle.errors import InvalidArgumentError


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
