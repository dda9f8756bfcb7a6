"""A provider to script, and each of the two ways to call it."""

from __future__ import annotations

import pytest

from tests.http.scripted import Scripted
from tests.http.sync_and_async import Async, Sync


@pytest.fixture
def server():
    with Scripted() as server:
        yield server


@pytest.fixture(params=[Sync, Async], ids=lambda way: way.name)
def way(request):
    way = request.param()
    yield way
    way.close()
