"""What `lifecycle serve` needs to serve the pages too, or alone."""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lifecycle.audit.signed_note import PrivateKey
from lifecycle.cli.failure import Refusal, unusable
from lifecycle.errors import InvalidArgumentError, MissingExtraError

_FILE: Final = (
    "a TOML file with a table `[users]` of names and secrets, or a table `[proxy]` with `header` "
    "and `addresses`"
)

if TYPE_CHECKING:
    from lifecycle.service.async_orders import AsyncOrders
    from lifecycle.web import Access, Pages

WithPages = Annotated[
    bool, typer.Option("--pages", help="Show the orders in a browser, under /pages.")
]
PagesAccess = Annotated[
    Path | None,
    typer.Option(
        "--pages-access",
        metavar="FILE",
        envvar="LIFECYCLE_PAGES_ACCESS",
        help="A TOML file with who may see the pages; else this machine alone.",
    ),
]
NoCallbacks = Annotated[
    bool, typer.Option("--no-callbacks", help="Serve the pages alone, and receive nothing.")
]


def pages_of(
    orders: AsyncOrders, host: str, access: Path | None, overdue_after: timedelta
) -> Pages:
    """Return the pages of a log, for whoever may see them.

    Raises:
        Refusal: other machines could reach them, and nothing says who may see them.
        MissingExtraError: the extra `web` is not installed.
    """
    check_packages("web", "starlette", "jinja2")
    from lifecycle.web import Pages  # noqa: PLC0415 - `web` may not be installed
    from lifecycle.web.access import is_loopback  # noqa: PLC0415 - as above

    if access is None and not is_loopback(host):
        raise Refusal(
            f"other machines may reach {host!a}, and nothing says who may see the pages; "
            "name a file with --pages-access, or listen at 127.0.0.1"
        )
    who = None if access is None else _access(access)
    return Pages(orders, access=who, overdue_after=overdue_after, key=_key())


def read_access(path: Path) -> Access:
    """Return who may see the pages, as a TOML file says.

    It has a table `[users]` of names and their secrets, each a password and a bearer token, or a
    table `[proxy]` with the `header` in which the proxy at `addresses` names the user.

    Raises:
        InvalidArgumentError: it holds something else; the message quotes nothing.
        OSError: it cannot be read.
    """
    from lifecycle.http.receiver import BasicOrToken  # noqa: PLC0415 - as above
    from lifecycle.web import TrustedHeader  # noqa: PLC0415 - as above

    try:
        found = tomllib.loads(Path(path).read_bytes().decode())
        ((table, given),) = found.items()
        if table == "proxy":
            return TrustedHeader(str(given["header"]), addresses=list(given["addresses"]))
        if table == "users":
            return BasicOrToken({str(name): _secrets(given[name]) for name in given})
    except InvalidArgumentError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InvalidArgumentError("the access", _FILE)


def check_packages(extra: str, *packages: str) -> None:
    """Check that the packages of an extra are there.

    Raises:
        MissingExtraError: one is not.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(extra, package)


def _key() -> PrivateKey | None:
    """Return the key that the environment names, which signs checkpoints too."""
    named = os.environ.get("LIFECYCLE_KEY")
    if not named:
        return None
    try:
        return PrivateKey.parse(Path(named).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refusal(f"{named!a}, which LIFECYCLE_KEY names, holds no key") from None


def _access(path: Path) -> Access:
    try:
        return read_access(path)
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
    except InvalidArgumentError as refused:
        raise Refusal(f"{str(path)!a} says not who may see the pages: {refused}") from None


def _secrets(given: object) -> list[str]:
    several = given if isinstance(given, list) else [given]
    secrets = [secret for secret in several if isinstance(secret, str)]
    if secrets != several:
        raise TypeError
    return secrets
