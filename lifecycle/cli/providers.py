"""`lifecycle providers`: those that are installed; `new` writes a package for another one.

The package that it writes is kept as text, beside this module, under the name `drone`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.failure import Refusal, unusable
from lifecycle.cli.option import Json
from lifecycle.cli.output import Cell, print_json_array, print_table, say
from lifecycle.registry import BrokenProvider, FoundProvider, found_providers

HEADINGS: Final = ("name", "from", "definition", "fingerprint", "offers")
_FINGERPRINT_SHOWN: Final = 12


def providers(context: typer.Context, *, json: Json = False) -> None:
    """List the providers that are installed, broken ones too."""
    if context.invoked_subcommand is not None:
        return
    if json:
        print_json_array(map(_as_json, found_providers()))
    else:
        print_table(HEADINGS, map(_row, found_providers()))


def _as_json(found: FoundProvider | BrokenProvider) -> dict[str, Any]:
    named: dict[str, Any] = {
        "name": found.name,
        "from": found.origin,
        "ok": isinstance(found, FoundProvider),
    }
    if isinstance(found, BrokenProvider):
        return (
            named
            | {"definition": None, "fingerprint": None, "offers": []}
            | {"trouble": found.trouble}
        )
    definition = found.provider.definition
    return named | {
        "definition": definition.name,
        "fingerprint": definition.fingerprint,
        "offers": list(_offers(found)),
        "trouble": None,
    }


def _row(found: FoundProvider | BrokenProvider) -> tuple[str | Cell, ...]:
    if isinstance(found, BrokenProvider):
        trouble = Cell(f"cannot be used: {found.trouble}", "bold red")
        return found.name, found.origin, "-", "-", trouble
    definition = found.provider.definition
    fingerprint = definition.fingerprint[:_FINGERPRINT_SHOWN]
    return found.name, found.origin, definition.name, fingerprint, ", ".join(_offers(found))


def _offers(found: FoundProvider) -> Iterator[str]:
    """Yield what a provider can be used for: reading, which all can, and its parts."""
    yield "reader"
    yield from found.parts


SKELETON: Final = "drone"
"""The name that stands in the text for that of the new provider."""

_SUFFIX: Final = ".txt"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST_NAME: Final = 40
# Distributions and headers are written with dashes.
_DASHED: Final = re.compile(rf"(?<=x-){SKELETON}|{SKELETON}(?=-lifecycle)")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="What the provider is called, such as pigeon_post.")
]
Into = Annotated[
    Path, typer.Option("--into", metavar="FOLDER", help="Where the folder NAME is made.")
]


def new(name: Name, *, into: Into = Path()) -> None:
    """Write a package for a provider: definition, gate, client, simulator and tests."""
    _check_name(name)
    folder = into / name
    try:
        _write(name, folder)
    except OSError as failure:
        raise Refusal(unusable(folder, failure)) from None
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        say(path.as_posix())


def _check_name(name: str) -> None:
    """Check that a name can be that of a provider, a module and a distribution.

    Raises:
        Refusal: it cannot, or a provider has it.
    """
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST_NAME or iskeyword(name):
        what = f"1 to {_LONGEST_NAME} small letters, digits and single underscores"
        raise Refusal(f"{name!a} is no name for a provider; expected {what}")
    if any(found.name == name for found in found_providers()):
        raise Refusal(f"there is a provider {name!a}; choose another name")


def _write(name: str, folder: Path) -> None:
    """Write the package; it is there whole, or not at all."""
    if folder.exists():
        raise Refusal(f"{str(folder)!a} is there already; choose another name or folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        for path, text in package_of(name):
            file = unfinished / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def package_of(name: str) -> Iterator[tuple[PurePosixPath, str]]:
    """Yield every file of the package of a provider: its path and its text."""
    for path, text in _files(files("lifecycle.cli") / "skeleton", PurePosixPath()):
        yield PurePosixPath(_named(str(path), name)), _named(text, name)


def _files(folder: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _files(entry, place / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield place / entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")


def _named(text: str, name: str) -> str:
    """Return a text with another name in the place of the one that it was written for."""
    words = "".join(word.capitalize() for word in name.split("_"))
    text = _DASHED.sub(name.replace("_", "-"), text)
    return text.replace(SKELETON, name).replace(SKELETON.capitalize(), words)
