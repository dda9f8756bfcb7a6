"""The check of one shard by columns, in SQL for DuckDB.

    records ─→ judged: each header parsed: do its columns say what it says, does the chain hold?
            ─→ placed: in canonical order, each beside the highest rank before it
            ─→ folded: one row an order, with the JSON of the view that a plain path comes to
                       └→ is it the exported one, byte for byte?

An order is *plain* if the definition knows every name and no event ranks below one before it:
then each event that ranks above all before it moves the order, by whatever rule of the fold. An
order that is not plain, or of which anything else is not just as it should be, is left to the
fold itself: a wrong guess here costs time, and no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa

from lifecycle.core.awaiting import awaiting
from lifecycle.core.definition import NO_RANK, Definition
from lifecycle.core.event import ACCEPTED, FAILED, LONGEST_DELAY, MAX_ATTEMPT, REJECTED
from lifecycle.core.strict_json import compact
from lifecycle.core.verdict import WITHIN_ATTEMPT
from lifecycle.log.contract import ORDERS


def _paths(*names: str) -> str:
    return ", ".join(f"'$.{name}'" for name in names)


_MOST_STATES: Final = 60
_MOST_ON_THE_MAIN_LINE: Final = 12
_AFTER_ATTEMPTS: Final = MAX_ATTEMPT + 1

# What of a header has no columns: what all have, and what few have.
_EXTRACTED: Final = _paths("sha256", "digest", "after[0]", "after[1]", "after[2]")
_SELDOM: Final = _paths("headers", "links", "stored_sha256", "key_id")
_WITHIN: Final = " ".join(f"WHEN '{name}' THEN {at}" for name, at in WITHIN_ATTEMPT.items())


def _printed(time: str) -> str:
    """Return SQL for how a view prints a time, with its quotes."""
    seconds = f"""strftime({time}, '"%Y-%m-%dT%H:%M:%SZ"')"""
    fraction = f"""strftime({time}, '"%Y-%m-%dT%H:%M:%S.%fZ"')"""
    return f"CASE WHEN epoch_us({time}) % 1000000 = 0 THEN {seconds} ELSE {fraction} END"


# A header as the codec writes one, from columns and its own hashes: its beginning, ...
_BEGINNING: Final = """concat('{"record":"event","v":2', ',"exchange_id":"' || exchange_id || '"',
    ',"http_status":' || http_status, $headers ',"client":"' || client || '"',
    $links CASE WHEN replayed THEN ',"replayed":true' END, ',"sha256":"', own[1],
    $keys '","provider":"')"""


def _beginning(headers: str = "", links: str = "", keys: str = "") -> str:
    with_headers = _BEGINNING.replace("$headers", headers)
    return with_headers.replace("$links", links).replace("$keys", keys)


_AS_MOST: Final = _beginning()
_AS_FEW: Final = _beginning(
    """',"headers":' || seldom[1],""",
    """',"links":' || seldom[2],""",
    """'","stored_sha256":"' || seldom[3], '","key_id":"' || seldom[4],""",
)


def _text(name: str, column: str = "") -> str:
    """Return SQL for a text of a header, if there is one."""
    value = column or name
    return f"""CASE WHEN {value} IS NOT NULL THEN concat(',"{name}":"', {value}, '"') END"""


# ... and the rest of it.
_END: Final = f"""concat(
    provider, '","order_id":"', order_id, '","kind":"', kind,
    '","name":"', name, CASE WHEN trigger <> name THEN '","trigger":"' || trigger END,
    '","key":"', key, '","digest":"', own[2], '"', {_text("event_id")},
    ',"attempt":' || attempt, {_text("status")}, {_text("word")},
    ',"occurred_at":' || occurred, ',"received_at":', received,
    ',"redriven_from":' || redriven_from, ',"recorded_at":', recorded,
    ',"version":', version, {_text("previous", "hash_before")},
    CASE WHEN own[5] IS NOT NULL
         THEN concat(',"after":["', own[3], '",', own[4], ',"', own[5], '"]') END,
    ',"check":"', decode(ending))"""
_FREE_TEXTS: Final = (
    "concat(exchange_id, client, provider, order_id, kind, name, trigger, key, event_id, status, "
    "word)"
)

_STEP: Final = """
concat('{"status":"', state, '","at":', coalesce(occurred, 'null'), ',"event":"', key, '"}')
"""

# Within a lane, `first` and `second` sort as `lifecycle.core.verdict.sort_key` does.
JUDGED: Final = f"""
CREATE OR REPLACE TEMP TABLE judged AS
SELECT row, number, version, position, attempt, rank, hash(key) AS key, {_STEP} AS step,
       (CASE WHEN as_most THEN true ELSE text = concat({_AS_FEW}, rest) END
        AND version = version_before + 1 AND NOT contains(free, '"')
        AND NOT contains(free, chr(92)) AND topic = kind
        AND position BETWEEN 1 AND $position AND replayed IS NOT NULL
        AND stream = $orders || order_id AND len(problems) = 0
        AND part IS NULL AND operation IS NULL AND sequence IS NULL AND reason IS NULL
        AND context IS NULL AND NOT erased AND intact AND known
        AND (NOT $bodies OR own[1] = body_hash)) IS TRUE AS fits,
       kind IN ('request', 'response') AS ours,
       CASE WHEN ours
            THEN CASE WHEN name = '{ACCEPTED}' AND rank > $last_birth_rank THEN 3 ELSE 1 END
            WHEN occurred_at IS NOT NULL THEN 2
            WHEN birth THEN 1 ELSE 3 END AS lane,
       CASE WHEN lane = 2 THEN epoch_us(occurred_at)
            WHEN ours AND lane = 1 THEN coalesce(attempt, 0)
            WHEN lane = 1 THEN {_AFTER_ATTEMPTS} + rank
            ELSE coalesce(rank, {NO_RANK}) END AS first,
       CASE WHEN lane = 2 THEN coalesce(rank, {NO_RANK})
            WHEN ours AND lane = 1 THEN CASE name {_WITHIN} ELSE 0 END
            ELSE 0 END AS second,
       received_at, coalesce(occurred_at, received_at) AS since,
       replayed OR redriven_from IS NOT NULL AS again,
       NOT again AND recorded_at - received_at
           > INTERVAL {int(LONGEST_DELAY.total_seconds())} SECOND AS delayed,
       name IN ('{REJECTED}', '{FAILED}') AS failed,
       CASE WHEN position BETWEEN 1 AND $position THEN hash(hash) END AS weight,
       CASE WHEN own IS NULL OR NOT intact OR erased IS NULL THEN 1
            WHEN own[5] IS NOT NULL THEN hash(own[5]) END AS after_weight
