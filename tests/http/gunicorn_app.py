"""What tests of gunicorn serve: the mount and the log that the environment names."""

from __future__ import annotations

import json
import os

from tests.http.mounts import WSGI
from tests.receiving import SETUP

SETUP.update(json.loads(os.environ["MOUNT_SETUP"]))

# Kept in the module: the log stays open as long as the worker lives.
OPEN = WSGI[os.environ["MOUNT"]](os.environ["MOUNT_DB"])
app = OPEN.__enter__()
