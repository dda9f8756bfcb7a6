"""Recordings of `onfleet` for tests: `recordings_for(("requested", "booked"))`."""

from lifecycle.simulator.recordings import recordings_of
from onfleet_lifecycle.simulator import BODIES

recordings_for = recordings_of(BODIES)
