"""A key store of the user's own: the whole of what one has to write."""

from __future__ import annotations

from secrets import token_bytes
from threading import Lock


class OwnKeys:
    """Keys in a dict, for as long as the process lives."""

    def __init__(self):
        self.keys = {}
        self._lock = Lock()

    def find(self, key_ids):
        return {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}

    def make(self, key_ids):
        with self._lock:
            for key_id in key_ids:
                self.keys.setdefault(key_id, token_bytes(32))
        return {key_id: self.keys[key_id] for key_id in key_ids}

    def destroy(self, key_ids):
        with self._lock:
            self.keys.update(dict.fromkeys(key_ids))


def encrypted(log, keys=None):
    """Return a log that encrypts."""
    log.use_keys(keys or OwnKeys())
    return log
