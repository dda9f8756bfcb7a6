"""The characters that a timeline is drawn with: in Unicode, or in ASCII alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from lifecycle.core.view import Verdict
from lifecycle.diagram.harmless import harmless, shortened
from lifecycle.diagram.moments import LOOKS
from lifecycle.diagram.paint import Ink


class Strokes(NamedTuple):
    """One set of characters, each one cell wide but for `joint`.

    `rail` leads from state to state, `beyond` on from the last one; `branch` and `arm` lead
    to what is no state. `way` and `heard` show how long a late event was under way.
    """

    ascii_only: bool
    rule: str
    rail: str
    beyond: str
    branch: str
    arm: str
    bar: str
    way: str
    heard: str
    times: str
    joint: str
    now: str
    ended: str
    marks: Mapping[Verdict, str]

    def text(self, foreign: str) -> str:
        """Return foreign text as it may be shown in these characters."""
        return harmless(foreign, ascii_only=self.ascii_only)

    def remark(self, sentence: str) -> str:
        """Return a sentence of ours as it may be shown; names that it quotes are harmless."""
        return sentence if sentence.isascii() and sentence.isprintable() else self.text(sentence)

    def cut(self, shown: str, width: int) -> str:
        """Return a text that may be shown, cut to `width` cells."""
        return shortened(shown, max(width, 0), ascii_only=self.ascii_only)


_OF_LOOKS: Final = {"taken": Ink.STEP, "faint": Ink.FAINT, "odd": Ink.ODD, "wrong": Ink.WRONG}
INKS: Final = {verdict: _OF_LOOKS[look] for verdict, look in LOOKS.items()}

UNICODE: Final = Strokes(
    ascii_only=False,
    rule="─",
    rail="│",
    beyond="┊",
    branch="├",
    arm="─",
    bar="━",
    way="┄",
    heard="○",
    times="\N{MULTIPLICATION SIGN}",
    joint=" · ",
    now="◆",
    ended="■",
    marks=dict(zip(INKS, "●»↑=·◌\N{MULTIPLICATION SIGN}?≠", strict=True)),
)

ASCII: Final = Strokes(
    ascii_only=True,
    rule="-",
    rail="|",
    beyond=":",
    branch="|",
    arm="-",
    bar="=",
    way=".",
    heard="o",
    times="x",
    joint=", ",
    now="@",
    ended="#",
    marks=dict(zip(INKS, "*>^=.%x?!", strict=True)),
)
