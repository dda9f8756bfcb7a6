"""Checkpoints beside a log, the same on every store: none is lost to another."""

from __future__ import annotations

from contextlib import closing

import pytest

from lifecycle.composition import open_log
from lifecycle.log.tree_store import Signed


@pytest.mark.parametrize("store", ["memory", "sqlite", "postgres"])
def test_a_stored_checkpoint_gives_way_only_to_one_that_was_made_from_it(request, tmp_path, store):
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/log.db"}
    url = urls.get(store) or request.getfixturevalue("postgres").new_url()
    with closing(open_log(url)) as log:
        tree = log.tree
        assert tree.keep(Signed(2, "first"), None)
        assert not tree.keep(Signed(2, "other"), None)
        assert not tree.keep(Signed(2, "other"), "not stored")
        assert tree.checkpoints(1, 9) == [Signed(2, "first")]
        assert tree.keep(Signed(2, "cosigned"), "first")
        assert not tree.keep(Signed(3, "later"), "first")
        assert tree.checkpoints(0, 9) == [Signed(2, "cosigned")]
