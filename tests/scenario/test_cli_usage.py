"""The command line before it does any work: help, version, mistakes, a missing extra."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from lifecycle.cli.app import app
from tests.scenario.command_line import SCRIPT, environment, run, run_script

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
COMMANDS = (
    "demo",
    "ingest",
    "show",
    "history",
    "list",
    "quarantine",
    "verify",
    "export",
    "diagram",
    "check",
    "doctor",
    "serve",
)
READING = (
    ("show", "xyz"),
    ("history", "xyz"),
    ("list",),
    ("quarantine",),
    ("quarantine", "--redrive"),
    ("verify",),
    ("export",),
    ("diagram", "--order", "xyz"),
    ("doctor",),
)


def one_sentence(said: str) -> bool:
    """Tell whether stderr holds one line that names the program and no traceback."""
    return said.count("\n") == 1 and said.startswith("lifecycle") and "Traceback" not in said


def test_help_lists_every_command_and_each_has_help_of_its_own(tmp_path):
    helped = run("--help", cwd=tmp_path)
    assert helped.code == 0
    listed = {line.split()[0] for line in helped.out.partition("Commands:")[2].splitlines() if line}
    assert listed >= set(COMMANDS)
    assert "..." not in helped.out.partition("Commands:")[2], "a sentence was cut"
    for command in COMMANDS:
        assert run(command, "--help", cwd=tmp_path).out.startswith(f"Usage: lifecycle {command}")


def test_the_version_is_that_of_the_distribution(tmp_path):
    answer = run_script("--version", cwd=tmp_path)
    assert (answer.code, answer.out) == (0, f"lifecycle {version('order-lifecycle')}\n")


def test_the_reference_page_lists_every_option_of_every_command():
    """What it says of each command is run elsewhere; here nothing may be left out."""
    page = PAGE.read_text()
    shared, *sections = page.split("\n## ")
    told = {section.partition("\n")[0]: section for section in sections}
    commands = get_command(app).commands
    assert set(commands) <= set(told)
    for name, command in commands.items():
        for option in (opt for parameter in command.params for opt in parameter.opts):
            if option.startswith("--"):
                assert option in told[name] + told["What all commands share"], (name, option)
        assert f"`{name}`](#{name})" in shared


def test_no_command_at_all_shows_the_help_and_is_wrong_usage(tmp_path):
    answer = run(cwd=tmp_path)
    assert answer.code == 2
    assert answer.out == ""
    assert "Commands:" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("shwo",),
        ("show",),
        ("show", "xyz", "zyx"),
        ("show", "xyz", "--frobnicate"),
        ("show", "xyz", "--as-at"),
        ("show", "xyz", "--as-at", "2022-06-04T10:00:00"),
        ("show", "xyz", "--as-of", "yesterday"),
        ("history", "xyz", "--as-at", "2022-06-04"),
        ("history", "xyz", "--as-of", "2022-13-04T10:00:00Z"),
        ("list", "--waiting-longer-than", "15"),
        ("list", "--waiting-longer-than", "-5m"),
        ("list", "--waiting-longer-than", "99999999999d"),
        ("diagram", "--format", "crayon"),
        ("diagram", "--provider", "nobody"),
        ("list", "--provider", "nobody"),
        ("list", "--db", "nonsense"),
        ("ingest",),
        ("quarantine", "--redrive", "--all"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments, tmp_path):
    answer = run(*arguments, cwd=tmp_path)
    assert answer.code == 2
    assert answer.out == ""
    assert one_sentence(answer.err), answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--provider", "--db"])
def test_an_option_before_its_command_is_told_where_it_belongs(option, tmp_path):
    answer = run(option, "drone", "check", cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    where = f"put it after the command: lifecycle COMMAND {option} ..."
    assert answer.err == f"lifecycle: no such option: {option}; {where}\n"
    assert "put it" not in run("--frobnicate", cwd=tmp_path).err


def test_the_script_exits_with_the_code_and_says_it_on_stderr(tmp_path):
    for arguments, code in ((("shwo",), 2), (("list",), 3)):
        answer = run_script(*arguments, cwd=tmp_path)
        assert (answer.code, answer.out) == (code, "")
        assert one_sentence(answer.err), answer.err


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_reading_command_never_creates_a_database(arguments, tmp_path):
    answer = run(*arguments, cwd=tmp_path)
    assert answer.code == 3
    assert list(tmp_path.iterdir()) == []
    if arguments != ("doctor",):
        assert answer.out == ""
        assert one_sentence(answer.err), answer.err
        assert "lifecycle.db" in answer.err


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_file_that_is_no_database_is_exit_code_3(arguments, tmp_path):
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("this is no database at all, but long enough to be one" * 50)
    for url in ("sqlite:///folder.db", "sqlite:///text.db", "sqlite:///no/such/folder/x.db"):
        answer = run(*arguments, "--db", url, cwd=tmp_path)
        assert answer.code == 3, answer
        assert arguments == ("doctor",) or one_sentence(answer.err), answer.err


def test_the_environment_names_the_database_and_the_option_wins(tmp_path):
    named = {"LIFECYCLE_DB": "sqlite:///by-environment.db"}
    assert "by-environment" in run("list", cwd=tmp_path, env=named).err
    assert "by-option" in run("list", "--db", "sqlite:///by-option.db", cwd=tmp_path, env=named).err


def test_control_characters_in_an_argument_do_not_reach_the_terminal(tmp_path):
    for arguments in (("\x1b[31mred",), ("show", "x", "--as-at", "\x1b[31m\x9b\u202e")):
        answer = run(*arguments, cwd=tmp_path)
        assert answer.code == 2
        assert not {"\x1b", "\x9b", "\u202e"} & set(answer.err)


def test_completion_offers_the_commands_and_the_options(tmp_path):
    asked = {
        "_LIFECYCLE_COMPLETE": "complete_bash",
        "COMP_WORDS": "lifecycle sh",
        "COMP_CWORD": "1",
    }
    assert run_script(cwd=tmp_path, env=asked).out.split() == ["show"]
    asked |= {"COMP_WORDS": "lifecycle list --wait", "COMP_CWORD": "2"}
    assert run_script(cwd=tmp_path, env=asked).out.split() == ["--waiting-longer-than"]


def test_without_the_extra_a_sentence_says_what_to_install(tmp_path):
    """Typer is hidden from the import system, as if only the library had been installed."""
    for hidden in ("typer", "rich"):
        program = (
            "import sys\n"
            f"sys.modules[{hidden!r}] = None\n"
            "from lifecycle.cli import main\n"
            "sys.argv = ['lifecycle', '--version']\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 2
        assert one_sentence(done.stderr), done.stderr
        assert "order-lifecycle[cli]" in done.stderr


def test_help_waits_for_neither_rich_nor_a_store(tmp_path):
    """What is imported decides how long a shell waits; this is the part that we can hold."""
    program = (
        "import sys\n"
        "from lifecycle.cli.app import run\n"
        "run(['--help'])\n"
        "heavy = {'rich', 'eventsourcing', 'sqlite3'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_started_without_streams_it_still_ends_in_good_order(tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"'{SCRIPT}' list >&- 2>&- <&-; echo $?"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(),
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