FROM (SELECT *, CASE WHEN NOT as_most THEN json_extract_string(text, [{_SELDOM}]) END AS seldom
FROM (SELECT *, text = concat({_AS_MOST}, rest) AS as_most
FROM (SELECT *, {_END} AS rest, {_FREE_TEXTS} AS free
FROM (SELECT *, json_extract_string(text, [{_EXTRACTED}]) AS own,
                   {_printed("occurred_at")} AS occurred, {_printed("received_at")} AS received,
                   {_printed("recorded_at")} AS recorded
            FROM (SELECT *, decode(header) AS text
                  FROM records LEFT JOIN meanings ON meanings.said = records.trigger)))))
"""
JUDGED_IF_JSON: Final = re.sub(
    r"json_extract_string\(.*?\]\)|decode\((?:header|ending)\)", r"TRY(\g<0>)", JUDGED
)
"""The same for headers of which some are no JSON: slower."""

PLACED: Final = """
CREATE OR REPLACE TEMP TABLE placed AS
SELECT * EXCLUDE (lane, first, second, weight, after_weight), lane < 3 AS dated,
       row_number() OVER canonical AS place,
       coalesce(max(rank) OVER (canonical ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)
           AS high,
       (lag(lane) OVER canonical = lane AND lag(first) OVER canonical = first
        AND lag(second) OVER canonical = second) IS TRUE AS tied,
       min(version) OVER (canonical ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) < version
           AS late
FROM judged
WINDOW canonical AS (PARTITION BY number ORDER BY lane, first, second)
"""

# What is aggregated comes as the window left it: each order's events in canonical order.
FOLDED: Final = """
CREATE OR REPLACE TEMP TABLE folded AS
SELECT number, bool_and(fits AND NOT tied AND (rank IS NULL OR rank >= high)) AS plain,
       count(DISTINCT key) AS keys, count(*) AS events, count(*) FILTER (late) AS late,
       max(version) AS version, arg_max(position, version) AS position,
       coalesce(max(attempt), 0) AS attempt,
       min(received_at) AS first_received_at, max(received_at) AS last_received_at,
       arg_max(since, place) FILTER (rank > high) AS waiting_since,
       max(rank) AS rank,
       coalesce(max(rank) FILTER (NOT list_contains($aborts::BIGINT[], rank)), -1) AS highest,
       min(rank) FILTER (list_contains($terminal::BIGINT[], rank)) AS ended,
       coalesce(bit_or(1::BIGINT << rank), 0) AS named,
       bool_or(failed) AS failed,
       count(*) FILTER (again) AS replayed,
       count(*) FILTER (delayed) AS delayed,
       string_agg(step, ',') FILTER (rank > high) AS path
FROM placed GROUP BY number
"""

# The JSON of a view up to its details, which stand last.
_SHOWN: Final = f"""concat(
    '{{"order_id":"', views.order_id, '","provider":', $provider,
    ',"status":"', state, '","terminal":', stands.terminal::VARCHAR,
    ',"attempt":', attempt, ',"errors":[],"awaiting":', stands.awaiting_json,
    ',"path":[', path, '],"missing":', missing.json,
    ',"milestones":[],"anomalies":[],"events":', events,
    ',"definition":"', $fingerprint, '","digest":"', views.digest,
    '","arrival":{{"first_received_at":', {_printed("folded.first_received_at")},
    ',"last_received_at":', {_printed("folded.last_received_at")},
    ',"version":', folded.version, ',"late":', late,
    ',"waiting_since":', {_printed("folded.waiting_since")},
    CASE WHEN delayed > 0 THEN ',"delayed":' || delayed END,
    CASE WHEN replayed > 0 THEN ',"replayed":' || replayed END,
    '}},"details":')"""

# A filter would put `shown` together twice.
COMPARED: Final = f"""
SELECT number, row, strlen(shown),
       (sound AND same_columns AND starts_with(body, shown)) IS TRUE AS as_exported
FROM (SELECT orders.number, views.row, views.body,
             plain AND path IS NOT NULL AND keys = events AND (ended IS NULL OR ended = folded.rank)
             AND (NOT failed OR (highest >= $birth_rank AND NOT stands.asks))
             AND (attempt <= 1 OR NOT stands.asks) AS sound,
             orders.stream = $orders || views.order_id AND views.status = stands.state
             AND length(views.digest) = 64
             AND views.terminal = stands.terminal AND views.awaiting = stands.awaiting
             AND views.waiting_since = folded.waiting_since AND views.anomalies = 0
             AND views.first_received_at = folded.first_received_at
             AND views.last_received_at = folded.last_received_at
             AND views.version = folded.version AND views.position = folded.position
                 AS same_columns,
             {_SHOWN} AS shown
      FROM views JOIN orders ON orders.stream = views.stream
      JOIN folded ON folded.number = orders.number
      JOIN stands ON stands.rank = folded.rank
      JOIN missing ON missing.ranks = $main_line & ((1::BIGINT << greatest(highest, 0)) - 1)
                                      & ~named)
"""

# As `lifecycle.audit.stream_check.Links`, with 64 bits for each hash.
LINKS: Final = """
SELECT count(weight), count(*) FILTER (weight IS NOT NULL AND after_weight IS NULL),
       (coalesce(sum(weight::HUGEINT * (position + 1)) FILTER (position < $position), 0)
        - coalesce(sum(after_weight::HUGEINT * position) FILTER (weight IS NOT NULL), 0))::VARCHAR
FROM judged
"""

EVENTS: Final = """
SELECT row, number, place, coalesce(rank > high, false) OR dated AS overwrites
FROM placed SEMI JOIN wanted USING (number) ORDER BY row
"""


class Tables(NamedTuple):
    """What the query has to know of a definition: small tables, and parameters."""

    meanings: pa.Table
    stands: pa.Table
    missing: pa.Table
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, provider: str, definition: Definition) -> Self:
        """Return the tables of a definition for which `can_ask` holds."""
        ranks = definition.ranks
        return cls(
            pa.Table.from_pylist([*_meanings(definition)], _MEANINGS),
            pa.Table.from_pylist([*_stands(definition)]),
            pa.Table.from_pylist([*_missing(definition)]),
            {
                "orders": f"{ORDERS}{provider}:",
                "provider": json.dumps(provider),
                "fingerprint": definition.fingerprint,
                "birth_rank": definition.birth_rank,
                "last_birth_rank": definition.last_birth_rank,
                "main_line": _mask(definition, definition.main_line),
                "aborts": sorted(ranks[state] for state in definition.aborts),
                "terminal": sorted(ranks[state] for state in definition.terminal),
            },
        )


_MEANINGS: Final = pa.schema(
    {
        "said": pa.string(),
        "known": pa.bool_(),
        "rank": pa.int64(),
        "state": pa.string(),
        "birth": pa.bool_(),
    }
)
_NO_ROWS: Final = pa.Table.from_pylist([], _MEANINGS)

NO_TABLES: Final = Tables(_NO_ROWS, _NO_ROWS, _NO_ROWS, {"orders": "", "last_birth_rank": 0})
"""For records that no definition judges: only their links are looked at."""


def can_ask(definition: Definition) -> bool:
    """Tell whether orders of a definition can be checked by columns: sorted by time, and small."""
    small = len(definition.states) <= _MOST_STATES
    return small and len(definition.main_line) <= _MOST_ON_THE_MAIN_LINE and not definition.numbered


def _meanings(definition: Definition) -> Iterator[dict[str, Any]]:
    """Yield every name that the definition knows; those that are informational have no rank."""
    for name in (*definition.names, *definition.informational):
        state = definition.state(name)
        yield {
            "said": name,
            "known": True,
            "rank": None if state is None else definition.ranks[state],
            "state": state,
            "birth": state in definition.birth,
        }


def _stands(definition: Definition) -> Iterator[dict[str, Any]]:
    """Yield what a view shows by the state alone, where no exchange failed."""
    for state, rank in definition.ranks.items():
        expected = awaiting(definition, state, 0, ())
        yield {
            "rank": rank,
            "state": state,
            "terminal": state in definition.terminal,
            "awaiting": " ".join(expected),
            "awaiting_json": compact(list(expected)).decode(),
            "asks": state in definition.awaits,
        }


def _missing(definition: Definition) -> Iterator[dict[str, Any]]:
    """Yield how a view lists each choice of states of the main line."""
    main_line = definition.main_line
    for count in range(len(main_line) + 1):
        for states in combinations(main_line, count):
            yield {
                "ranks": _mask(definition, states),
                "json": compact(list(states)).decode(),
            }


def _mask(definition: Definition, states: tuple[str, ...]) -> int:
    return sum(1 << definition.ranks[state] for state in states)
