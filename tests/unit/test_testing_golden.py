"""Golden views: written only on demand, compared to the letter, stable over what may change."""

from __future__ import annotations

import json

import pytest

from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.recordings import accepted, callback, request
from lifecycle.testing import Golden, event, given

BORN = given(request(), accepted()).when(callback("brand_new", at=9))


def test_a_view_that_was_written_is_the_same_again(tmp_path):
    Golden(tmp_path, update=True)(BORN.view, "born")
    Golden(tmp_path)(BORN.view, "born")
    told = json.loads((tmp_path / "born.json").read_text())
    assert told["status"] == "brand_new"
    assert (tmp_path / "born.json").read_text().endswith("}\n")


def test_another_view_is_shown_as_a_difference_with_what_to_do(tmp_path):
    """The positive control."""
    Golden(tmp_path, update=True)(BORN.view, "born")
    with pytest.raises(AssertionError) as failed:
        Golden(tmp_path)(BORN.when(callback("canceled", at=10)).view, "born")
    told = str(failed.value).splitlines()
    assert "pytest --lifecycle-update-golden" in told[1]
    assert '-  "status": "brand_new",' in told
    assert '+  "status": "canceled",' in told


def test_a_missing_golden_file_fails_and_is_not_created(tmp_path):
    with pytest.raises(AssertionError, match=r"there is no golden file .*born\.json"):
        Golden(tmp_path)(BORN.view, "born")
    assert list(tmp_path.iterdir()) == []


def test_golden_files_leave_out_arrival_and_texts_for_people(tmp_path):
    Golden(tmp_path, update=True)(BORN.view, "view")
    Golden(tmp_path, update=True)(BORN.history, "history")
    Golden(tmp_path, update=True)(given().when(event("weird")).view, "odd")
    view, history, odd = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("view", "history", "odd")
    )
    assert not {"arrival", "definition", "digest"} & set(view)
    assert not {"reason", "received_at", "sha256"} & set(history[0])
    assert [line["verdict"] for line in history] == ["applied"] * 3
    assert odd["anomalies"] == [{"code": "unrecognized", "events": ["callback:weird:undated"]}]


def test_views_may_stand_in_lists_and_objects_beside_plain_values(tmp_path):
    Golden(tmp_path, update=True)({"orders": [BORN.view], "count": 1, "when": None}, "all")
    told = json.loads((tmp_path / "all.json").read_text())
    assert told["count"] == 1
    assert "arrival" not in told["orders"][0]


def test_the_name_is_one_of_a_file_and_leads_nowhere_else(tmp_path):
    for name in ("", "../up", "a/b", ".hidden", "a b"):
        with pytest.raises(InvalidArgumentError, match="the name cannot be used"):
            Golden(tmp_path, update=True)(BORN.view, name)


def test_files_of_several_test_modules_lie_apart(tmp_path):
    Golden(tmp_path / "golden", prefix="test_a.", update=True)(1, "x")
    assert (tmp_path / "golden" / "test_a.x.json").read_text() == "1\n"
