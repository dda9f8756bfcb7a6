"""Recordings of this provider for tests; see `lifecycle.simulator.recordings`."""

from typing import Final

from lifecycle.providers.doordash_drive.simulator import BODIES
from lifecycle.simulator.recordings import recordings_of

recordings_for: Final = recordings_of(BODIES)
