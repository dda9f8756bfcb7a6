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
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa

from lifecycle.audit.columns.schema import OF_THE_HEADER
from lifecycle.core.awaiting import awaiting
from lifecycle.core.definition import NO_RANK, Definition
from lifecycle.core.event import ACCEPTED, FAILED, LONGEST_DELAY, REJECTED
from lifecycle.core.strict_json import compact
from lifecycle.core.verdict import WITHIN_ATTEMPT
from lifecycle.log.contract import ORDERS

_MOST_STATES: Final = 60
_MOST_ON_THE_MAIN_LINE: Final = 12

_SQL_TYPES: Final = {pa.string(): "VARCHAR", pa.int64(): "BIGINT"}
_HEADER: Final = {
    **{name: _SQL_TYPES.get(kind, "TIMESTAMP") for name, kind in OF_THE_HEADER.items()},
    **dict.fromkeys(("record", "trigger", "previous", "sha256"), "VARCHAR"),
    **dict.fromkeys(("after", "problems"), "VARCHAR[]"),
    **dict.fromkeys(("v", "version", "size"), "BIGINT"),
    "replayed": "BOOLEAN",
}
_SAME: Final = " AND ".join(
    f"{name}{'::TIMESTAMP' if name.endswith('_at') else ''} IS NOT DISTINCT FROM told.{name}"
    for name in OF_THE_HEADER
)
_WITHIN: Final = " ".join(f"WHEN '{name}' THEN {at}" for name, at in WITHIN_ATTEMPT.items())


def _printed(time: str) -> str:
    """Return SQL for how a view prints a time, with its quotes."""
    seconds = f"""strftime({time}, '"%Y-%m-%dT%H:%M:%SZ"')"""
    fraction = f"""strftime({time}, '"%Y-%m-%dT%H:%M:%S.%fZ"')"""
    return f"CASE WHEN epoch_us({time}) % 1000000 = 0 THEN {seconds} ELSE {fraction} END"


# `lag() OVER ()` takes the rows as they come: as they lie in the file, by stream and version.
JUDGED: Final = f"""
CREATE TEMP TABLE judged AS
SELECT row, stream, version, position, order_id, kind, name, key, attempt, rank, state,
       occurred_at, received_at, recorded_at, hash, told.after[3] AS after,
       (told IS NULL OR NOT intact OR erased IS NULL) AS unreadable, told.sha256 AS sha256,
       coalesce(told.replayed, false) OR redriven_from IS NOT NULL AS again,
       (told.v = 2 AND told.record = 'event' AND told.version = version AND topic = kind
        AND stream = $orders || order_id AND {_SAME}
        AND replayed = coalesce(told.replayed, false)
        AND trigger = coalesce(told.trigger, name)
        AND (told.trigger IS NOT NULL OR NOT contains(decode(header), '"trigger":'))
        AND told.problems IS NULL AND len(problems) = 0
        AND told.size IS NULL AND part IS NULL AND operation IS NULL
        AND context IS NULL AND NOT erased AND intact AND known) IS TRUE AS fits,
       (CASE WHEN lag(stream) OVER () = stream
             THEN told.previous = lag(hash) OVER () AND version = 1 + lag(version) OVER ()
             ELSE told.previous IS NULL AND version = 1 END) IS TRUE AS chained,
       CASE WHEN kind IN ('request', 'response')
            THEN CASE WHEN name = '{ACCEPTED}' AND rank > $last_birth_rank THEN 3 ELSE 1 END
            WHEN occurred_at IS NOT NULL THEN 2
            WHEN birth THEN 1 ELSE 3 END AS lane,
       kind IN ('request', 'response') AS ours
FROM (SELECT *, TRY(from_json(decode(header), '{json.dumps(_HEADER)}')) AS told
      FROM records LEFT JOIN meanings ON meanings.said = records.trigger)
"""

# Within a lane as `lifecycle.core.verdict.sort_key` has it.
PLACED: Final = f"""
CREATE TEMP TABLE placed AS
SELECT *, row_number() OVER canonical AS place,
       coalesce(max(rank) OVER (canonical ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)
           AS high,
       min(version) OVER (canonical ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) < version
           AS late
FROM judged
WINDOW canonical AS (
    PARTITION BY stream
    ORDER BY lane,
             lane = 1 AND NOT ours,
             CASE WHEN lane = 2 THEN epoch_us(occurred_at)
                  WHEN lane = 1 AND ours THEN coalesce(attempt, 0)
                  ELSE coalesce(rank, {NO_RANK}) END,
             CASE WHEN lane = 2 THEN coalesce(rank, {NO_RANK})
                  WHEN lane = 1 AND ours THEN CASE name {_WITHIN} ELSE 0 END
                  ELSE 0 END,
             key)
"""

_STEP: Final = f"""
'{{"status":"' || state || '","at":' || coalesce({_printed("occurred_at")}, 'null')
|| ',"event":' || to_json(key) || '}}'
"""

