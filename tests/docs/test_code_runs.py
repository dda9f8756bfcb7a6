"""The code in the documentation runs, and prints what the page says it prints.

All ```python blocks of a page run in one namespace, in an empty folder. A ```text block
right after one is what it prints. In a ```console block each line that starts with `$ `
is run, and the lines below it are what it prints; `...` stands for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import itertools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lifecycle.registry import found_providers, known_providers
from tests.docs.fences import PAGES, ROOT, Block, blocks_of, named
from tests.postgres_server import SUPERUSER
from tests.scenario.command_line import run

RUNNABLE = [
    page
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    if {"python", "console"} & {block.language for block in blocks_of(page.read_text())}
]
LONG = {"command-line", "draw-pictures"}
"""Pages that start dozens of processes."""
PLAIN = {"NO_COLOR": "1", "COLUMNS": "100"}
FOR_A_SHELL = {*"|&;<>()$`\\~*?["}


def same(wanted: str, got: str) -> bool:
    """Say whether a page tells what was printed; `...` stands for anything."""
    return doctest.OutputChecker().check_output(
        wanted.rstrip() + "\n", got.rstrip() + "\n", doctest.ELLIPSIS
    )


def run_python(block: Block, page: str, namespace: dict[str, object]) -> str:
    """Run one block where it stands and return what it printed."""
    code = compile("\n" * block.line + block.text, page, "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def commands_of(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with what it should print."""
    pieces = ("\n" + text).split("\n$ ")[1:]
    return [(piece.partition("\n")[0], piece.partition("\n")[2]) for piece in pieces]


def run_console(command: str, packages: Path) -> str:
    """Run one command and return what it printed: without a shell in this process, if it can be."""
    is_ours = command.startswith("lifecycle ") and not FOR_A_SHELL.intersection(command)
    return run_here(command) if is_ours else run_in_a_shell(command, packages)


def run_here(command: str) -> str:
    done = run(*shlex.split(command)[1:], cwd=Path.cwd(), env=PLAIN)
    assert done.code in {0, 1}, f"$ {command}\n{done.err}"
    return done.out


def run_in_a_shell(command: str, packages: Path) -> str:
    """Run one command with this environment's programs first and return what it printed.

    What it installs goes to a folder of its own, and comes from nowhere else than here.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = os.environ | {"PATH": path} | PLAIN
    environment |= {"PIP_TARGET": str(packages), "PYTHONPATH": str(packages)}
    environment |= dict.fromkeys(("PIP_NO_INDEX", "PIP_NO_DEPS"), "1")
    environment["PIP_NO_BUILD_ISOLATION"] = "0"  # as pip has it: there shall be none
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode in {0, 1}, f"$ {command}\n{done.stderr}"
    forget_providers()  # it may have installed one
    return done.stdout


@pytest.fixture
def database(request, monkeypatch):
    """Have pages find the database `orders` on a server, as libpq finds it."""
    server = request.getfixturevalue("postgres")
    server.execute("CREATE DATABASE orders")
    monkeypatch.setenv("PGHOST", str(server.folder))
    monkeypatch.setenv("PGUSER", SUPERUSER)
    yield
    server.execute("DROP DATABASE orders")


@pytest.fixture
def packages(tmp_path_factory, monkeypatch):
    """Return a folder for what a page installs, from where it is imported too."""
    folder = tmp_path_factory.mktemp("packages")
    before = {*sys.modules}
    monkeypatch.syspath_prepend(folder)
    forget_providers()
    yield folder
    forget_providers()
    for name in {*sys.modules} - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def forget_providers():
    """Forget which providers were found, as a new process would not know them."""
    importlib.invalidate_caches()
    found_providers.cache_clear()
    known_providers.cache_clear()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.long] * (page.stem in LONG)) for page in RUNNABLE],
    ids=named,
)
def test_the_code_on_the_page_runs_and_prints_what_it_says(
    page, tmp_path, monkeypatch, request, packages
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIFECYCLE_DB", raising=False)
    for beside in page.parent.glob("*.py"):
        shutil.copy(beside, tmp_path)
    if page.stem == "run-on-postgresql":
        request.getfixturevalue("database")
    if page.stem == "run-on-nats":
        server = request.getfixturevalue("nats")
        beside = f"sqlite:///{tmp_path}/beside.db"
        url = server.url("orders", beside=beside, monitoring=server.monitoring)
        monkeypatch.setenv("LIFECYCLE_DB", url)
        monkeypatch.setitem(PLAIN, "LIFECYCLE_DB", url)
    # A module, as libraries look up what a page defines where it says it was defined.
    module = ModuleType("__page__")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    namespace = vars(module)
    blocks = blocks_of(page.read_text())
    for block, following in itertools.zip_longest(blocks, blocks[1:]):
        if block.language == "python":
            printed = run_python(block, named(page), namespace)
            if following is not None and following.language == "text":
                assert same(following.text, printed), f"line {following.line}: it prints\n{printed}"
        elif block.language == "console":
            for command, wanted in commands_of(block.text):
                printed = run_console(command, packages)
                assert same(wanted, printed) or not wanted.strip(), f"$ {command}\n{printed}"


def test_the_runner_notices_a_page_that_lies():
    """The positive control: another output is told apart, and an error is not swallowed."""
    page = blocks_of("Try:\n\n```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    printed = run_python(page[0], "page", {})
    assert same("2\n", printed)
    assert not same(page[1].text, printed)
    assert same("at 12:... sharp", "at 12:30 sharp\n")
    with pytest.raises(ZeroDivisionError):
        run_python(Block("python", "1 / 0\n", 1), "page", {})


def test_a_console_block_is_read_command_by_command():
    text = "$ echo one\none\n$ echo two\ntwo\nlines\n"
    assert commands_of(text) == [("echo one", "one"), ("echo two", "two\nlines\n")]
