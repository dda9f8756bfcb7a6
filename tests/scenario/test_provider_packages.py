"""A provider that a stranger ships as a wheel: built, installed, listed and used as it is.

It is installed by pip into a folder of its own, which is then on the path; this library is not
changed by a line. Packages that are wrong stand beside it, and cost nobody else anything.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.registry import PARTS, found_providers, known_providers
from tests.scenario.command_line import DATABASE, lines, run, run_script, story

PACKAGE = Path(__file__).parents[1] / "provider_packages" / "kitchen"
MEAL = [
    {"kind": "callback", "provider": "kitchen", "body": {"meal": "m-1", "state": state}}
    for state in ("noted", "cooking", "served")
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    execute("hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    execute("pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def execute(module, *arguments):
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)


@pytest.fixture
def environment(monkeypatch):
    """Return a function that puts folders on the path, as a new process would find them there."""

    def environment(*folders):
        forget()
        with monkeypatch.context() as patched:
            for folder in reversed(folders):
                patched.syspath_prepend(folder)
            yield

    yield contextlib.contextmanager(environment)
    forget()


def forget():
    """Forget which providers were found, and what was imported of them."""
    found_providers.cache_clear()
    known_providers.cache_clear()
    for name in list(sys.modules):
        if name.partition(".")[0] in {"kitchen_lifecycle", "bad_package", "mine"}:
            del sys.modules[name]


@pytest.fixture
def command(installed, environment, tmp_path):
    """Return a function that runs a command with the package on the path."""

    def command(*arguments, stdin="", also=()):
        with environment(*also, installed):
            return run(*arguments, stdin=stdin, cwd=tmp_path)

    return command


def offer(folder, package, entries, source=""):
    """Install a package by hand, as a damaged or a foolish one lies there; return where."""
    described = folder / f"{package}-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[lifecycle.providers]\n{entries}\n")
    (folder / f"{package}.py").write_text(source)
    return folder


def test_a_provider_in_a_wheel_is_listed_with_where_it_is_from_and_what_it_offers(command):
    answer = command("providers", "--json")
    assert (answer.code, answer.err) == (0, "")
    listed = {each["name"]: each for each in answer.value}
    kitchen = listed["kitchen"]
    assert kitchen["from"] == "entry point of kitchen-lifecycle 1.2.0"
    assert (kitchen["definition"], kitchen["ok"], kitchen["trouble"]) == (
        "kitchen.meal",
        True,
        None,
    )
    assert len(kitchen["fingerprint"]) == 64
    assert kitchen["offers"] == ["reader", "recordings"]
    assert set(listed["instacart"]["offers"]) == {"reader", *PARTS}
    shown = command("providers")
    assert "kitchen-lifecycle 1.2.0" in shown.out
    assert kitchen["fingerprint"][:12] in shown.out


def test_a_provider_in_a_wheel_is_used_by_every_command(command):
    assert command("ingest", "-", "--db", DATABASE, stdin=lines(MEAL)).code == 0
    shown = command("show", "m-1", "--json", "--db", DATABASE)
    assert (shown.code, shown.value["provider"], shown.value["status"]) == (0, "kitchen", "served")
    history = command("history", "m-1", "--json", "--db", DATABASE)
    assert [each["name"] for each in history.value] == ["noted", "cooking", "served"]
    assert [each["order_id"] for each in command("list", "--json", "--db", DATABASE).value] == [
        "m-1"
    ]
    assert command("list", "--status", "cooking", "--json", "--db", DATABASE).value == []
    assert command("stats", "--json", "--db", DATABASE).value["provider"] == "kitchen"
    assert "cooking" in command("diagram", "--order", "m-1", "--db", DATABASE).out
    assert "cooking" in command("diagram", "--db", DATABASE).out
    assert command("views", "--rebuild", "--db", DATABASE).code == 0
    assert command("replay", "--json", "--db", DATABASE).value["compared"] == 1
    assert command("verify", "--db", DATABASE).code == 0
    assert command("watch", "--once", "--after", "0", "--db", DATABASE).out.count("m-1") == 3
    assert command("export", "--order", "m-1", "--db", DATABASE).out.count("kitchen") == 3
    assert command("check", "--provider", "kitchen", "--size", "2").code == 0
    doctor = command("doctor", "--json", "--db", DATABASE)
    assert doctor.code == 0, doctor
    found = {check["name"]: check for check in doctor.value["checks"]}
    assert "the stove is connected" in found["prerequisites"]["advice"]
    assert found["provider kitchen"]["ok"]


def test_a_provider_is_named_by_module_and_name_where_it_is_not_installed(tmp_path, environment):
    """It lies in the folder where the command is typed, as no script would find it."""
    source = (PACKAGE / "kitchen_lifecycle" / "__init__.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace('name = "kitchen"', 'name = "mine"'))

    def command(*arguments, stdin=""):
        with environment():
            return run(*arguments, "--provider", "mine:PROVIDER", cwd=tmp_path, stdin=stdin)

    mine = [{key: value for key, value in line.items() if key != "provider"} for line in MEAL]
    assert command("ingest", "-", stdin=lines(mine)).code == 0
    assert command("show", "m-1", "--json").value["provider"] == "mine"
    assert command("history", "m-1").code == 0
    assert [view["status"] for view in command("list", "--json").value] == ["served"]
    assert command("stats", "--json").value["orders"] == 1
    assert "cooking" in command("diagram", "--order", "m-1").out
    assert "cooking" in command("diagram").out
    assert command("quarantine", "--json").value == []
    assert command("views", "--rebuild").code == 0
    assert command("watch", "--once", "--after", "0").out.count("m-1") == 3
    assert command("export", "--order", "m-1").out.count("mine") == 3
    assert command("replay", "--json").value["compared"] == 1
    named = ("replay", "--workers", "2", "--provider", "mine:PROVIDER")
    assert run_script(*named, cwd=tmp_path).code == 0, "other processes find it too"
    assert command("check", "--size", "2").code == 0
    assert command("doctor").code == 0
    with environment():
        without = run("replay", "--json", cwd=tmp_path)
    assert (without.code, without.value["differences"][0]["field"]) == (1, "provider")


@pytest.mark.parametrize(
    ("entries", "source", "trouble"),
    [
        ("bad = bad_package:PROVIDER", "raise RuntimeError('secret')", "raised RuntimeError"),
        ("bad = bad_package:PROVIDER", "raise SystemExit(9)", "raised SystemExit"),
        ("bad = bad_package:PROVIDER", "import nowhere.at_all", "no module 'nowhere'"),
        ("bad = bad_package:PROVIDER", "PROVIDER = (", "raised SyntaxError"),
        ("bad = bad_package:PROVIDER", "", "raised AttributeError"),
        ("bad = bad_package:PROVIDER", "PROVIDER = None", "attributes can be read"),
        ("bad = gone:PROVIDER", "", "no module 'gone'"),
        ("bad = bad_package", "", "names no provider"),
        ("bad = bad_package:", "", "names no provider"),
        ("kitchen = bad_package:PROVIDER", "from kitchen_lifecycle import PROVIDER", "is taken"),
        ("other = kitchen_lifecycle:PROVIDER", "", "it calls itself 'kitchen'"),
        ("bad = kitchen_lifecycle:Kitchen", "", "no class"),
        (
            "instacart = bad_package:PROVIDER",
            "from lifecycle.providers.instacart import PROVIDER",
            "its name is taken by the folder",
        ),
    ],
)
def test_a_broken_provider_is_a_line_of_doctor_and_ends_no_other_command(
    entries, source, trouble, command, tmp_path
):
    folder = offer(tmp_path / "strange", "bad_package", entries, source)

    def beside(*arguments, stdin=""):
        return command(*arguments, stdin=stdin, also=[folder])

    assert beside("ingest", "-", "--db", DATABASE, stdin=lines(story() + MEAL)).code == 0
    assert beside("show", "m-1", "--json", "--db", DATABASE).value["status"] == "served"
    assert beside("replay", "--db", DATABASE).code == 0
    doctor = beside("doctor", "--json", "--db", DATABASE)
    assert doctor.code == 1
    broken = [check for check in doctor.value["checks"] if check["found"] == "cannot be used"]
    assert [(check["level"], trouble in check["meaning"]) for check in broken] == [("fail", True)]
    assert "mend or uninstall what offers it" in broken[0]["advice"]
    assert "secret" not in doctor.out + doctor.err
    listed = beside("providers", "--json")
    assert listed.code == 0
    assert [each["ok"] for each in listed.value].count(False) == 1
    name = entries.partition(" ")[0]
    if name not in {"kitchen", "instacart"}:
        named = beside("list", "--provider", name, "--db", DATABASE)
        assert (named.code, named.out) == (2, "")
        assert trouble in named.err


def test_entry_points_that_cannot_be_read_hide_no_provider(command, tmp_path):
    folder = offer(tmp_path / "strange", "bad_package", "no equals sign")
    answer = command("providers", "--json", also=[folder])
    assert answer.code == 0
    assert {"kitchen", "instacart"} <= {each["name"] for each in answer.value}


def test_the_installed_script_finds_the_package_too(installed, tmp_path):
    path = {"PYTHONPATH": str(installed)}
    told = run_script("ingest", "-", cwd=tmp_path, stdin=lines(MEAL), env=path)
    assert (told.code, told.err) == (0, "")
    shown = run_script("show", "m-1", "--json", cwd=tmp_path, env=path)
    assert (shown.code, shown.value["status"]) == (0, "served")


def test_orders_of_a_provider_that_was_uninstalled_are_listed_as_unreadable(
    command, environment, tmp_path
):
    assert command("ingest", "-", "--db", DATABASE, stdin=lines(story() + MEAL)).code == 0

    def without(*arguments):
        with environment():
            return run(*arguments, "--db", DATABASE, cwd=tmp_path)

    listed = without("list", "--json")
    assert listed.code == 1
    assert "1 order" in listed.err
    assert "'kitchen'" in listed.err
    assert [each["order_id"] for each in listed.value] == ["xyz123456", "m-1"]
    assert set(listed.value[1]) == {"order_id", "provider", "unreadable"}
    assert "unreadable" in without("list").out
    shown = without("show", "m-1")
    assert (shown.code, shown.out) == (1, "")
    assert "'kitchen'" in shown.err
    replayed = without("replay", "--json")
    assert replayed.code == 1
    assert [each["field"] for each in replayed.value["differences"]] == ["provider"]
    doctor = without("doctor", "--json")
    found = {check["name"]: check for check in doctor.value["checks"]}
    assert (doctor.code, found["orders of kitchen"]["level"]) == (1, "attention")
    assert without("verify").code == 0, "verify needs no provider"
    assert without("show", "xyz123456").code == 0, "the control: the other's orders are there"


def test_an_order_id_that_two_providers_have_is_asked_for(command):
    both = story("m-1") + MEAL
    assert command("ingest", "-", "--db", DATABASE, stdin=lines(both)).code == 0
    for asked in (
        ["show", "m-1"],
        ["history", "m-1"],
        ["diagram", "--order", "m-1"],
        ["export", "--order", "m-1"],
    ):
        refused = command(*asked, "--db", DATABASE)
        assert (refused.code, refused.out) == (2, ""), asked
        assert "'instacart' and 'kitchen'" in refused.err
        for name in ("instacart", "kitchen"):
            assert command(*asked, "--provider", name, "--db", DATABASE).code == 0
    listed = command("list", "--json", "--db", DATABASE)
    assert [(each["provider"], each["order_id"]) for each in listed.value] == [
        ("instacart", "m-1"),
        ("kitchen", "m-1"),
    ]
    figures = command("stats", "--json", "--db", DATABASE).value["providers"]
    assert [(each["provider"], each["orders"]) for each in figures] == [
        ("instacart", 1),
        ("kitchen", 1),
    ]
    for asked in (["stats", "--format", "svg"], ["diagram"], ["watch", "--once"], ["views"]):
        refused = command(*asked, "--db", DATABASE)
        assert (refused.code, refused.out) == (2, ""), asked
        assert "'instacart' and 'kitchen'" in refused.err
    doctor = command("doctor", "--json", "--db", DATABASE)
    names = {check["name"] for check in doctor.value["checks"]}
    assert {"views of kitchen", "views of instacart", "anomalies of kitchen"} <= names
    nobody = command("show", "nobody", "--db", DATABASE)
    assert (nobody.code, nobody.out) == (1, "")
    assert "'instacart' and 'kitchen'" in nobody.err


def test_a_definition_that_was_changed_is_named_with_both_fingerprints(command, tmp_path):
    source = (PACKAGE / "kitchen_lifecycle" / "__init__.py").read_text()
    assert command("ingest", "-", "--db", DATABASE, stdin=lines(MEAL[1:])).code == 0
    assert command("views", "--rebuild", "--db", DATABASE).code == 0
    changed = tmp_path / "changed" / "kitchen_lifecycle"
    changed.mkdir(parents=True)
    (changed / "__init__.py").write_text(
        source.replace('main_line=("noted", "cooking")', 'main_line=("cooking",)')
    )

    def after(*arguments):
        return command(*arguments, "--json", "--db", DATABASE, also=[changed.parent])

    prints = [
        next(each["fingerprint"] for each in json.loads(answer.out) if each["name"] == "kitchen")
        for answer in (
            command("providers", "--json"),
            command("providers", "--json", also=[changed.parent]),
        )
    ]
    assert prints[0] != prints[1]
    replayed = after("replay")
    assert replayed.code == 1
    assert replayed.value["changed"] == [
        {"provider": "kitchen", "stored": prints[0], "found": prints[1]}
    ]
    assert {each["field"] for each in replayed.value["differences"]} == {"missing"}
    doctor = after("doctor")
    views = next(check for check in doctor.value["checks"] if check["name"] == "views")
    assert doctor.code == 1
    assert all(fingerprint in views["meaning"] for fingerprint in prints)
    told = command("replay", "--db", DATABASE, also=[changed.parent]).out
    assert all(fingerprint in told for fingerprint in prints)
    before = command("replay", "--json", "--db", DATABASE)
    assert before.code == 0, "the control: under the old definition nothing differs"
    assert "changed" not in before.value
