"""Who may read a file: what this library makes is its owner's alone, and secrets should be."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_IMODE, S_IRWXG, S_IRWXO
from typing import Final

PRIVATE: Final = 0o600
"""The mode of a new file: what a log holds is nobody else's business."""

ORDINARY: Final = 0o666
"""What the umask leaves of this is the mode of a file that holds no events."""


def exposure(path: str | os.PathLike[str]) -> str | None:
    """Return the warning that a file of secrets deserves; None if its owner alone may read it.

    Raises:
        OSError: it cannot be looked at.
    """
    mode = S_IMODE(Path(path).stat().st_mode)
    if not mode & (S_IRWXG | S_IRWXO):
        return None
    return (
        f"the file of credentials has mode {mode:04o}: others than its owner may read it; "
        "run chmod 600 on it"
    )
