"""The pytest plugin, run as its users run it: in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lifecycle.testing.plugin  # noqa: F401 - loaded once, not in every pytest within this one

ROOT = Path(__file__).parents[2]
# The plugin is asked for by name, so that these tests do not depend on how it was installed.
PLUGIN = ("-p", "pytest_lifecycle", "-p", "no:cacheprovider")

pytest_plugins = ["pytester"]

STORY = """
    from lifecycle.providers.instacart.recordings import accepted, callback, request
    from lifecycle.testing import given

    def test_story():
        born = given(request(), accepted()).when(callback("brand_new", at=9))
        born.then(status="brand_new")
"""
TWO_HALVES = """
    import pytest
    from lifecycle.core.definition import Definition
    from lifecycle.testing import HandMade, event, given

    KITCHEN = HandMade("kitchen", Definition.write("kitchen", states=["a", "b", "c"], terminal=[],
        moves=[{"trigger": "b", "source": "a", "dest": "b"},
               {"trigger": "c", "source": "b", "dest": "c"}]))

    @pytest.mark.parametrize("names", ["ab", "bc"])
    def test_half(names):
        one, two = (event(name, at) for at, name in enumerate(names))
        given(one, provider=KITCHEN).when(two).then(status=names[-1])
"""


def run(pytester, *arguments):
    return pytester.runpytest_inprocess(*PLUGIN, *arguments)


def run_apart(pytester, *arguments):
    return pytester.runpytest_subprocess(*PLUGIN, *arguments)


def test_the_project_offers_the_plugin_to_every_pytest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    offered = project["project"]["entry-points"]["pytest11"]
    # Under its own name: asked for twice, it is loaded once.
    assert offered == {"pytest_lifecycle": "pytest_lifecycle"}
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "pytest_lifecycle.py" in shipped


def test_a_suite_that_does_not_use_it_does_not_load_the_library(pytester):
    pytester.makepyfile("""
        import sys

        def test_nothing_is_loaded():
            heavy = {"lifecycle", "pydantic", "eventsourcing", "transitions", "hypothesis"}
            assert not {name.partition(".")[0] for name in sys.modules} & heavy
    """)
    run_apart(pytester, "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_the_fixtures_are_there_and_carry_the_word_in_their_names(pytester):
    pytester.makepyfile("""
        def test_fixtures(lifecycle_orders, lifecycle_clock, lifecycle_provider):
            assert lifecycle_provider == "instacart"
            lifecycle_clock.advance(60)
            lifecycle_orders.record_callback({"id": "x", "status": "brand_new"})
            view = lifecycle_orders.get("x")
            assert view.arrival.first_received_at == lifecycle_clock.now
    """)
    run(pytester).assert_outcomes(passed=1)
    shown = run(pytester, "--fixtures").stdout.str()
    ours = [line.split()[0] for line in shown.splitlines() if "pytest_lifecycle.py" in line]
    assert len(ours) == 6
    assert all(name.startswith("lifecycle_") for name in ours)


def test_every_option_carries_the_word_in_its_name(pytester):
    shown = run(pytester, "--help").stdout.str()
    section = shown.partition("\nlifecycle:\n")[2].partition("\n\n")[0]
    options = [line.split()[0] for line in section.splitlines() if line.startswith("  --")]
    assert len(options) == 3
    assert all(option.startswith("--lifecycle-") for option in options)


def test_the_provider_can_be_replaced(pytester):
    pytester.makepyfile("""
        import pytest
        from lifecycle.core.definition import Definition
        from lifecycle.testing import HandMade, event

        @pytest.fixture
        def lifecycle_provider():
            return HandMade("k", Definition.write("k", states=["a"], moves=[], terminal=[]))

        def test_orders(lifecycle_orders, lifecycle_provider):
            lifecycle_orders.record_many([lifecycle_provider.recording(event("a", 1))])
            assert lifecycle_orders.get("xyz123456").provider == "k"
    """)
    run(pytester).assert_outcomes(passed=1)


def test_recordings_lie_beside_the_test_module(pytester):
    pytester.makefile(".jsonl", **{"recordings/one": '{"kind":"callback","body":{}}\n'})
    pytester.makepyfile("""
        def test_file(lifecycle_recordings):
            [one] = lifecycle_recordings("recordings/one.jsonl")
            assert one == {"kind": "callback", "body": {}}
    """)
    run(pytester).assert_outcomes(passed=1)


def test_a_golden_view_is_written_on_demand_and_compared_from_then_on(pytester):
    test = pytester.makepyfile("""
        def test_view(lifecycle_orders, lifecycle_golden):
            lifecycle_orders.record_callback({"id": "x", "status": "brand_new"})
            lifecycle_golden(lifecycle_orders.get("x"), "born")
    """)
    absent = run(pytester)
    absent.assert_outcomes(failed=1)
    absent.stdout.fnmatch_lines(["*there is no golden file*--lifecycle-update-golden*"])
    run(pytester, "--lifecycle-update-golden").assert_outcomes(passed=1)
    assert (pytester.path / "golden" / f"{test.stem}.born.json").exists()
    run(pytester).assert_outcomes(passed=1)
    test.write_text(test.read_text().replace("brand_new", "canceled"))
    changed = run(pytester)
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(['*-  "status": "brand_new",', '*+  "status": "canceled",'])


def test_the_coverage_shows_what_the_suite_missed(pytester):
    pytester.makepyfile(STORY)
    done = run(pytester, "--lifecycle-coverage")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        [
            "*lifecycle coverage*",
            "instacart.last_mile: * (3 of 15 states, 2 of 66 moves)",
            "  states missed: validation_failed, resubmitted, *, canceled",
            "  moves missed: requested → validation_failed, *",
        ]
    )
    assert "lifecycle coverage" not in run(pytester).stdout.str()


def test_too_little_coverage_fails_a_run_that_passed_and_enough_does_not(pytester):
    pytester.makepyfile(STORY)
    too_little = run(pytester, "--lifecycle-coverage-fail-under", "50")
    assert too_little.ret == pytest.ExitCode.TESTS_FAILED
    too_little.stdout.fnmatch_lines(["*% of the states and moves were met, expected 50 %"])
    assert run(pytester, "--lifecycle-coverage-fail-under=5").ret == pytest.ExitCode.OK
    pytester.makepyfile("def test_other(): pass")
    assert run(pytester, "--lifecycle-coverage-fail-under=1").ret == pytest.ExitCode.TESTS_FAILED


def test_the_coverage_of_parallel_workers_is_added_up(pytester):
    pytester.makepyfile(TWO_HALVES)
    done = run_apart(pytester, "-n", "2", "--lifecycle-coverage-fail-under=100")
    done.stdout.fnmatch_lines(["kitchen: 100 % (3 of 3 states, 2 of 2 moves)"])
    assert done.ret == pytest.ExitCode.OK


def test_a_failing_scenario_shows_its_message_and_none_of_the_kits_own_lines(pytester):
    pytester.makepyfile(STORY.replace('status="brand_new"', 'status="canceled"'))
    done = run(pytester)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E*status: expected 'canceled', found 'brand_new'"])
    assert "scenario.py" not in done.stdout.str()


def test_the_kit_loads_neither_pytest_nor_hypothesis():
    asked = "import sys, lifecycle.testing; print({'pytest', 'hypothesis'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"