FOLDED: Final = f"""
CREATE TEMP TABLE folded AS
SELECT stream, any_value(order_id) AS order_id,
       bool_and(fits AND chained AND (rank IS NULL OR rank >= high)) AS plain,
       count(DISTINCT key) AS keys, count(*) AS events, count(*) FILTER (late) AS late,
       max(version) AS version, arg_max(position, version) AS position,
       coalesce(max(attempt), 0) AS attempt,
       min(received_at) AS first_received_at, max(received_at) AS last_received_at,
       arg_max(coalesce(occurred_at, received_at), place) FILTER (rank > high) AS waiting_since,
       max(rank) AS rank,
       coalesce(max(rank) FILTER (NOT list_contains($aborts::BIGINT[], rank)), -1) AS highest,
       min(rank) FILTER (list_contains($terminal::BIGINT[], rank)) AS ended,
       coalesce(bit_or(1::BIGINT << rank), 0) AS named,
       bool_or(name IN ('{REJECTED}', '{FAILED}')) AS failed,
       count(*) FILTER (again) AS replayed,
       count(*) FILTER (NOT again AND recorded_at - received_at
                        > INTERVAL {int(LONGEST_DELAY.total_seconds())} SECOND) AS delayed,
       string_agg({_STEP}, ',' ORDER BY place) FILTER (rank > high) AS path
FROM placed GROUP BY stream
"""

# The JSON of a view but for its digest, which stands between, and its details, which stand last.
_BEFORE: Final = """
'{"order_id":' || to_json(folded.order_id) || ',"provider":' || $provider
|| ',"status":"' || state || '","terminal":' || stands.terminal::VARCHAR
|| ',"attempt":' || attempt || ',"errors":[],"awaiting":' || stands.awaiting_json
|| ',"path":[' || path || '],"missing":' || missing.json
|| ',"milestones":[],"anomalies":[],"events":' || events
|| ',"definition":"' || $fingerprint || '","digest":"'
"""
_AFTER: Final = f"""
'","arrival":{{"first_received_at":' || {_printed("folded.first_received_at")}
|| ',"last_received_at":' || {_printed("folded.last_received_at")}
|| ',"version":' || folded.version || ',"late":' || late
|| ',"waiting_since":' || {_printed("folded.waiting_since")}
|| CASE WHEN delayed > 0 THEN ',"delayed":' || delayed ELSE '' END
|| CASE WHEN replayed > 0 THEN ',"replayed":' || replayed ELSE '' END
|| '}},"details":'
"""

COMPARED: Final = f"""
CREATE TEMP TABLE compared AS
SELECT stream,
       (sound AND same_columns AND starts_with(body, before)
        AND substr(body, length(before) + 1, 64) = digest
        AND substr(body, length(before) + 65, length(after)) = after) IS TRUE AS as_exported,
       substr(body, length(before) + 65 + length(after)) AS details, digest, body
FROM (SELECT folded.stream, views.body, views.digest,
             plain AND keys = events AND (ended IS NULL OR ended = folded.rank)
             AND (NOT failed OR (highest >= $birth_rank AND NOT stands.asks))
             AND (attempt <= 1 OR NOT stands.asks) AS sound,
             views.order_id = folded.order_id AND views.status = stands.state
             AND views.terminal = stands.terminal AND views.awaiting = stands.awaiting
             AND views.waiting_since = folded.waiting_since AND views.anomalies = 0
             AND views.first_received_at = folded.first_received_at
             AND views.last_received_at = folded.last_received_at
             AND views.version = folded.version AND views.position = folded.position
                 AS same_columns,
             {_BEFORE} AS before, {_AFTER} AS after
      FROM folded
      LEFT JOIN stands ON stands.rank = folded.rank
      LEFT JOIN missing ON missing.ranks = $main_line & ((1::BIGINT << greatest(highest, 0)) - 1)
                                           & ~named
      LEFT JOIN views ON views.stream = folded.stream)
"""

# As `lifecycle.audit.stream_check.Links`, with 60 bits of each hash.
LINKS: Final = """
SELECT count(*) FILTER (within), count(*) FILTER (within AND after IS NULL AND NOT unreadable),
       (coalesce(sum(coalesce(TRY_CAST('0x' || left(hash, 15) AS BIGINT), 1)::HUGEINT
                     * (position + 1)) FILTER (within AND position < $position), 0)
        - coalesce(sum(coalesce(TRY_CAST('0x' || left(after, 15) AS BIGINT), 1)::HUGEINT * position)
                   FILTER (within AND (after IS NOT NULL OR unreadable)), 0))::VARCHAR
FROM (SELECT hash, position, unreadable, CASE WHEN NOT unreadable THEN after END AS after,
             position BETWEEN 1 AND $position AS within FROM judged)
"""


AS_EXPORTED: Final = "SELECT stream FROM compared WHERE as_exported"

EVENTS: Final = """
SELECT row, stream, place, coalesce(rank > high, false) OR lane < 3, kind, name, sha256
FROM placed SEMI JOIN (FROM compared WHERE as_exported) USING (stream) ORDER BY row
"""

VIEWS: Final = "SELECT stream, details, digest, body FROM compared WHERE as_exported"


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
