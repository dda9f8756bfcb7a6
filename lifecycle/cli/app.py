"""The commands, put together; and one place where every failure becomes a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, wraps
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from lifecycle.cli.attention import attention
from lifecycle.cli.audit import audit
from lifecycle.cli.check import check
from lifecycle.cli.checkpoint import checkpoint
from lifecycle.cli.demo import demo
from lifecycle.cli.doctor import DISTRIBUTION, doctor
from lifecycle.cli.erasure import erase, rotate
from lifecycle.cli.evidence import evidence
from lifecycle.cli.failure import DONE, USAGE, ending_of
from lifecycle.cli.integrity import quarantine, replay, verify
from lifecycle.cli.letters import delivered, drop, letters, prune, redrive, show_letter
from lifecycle.cli.log import backup, copy, export, ingest, init
from lifecycle.cli.orders import explain, history, listing, show, watch
from lifecycle.cli.output import say, warn
from lifecycle.cli.picture import diagram, stats
from lifecycle.cli.providers import new, providers
from lifecycle.cli.reconcile import reconcile, resume
from lifecycle.cli.serve import serve
from lifecycle.cli.simulate import simulate
from lifecycle.cli.views import views

# In the order of the help.
_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    *(demo, ingest, show, history, explain, listing, views, stats, attention),
    *(quarantine, watch, verify, checkpoint, evidence, replay, export, audit, copy, backup, erase),
    *(diagram, check, providers, doctor, serve, reconcile, resume, simulate),
)
# Where typer brings a click of its own, and where it asks for the one that is installed.
_UsageError: Final[type] = typer.BadParameter.__bases__[0]
_ClickException: Final[type[Exception]] = _UsageError.__bases__[0]

app: typer.Typer = typer.Typer(
    name="lifecycle",
    help="The true state of every last mile delivery order.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        say(f"lifecycle {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _lifecycle(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Know the true state of every order, and prove afterwards why it was believed."""


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that never raises: a failure becomes a sentence and an exit code."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except (typer.Exit, _ClickException):
            raise
        except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 - never a traceback
            raise typer.Exit(_end(failure)) from None

    return guarded


def _add_group(name: str, says: str, commands: Mapping[str, Callable[..., None]]) -> None:
    group = typer.Typer(help=says, no_args_is_help=True, pretty_exceptions_enable=False)
    for each, command in commands.items():
        group.command(each)(_guarded(command))
    app.add_typer(group, name=name)


packages: typer.Typer = typer.Typer(invoke_without_command=True, pretty_exceptions_enable=False)

for _command in _COMMANDS:
    if _command is providers:
        packages.callback()(_guarded(providers))
        packages.command("new")(_guarded(new))
        app.add_typer(packages, name="providers")
    else:
        app.command("list" if _command is listing else None)(_guarded(_command))
_add_group("db", "Prepare the database.", {"init": init})
_add_group("keys", "Look after the keys of an encrypted log.", {"rotate": rotate})
_LETTERS: Final[Mapping[str, Callable[..., None]]] = {
    "list": letters,
    "show": show_letter,
    "redrive": redrive,
    "drop": drop,
    "delivered": delivered,
    "prune": prune,
}
_add_group("letters", "See what was not delivered to subscriptions, and what was.", _LETTERS)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; nothing but an exit is ever raised."""
    _open_missing_streams()
    try:
        code = _parser().main(list(arguments), prog_name="lifecycle", standalone_mode=False)
        sys.stdout.flush()
    except _ClickException as refused:
        return _refuse(refused)
    except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 - never a traceback
        return _end(failure)
    return code if isinstance(code, int) else DONE


@cache
def _parser() -> Any:
    """Return the command line as click has it, made once for all calls of a process."""
    return get_command(app)


def _end(failure: BaseException) -> int:
    ending = ending_of(failure)
    _settle_stdout()
    if ending.sentence is not None:
        warn(f"lifecycle: {ending.sentence}")
    return ending.code


def _refuse(refused: Any) -> int:
    """Say in one sentence what is wrong with the arguments."""
    context = getattr(refused, "ctx", None)
    path = context.command_path if context is not None else "lifecycle"
    message = refused.format_message()
    if type(refused).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        return USAGE
    sentence = message.strip().rstrip(".?").replace(". Did you", ": did you")
    sentence = sentence.replace("Value error, ", "")
    advice = _after_the_command(refused, path) or f"run: {path} --help"
    warn(f"{path}: {sentence[:1].lower()}{sentence[1:]}; {advice}")
    return USAGE


def _after_the_command(refused: Any, path: str) -> str | None:
    """Return what to do about an option of a command that stands before it."""
    option, commands = getattr(refused, "option_name", None), getattr(_parser(), "commands", {})
    is_known = any(option in each.opts for command in commands.values() for each in command.params)
    is_early = path == "lifecycle" and is_known
    return f"put it after the command: lifecycle COMMAND {option} ..." if is_early else None


def _settle_stdout() -> None:
    """Flush what was printed; if nobody can take it, drop it without a word at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())


def _open_missing_streams() -> None:
    """Give a process that was started without streams some: printing must not crash."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
