"""`lifecycle serve`: receives callbacks until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from lifecycle.cli.choice import keys_named
from lifecycle.cli.failure import DONE, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, OverdueAfter, ProviderName, span_option
from lifecycle.cli.output import warn
from lifecycle.cli.reconcile import background_of
from lifecycle.cli.serve_pages import NoCallbacks, PagesAccess, WithPages, check_packages, pages_of
from lifecycle.composition import DEFAULT_PROVIDER, connect_async
from lifecycle.errors import InvalidArgumentError
from lifecycle.http.server import ServerLimits
from lifecycle.log.private_file import exposure
from lifecycle.registry import part_of

if TYPE_CHECKING:
    from uvicorn import Server

    from lifecycle.cli.pages_service import PagesService
    from lifecycle.http.receiver import Gate, Receiver, ReceiverPort, Service
    from lifecycle.http.receiver.asgi import App
    from lifecycle.service.async_orders import AsyncOrders
    from lifecycle.web import Pages

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080

_LOG_LINE: Final = "%(asctime)s %(levelname)s %(message)s"

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes one that is free.")
]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        envvar="LIFECYCLE_RECEIVER_CREDENTIALS",
        help="A TOML file with clients and signing keys; else the environment has them.",
    ),
]

MostConnections = Annotated[
    int | None,
    typer.Option(
        "--connections",
        metavar="N",
        min=1,
        help="How many may be open; else 1000, or what the limit of open files leaves room for.",
    ),
]
Reconcile = Annotated[
    timedelta | None,
    span_option(
        "--reconcile", "Ask the provider for orders that wait longer than that, such as 15m."
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Finish the create requests that a process left, all the time."),
]
Metrics = Annotated[
    bool, typer.Option("--metrics", help="Answer GET /metrics, for monitors inside your network.")
]

_Make = Callable[[AsyncExitStack], Awaitable[AbstractAsyncContextManager[Any]]]
"""Makes what is served, and gives the stack what has to be closed after it."""


def serve(
    *,
    host: Host = LOOPBACK,
    port: Port = DEFAULT_PORT,
    credentials: CredentialsFile = None,
    reconcile: Reconcile = None,
    resume: Resume = False,
    metrics: Metrics = False,
    overdue_after: OverdueAfter = "1d",  # type: ignore[assignment]  # typer parses it
    connections: MostConnections = None,
    pages: WithPages = False,
    pages_access: PagesAccess = None,
    no_callbacks: NoCallbacks = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Receive callbacks over HTTP, until SIGTERM or Ctrl-C."""
    provider = DEFAULT_PROVIDER if provider is None else provider
    check_packages("http", "uvicorn", "httptools")
    if no_callbacks and (not pages or reconcile or resume or metrics):
        raise Refusal("--no-callbacks leaves the pages alone; give --pages and nothing to receive")
    make_log, keys = not no_callbacks, keys_named()
    orders = connect_async(
        db, provider=provider, create=make_log, overdue_after=overdue_after, keys=keys
    )
    shown = pages_of(orders, host, pages_access, overdue_after) if pages else None
    if no_callbacks and shown is not None:
        make: _Make = partial(_pages_alone, orders, shown)
    else:
        receiver = _receiver(orders, provider, credentials, metrics=metrics)
        background = partial(background_of, provider, reconcile, resumes=resume)
        make = partial(_service, receiver, shown, background if reconcile or resume else None)
    with _listening(host, port) as listening:
        _take_signals()
        secrets = (file for file in (credentials, pages_access) if file is not None)
        warnings = [told for file in secrets if (told := exposure(file)) is not None]
        server = partial(_server, listening, ServerLimits(connections=connections), warnings, shown)
        asyncio.run(_run(listening, make, server))


async def _run(listening: socket.socket, make: _Make, server: Callable[[Any], Server]) -> None:
    """Serve until a signal comes; then finish what is under way and close the log."""
    async with AsyncExitStack() as stack:
        # Opened before the server starts: a store that cannot be opened is one sentence.
        service = await stack.enter_async_context(await make(stack))
        await server(service).serve([listening])


async def _service(
    receiver: Receiver,
    pages: Pages | None,
    beside: Callable[[], tuple[Any, dict[str, Any]]] | None,
    stack: AsyncExitStack,
) -> Service:
    """Return the receiver with what runs beside it, and the pages."""
    from lifecycle.http.receiver import Service  # noqa: PLC0415 - `http` may not be installed

    background: dict[str, Any] = {}
    if beside is not None:
        client, background = beside()
        await stack.enter_async_context(client)
    mounts: dict[str, App] = {}
    if pages is not None:
        from lifecycle.cli.pages_service import PREFIX  # noqa: PLC0415 - as above
        from lifecycle.web import keep_views  # noqa: PLC0415 - `web` may not be installed

        background, mounts = {**background, "views": keep_views}, {PREFIX: pages}
    return Service(receiver, mounts=mounts, background=background)


async def _pages_alone(orders: AsyncOrders, pages: Pages, _: AsyncExitStack) -> PagesService:
    from lifecycle.cli.pages_service import PagesService  # noqa: PLC0415 - `web` may not be installed

    return PagesService(orders, pages)


def _receiver(
    orders: AsyncOrders, provider: str, credentials: Path | None, *, metrics: bool
) -> Receiver:
    from lifecycle.http.receiver import Receiver  # noqa: PLC0415 - `http` may not be installed

    callbacks = part_of(provider, "receiver")
    routes = replace(callbacks.routes, metrics="/metrics" if metrics else None)
    return Receiver(orders, _gate(callbacks, credentials), routes=routes)


def _server(
    listening: socket.socket,
    limits: ServerLimits,
    warnings: list[str],
    pages: Pages | None,
    service: Any,
) -> Server:
    from lifecycle.http.server import running  # noqa: PLC0415 - `http` may not be installed

    def started() -> None:
        warn(f"listening on {_url_of(listening)}; stop with Ctrl-C")
        for warning in warnings:
            warn(warning)

    # Its own logger says the same as we do, and less: warnings alone are wanted.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    running.limit_log_lines()
    stopping = None if pages is None else pages.stop
    return running.GuardedServer(service, limits, started=started, stopping=stopping)


def _gate(port: ReceiverPort, credentials: Path | None) -> Gate:
    if credentials is not None:
        return port.read(credentials)
    try:
        return port.from_environment(os.environ)
    except InvalidArgumentError as missing:
        raise Refusal(f"{missing}, or a file that --credentials names") from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen, so that the port is ours before the log is opened.

    Raises:
        Refusal: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as failure:
        why = os.strerror(failure.errno) if failure.errno else str(failure.strerror)
        raise Refusal(
            f"cannot listen on {host!a}, port {port}: {why.lower()}; "
            "choose others with --host and --port"
        ) from None
    with closing(listening):
        yield listening


def _url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _take_signals() -> None:
    """End well when this process is told to, and log to stderr until then."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _interrupt)
    logging.basicConfig(level=logging.INFO, format=_LOG_LINE, stream=sys.stderr)


def _end(*_: object) -> NoReturn:
    """End well on SIGTERM: the server raises it again once it has finished."""
    raise typer.Exit(DONE)


def _interrupt(*_: object) -> NoReturn:
    """As Python does it, but asyncio does not put another in its place."""
    raise KeyboardInterrupt
