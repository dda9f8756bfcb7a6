"""The log: every event once, append-only, chained, in one total order of recording."""
