"""Hostile input: mutations of a corpus through every entry point and every store.

Nothing may raise, nothing may be dropped, the bytes must come out as they went in, and every
store must answer alike. A mutation flips, cuts, doubles, splices or re-encodes bodies of the
corpus and lines of recordings, or puts a hostile value where a value stands. The control keeps
bodies as text.

    python -m campaigns.hostile --mutations 2000
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from campaigns.broken_variants import storing_text
from campaigns.determinism import GOLDEN
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.audit.verify import verify
from lifecycle.composition import connect
from lifecycle.log.contract import Outcome
from lifecycle.log.jsonl import BAD_LINE
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt
from tests.hostile_corpus import CORPUS, VALUES
from tests.postgres_server import Server, server_if_any
from tests.scenario.test_hostile_entry_points import ENTRIES, stored_bodies

BAD: Final = ("crashes", "dropped", "changed bytes", "different answers", "broken")
CHUNK: Final = 250
LARGEST: Final = 20_000
NOW: Final = datetime(2026, 7, 7, tzinfo=UTC)

Entry = Callable[[Orders, bytes], Receipt]


def raw_line(orders: Orders, body: bytes) -> Receipt:
    """Record a body where a line of recordings should stand."""
    [receipt] = orders.record_many([body])
    return receipt


ENTRY_POINTS: Final[dict[str, Entry]] = {**ENTRIES, "a line by itself": raw_line}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "mutations": (2000, "how many bodies go through every entry point"),
            "control-mutations": (50, "how many of the control"),
        },
    )
    options = campaign.parse(arguments)
    subject, control = Figures(*BAD), Figures(*BAD)
    with scratch() as folder, server_if_any() as server:
        send = partial(attack, campaign=campaign)
        send(folder / "subject", server, options.mutations, options.seed, figures=subject)
        with storing_text():
            few = options.control_mutations
            send(folder / "control", None, few, options.seed, figures=control)
    return campaign.verdict("hostile input", subject, {"keeps bodies as text": control})


def attack(
    folder: Path,
    server: Server | None,
    count: int,
    seed: int,
    *,
    figures: Figures,
    campaign: Campaign,
) -> None:
    """Send mutated bodies through every entry point of every store."""
    folder.mkdir()
    if server is not None:
        figures.count("stores", 3)
    for start in range(0, count, CHUNK):
        numbers = range(start, min(count, start + CHUNK))
        bodies = [mutated(Random(f"{seed} {number}")) for number in numbers]
        figures.count("mutations", len(bodies))
        for place, (name, entry) in enumerate(ENTRY_POINTS.items()):
            # The break at a line's end is not the line's.
            sent = [b.rstrip(b"\r\n") for b in bodies] if entry is raw_line else bodies
            urls = ["memory:", f"sqlite:///{folder}/{start}-{place}.db"]
            urls += [] if server is None else [server.new_url()]
            kept = [record(url, entry, sent, f"seed {seed}, {name}", figures) for url in urls]
            if any(other != kept[0] for other in kept[1:]):
                figures.find("different answers", f"{name}, mutations from {start}")
            campaign.tell(figures)


class Kept(NamedTuple):
    """What one store answered, and what it shows afterwards."""

    answers: list[tuple[str, str]]
    bodies: Counter[bytes]
    views: list[str]


def record(url: str, entry: Entry, bodies: Sequence[bytes], where: str, figures: Figures) -> Kept:
    """Record bodies one by one, and look at what one store made of them."""
    with closing(connect(url, clock=lambda: NOW)) as orders:
        answers = [answer(orders, entry, body, where, figures) for body in bodies]
        kept = stored_bodies(orders)
        new = [
            (body, reason)
            for body, (outcome, reason) in zip(bodies, answers, strict=True)
            if outcome not in {Outcome.DUPLICATE, "blank"}
        ]
        figures.find("dropped", where, abs(len(new) - sum(kept.values())))
        # A line that is a recording gives its body, not itself.
        verbatim = Counter(body for body, why in new if entry is not raw_line or why == BAD_LINE)
        changed = verbatim - kept
        figures.find("changed bytes", f"{where}: {str(changed)[:90]}", sum(changed.values()))
        figures.find("broken", where, verify(orders.log).found)
        figures.count("bodies recorded", len(bodies))
        return Kept(answers, kept, list(views(orders, where, figures)))


def answer(
    orders: Orders, entry: Entry, body: bytes, where: str, figures: Figures
) -> tuple[str, str]:
    """Record one body, and return what was told about it."""
    if entry is raw_line and not body.strip():
        return "blank", ""
    try:
        receipt = entry(orders, body)
    except Exception as error:  # noqa: BLE001 - to be found is what it is caught for
        figures.find("crashes", f"{where}: {error!r:.200} for {body[:80]!r}")
        return "crash", type(error).__name__
    told = getattr(receipt.event, "reason", None) or getattr(receipt.event, "key", "")
    return receipt.outcome.value, str(told)


def views(orders: Orders, where: str, figures: Figures) -> Iterator[str]:
    """Yield every view and history as it prints."""
    try:
        for view in orders.find():
            yield json.dumps(view.model_dump(mode="json"))
            history = orders.history(view.order_id)
            yield json.dumps([entry.model_dump(mode="json") for entry in history])
    except Exception as error:  # noqa: BLE001 - to be found is what it is caught for
        figures.find("crashes", f"{where}: {error!r:.200} while it was shown")


def mutated(random: Random) -> bytes:
    """Return a body of the corpus after a few mutations."""
    body = random.choice(RECORDINGS if random.random() < 0.2 else BODIES)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        body = random.choice(MUTATIONS)(body, random)
    return body


def _flip(body: bytes, random: Random) -> bytes:
    place = random.randrange(len(body) + 1)
    return body[:place] + random.randbytes(1) + body[place + 1 :]


def _insert(body: bytes, random: Random) -> bytes:
    place = random.randrange(len(body) + 1)
    return body[:place] + random.choice(TOKENS) + body[place:]


def _cut(body: bytes, random: Random) -> bytes:
    one, other = sorted(random.choices(range(len(body) + 1), k=2))
    return body[:one] + body[other:]


def _double(body: bytes, random: Random) -> bytes:
    one, other = sorted(random.choices(range(len(body) + 1), k=2))
    return body[:other] + body[one:other] + body[other:]


def _splice(body: bytes, random: Random) -> bytes:
    other = random.choice(list(CORPUS.values()))[:LARGEST]
    return body[: random.randrange(len(body) + 1)] + other[random.randrange(len(other) + 1) :]


def _reencode(body: bytes, random: Random) -> bytes:
    text = body.decode("utf-8", "replace")
    return text.encode(
        random.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7")), "replace"
    )


def _swap_value(body: bytes, random: Random) -> bytes:
    places = list(re.finditer(rb'(?<=[:\[,])\s*("[^"]*"|[\w.+-]+)', body))
    if not places:
        return _insert(body, random)
    place = random.choice(places)
    value = random.choice(list(VALUES.values())).encode("utf-8", "surrogatepass")
    return body[: place.start()] + value + body[place.end() :]


def _wrap(body: bytes, random: Random) -> bytes:
    depth = random.choice((1, 1, 30, 62, 63, 64, 65, 500))
    opening, closing_ = random.choice(((b"[", b"]"), (b'{"event_metadata":', b"}")))
    return opening * depth + body + closing_ * depth


BODIES: Final = [body for body in CORPUS.values() if len(body) <= LARGEST]
RECORDINGS: Final = (GOLDEN / "deliveries.jsonl").read_bytes().splitlines()
TOKENS: Final = (
    *(bytes([octet]) for octet in b'\x00\n\r\t"\\{}[]:,0-+.eE\x7f\x80\xc0\xed\xf4\xff'),
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"1e999",
    b"NaN",
    b"9" * 401,
)
MUTATIONS: Final = (
    _flip,
    _insert,
    _cut,
    _double,
    _splice,
    _reencode,
    _swap_value,
    _swap_value,
    _wrap,
)


if __name__ == "__main__":
    sys.exit(main())
