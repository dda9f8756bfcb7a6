"""Hostile input through every framework: the receiver answers alike and keeps every byte.

Mutations of the corpus are posted as callbacks, with content types of every kind, over real
sockets to the receiver under uvicorn, FastAPI, Starlette, Django for threads and coroutines,
Flask and WSGI. What is answered and what is stored must be what the library gives without
any server, and nothing may be answered 5xx. The control is a mount that reads bodies as text.

    python -m campaigns.frameworks --mutations 5000
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random
from typing import Final

from flask import Flask, request

from campaigns.hostile import mutated
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.composition import connect
from lifecycle.http.receiver import BearerTokens, Request, SyncReceiver
from tests.http.mounts import BELOW, MOUNTS
from tests.http.test_receiver_mounts import identities, library_told, told
from tests.receiving import SETUP
from tests.serving import wsgi_server

BAD: Final = ("other answers", "answers 5xx", "other entries stored")
CHUNK: Final = 500
KINDS: Final = (
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/html; charset=no-such-charset",
    "application/grpc",
    "*",
)

Serve = Callable[[str], AbstractContextManager[tuple[int, str]]]


@contextmanager
def reading_text(url: str) -> Iterator[tuple[int, str]]:
    """Broken on purpose: a mount that takes a body for text, and text for UTF-8."""
    app = Flask("broken")
    with connect(url) as orders:
        receiver = SyncReceiver(orders, BearerTokens(**SETUP))

        @app.route(f"{BELOW}/<path:rest>", methods=["POST"])
        def provider(rest: str) -> tuple[bytes, int]:
            body = request.get_data(as_text=True).encode()
            headers = {k: v for k, v in request.headers.items() if k == "Authorization"}
            answer = receiver.handle(Request(request.method, f"/{rest}", headers, body))
            return answer.body, answer.status

        with wsgi_server(app) as port:
            yield port, BELOW


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "mutations": (5000, "how many bodies go through every mount"),
            "control-mutations": (200, "how many go through the control"),
        },
    )
    options = campaign.parse(arguments)
    subject, control = Figures(*BAD), Figures(*BAD)
    bodies = [drawn(options.seed, number) for number in range(options.mutations)]
    some = bodies[: options.control_mutations]
    with scratch() as folder:
        attack(folder / "subject", MOUNTS, bodies, subject, campaign)
        attack(folder / "control", {"text": reading_text}, some, control, campaign)
    return campaign.verdict("frameworks", subject, {"reads bodies as text": control})


def attack(
    folder: Path,
    mounts: Mapping[str, Serve],
    bodies: Sequence[tuple[bytes, str]],
    figures: Figures,
    campaign: Campaign,
) -> None:
    """Post mutated bodies to every mount, and hold it against the library alone."""
    folder.mkdir()
    for start in range(0, len(bodies), CHUNK):
        sent = bodies[start : start + CHUNK]
        figures.count("mutations", len(sent))
        alone = f"sqlite:///{folder}/{start}.db"
        expected, kept = library_told(alone, [body for body, _ in sent]), identities(alone)
        for place, (mount, serve) in enumerate(mounts.items()):
            url, where = f"sqlite:///{folder}/{start}-{place}.db", f"{mount}, from {start}"
            answers = told(serve, url, sent)
            figures.count("bodies posted", answers.total())
            figures.find("other answers", where, (answers - expected).total())
            failed = sum(number for (status, _), number in answers.items() if status >= 500)
            figures.find("answers 5xx", where, failed)
            stored = identities(url)
            others = (stored - kept).total() + (kept - stored).total()
            figures.find("other entries stored", where, others)
            campaign.tell(figures)


def drawn(seed: int, number: int) -> tuple[bytes, str]:
    """Return one mutated body and the content type that it is posted with.

    An empty one would be no callback: it is refused, and the library alone would keep it.
    """
    random = Random(f"{seed} {number}")
    return mutated(random) or b" ", random.choice(KINDS)


if __name__ == "__main__":
    sys.exit(main())
