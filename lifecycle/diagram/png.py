"""A scene as a PNG: drawn with the two fonts that come with this package.

So the bytes depend on no machine. Only a character that these fonts lack is taken from
the machine's fonts, and shows as an empty box where they lack it too.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Final

from lifecycle.diagram.metrics import is_bundled
from lifecycle.diagram.scene import Scene
from lifecycle.diagram.svg import written
from lifecycle.diagram.theme import Theme
from lifecycle.errors import InvalidArgumentError, MissingExtraError

_FAMILY: Final = "Lifecycle Sans"
_FONTS: Final = Path(__file__).with_name("fonts")
_LARGEST: Final = 8.0
_LONGEST_SIDE: Final = 16_000
_MOST_PIXELS: Final = 24_000_000


def rendered(scene: Scene, *, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """Return a scene as a PNG, in pixels `scale` times as fine as the scene's.

    A picture that would have more than 24 million, or 16,000 on a side, is drawn coarser.

    Raises:
        InvalidArgumentError: the scale is not between 0 and 8, or there is no such theme.
        MissingExtraError: the extra `png` is not installed.
    """
    if not isinstance(scale, int | float) or not 0 < scale <= _LARGEST:
        raise InvalidArgumentError("scale", f"a number above 0 and up to {_LARGEST:g}")
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - only a PNG needs it
    except ImportError:
        raise MissingExtraError("png", "resvg-py") from None
    drawn = written(scene, theme="light" if theme == "auto" else theme, fonts=_FAMILY)
    image = svg_to_bytes(
        svg_string=drawn,
        zoom=min(
            scale,
            _LONGEST_SIDE / max(scene.width, scene.height),
            sqrt(_MOST_PIXELS / (scene.width * scene.height)),
        ),
        skip_system_fonts=all(is_bundled(text.text) for text in scene.texts),
        font_files=[str(font) for font in sorted(_FONTS.glob("*.ttf"))],
        font_family=_FAMILY,
        sans_serif_family=_FAMILY,
    )
    return bytes(image)
