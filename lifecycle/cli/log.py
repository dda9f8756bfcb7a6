"""What goes into a log and out of it: `db init`, `ingest`, `export`, `copy` and `backup`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import typer

from lifecycle.audit import export as exporter
from lifecycle.audit.columns.manifest import Bodies
from lifecycle.audit.log_copy import Copied
from lifecycle.audit.log_copy import copy as copy_log
from lifecycle.audit.log_encryption import encrypt as encrypt_log
from lifecycle.audit.verify import Verification
from lifecycle.cli.audit import export_parquet
from lifecycle.cli.choice import KEYS, keys_named, log_at, open_orders, owner_of
from lifecycle.cli.failure import Refusal
from lifecycle.cli.file import STDOUT, check_files, read_batches, whole_or_not_there
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    Database,
    Json,
    Output,
    ProviderName,
)
from lifecycle.cli.output import (
    attributes,
    counted,
    escaped,
    print_fields,
    print_json,
    print_text,
    progress,
    say,
    visible,
    warn,
)
from lifecycle.cli.partition import (
    Answer,
    end_of,
    from_each,
    heading,
    named,
    numbered,
    print_answers,
    url_of,
)
from lifecycle.composition import (
    initialize,
    initializing_statements,
    open_log,
    orders_on,
    rights_of,
)
from lifecycle.core.event import Event, stream_of
from lifecycle.log.contract import BacksUp, Level, Log, Outcome, Setting

_SQLITE: Final = "sqlite:///"


class Format(StrEnum):
    """The forms of an export."""

    RECORDINGS = "recordings"
    PARQUET = "parquet"


_Role = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Make a role that may read and append, and no more."),
]
_Follower = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Make a role that may follow: views, subscriptions."),
]
_Reader = Annotated[
    str | None, typer.Option(metavar="NAME", help="Make a role that may read everything.")
]
_RevokePublic = Annotated[
    bool,
    typer.Option("--revoke-public", help="Keep every role that was not let in out of it."),
]
_Show = Annotated[bool, typer.Option("--print", help="Print the SQL instead of running it.")]


def init(
    *,
    role: _Role = None,
    follower: _Follower = None,
    reader: _Reader = None,
    revoke_public: _RevokePublic = False,
    show: _Show = False,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Make the log and what lies beside it, guard it, and let roles in."""
    names = {"role": role, "follower": follower, "reader": reader}
    statements = initializing_statements(db, **names, revoke_public=revoke_public)
    if (show or revoke_public or any(names.values())) and not statements:
        raise Refusal("only PostgreSQL has roles and takes SQL; expected --db postgresql://...")
    if show:
        print_text("".join(f"{statement};\n" for statement in statements))
        return
    place = initialize(db, **names, revoke_public=revoke_public)
    say(visible(f"{place} is ready, and append-only"))
    for name in dict.fromkeys(name for name in names.values() if name):
        say(visible(_told(rights_of(db, name))))
    if revoke_public:
        say("no other role may connect to this database")


def _told(role: Setting) -> str:
    hint = "; give it a password if it is new" if role.level is Level.OK else ""
    return f"role {role.found} {role.meaning.removeprefix('it ')}{hint}"


def ingest(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings; - is stdin.")],
    *,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Append recordings to the log; repeated events change nothing."""
    size = check_files(files)
    outcomes: Counter[Outcome] = Counter()
    streams: set[str] = set()
    skipped = 0
    with open_orders(db, provider, create=True) as orders, progress("ingest", size) as advance:
        for name in files:
            for batch in read_batches(name):
                receipts = orders.record_many(batch.lines, first_line=batch.first_line)
                # Blank lines have no receipt either, but nobody asks how many there are.
                skipped += sum(bool(line.strip()) for line in batch.lines) - len(receipts)
                for receipt in receipts:
                    outcomes[receipt.outcome] += 1
                    if isinstance(receipt.event, Event):
                        streams.add(receipt.event.stream)
                advance(batch.size)
    counts = {outcome.value: outcomes[outcome] for outcome in Outcome} | {"orders": len(streams)}
    counts |= {"control": skipped} if skipped else {}
    if json:
        print_json(counts)
        return
    print_fields(counts)
    if outcomes[Outcome.QUARANTINED]:
        say("what could not be read, and why: lifecycle quarantine")


def export(
    *,
    order: Annotated[
        str | None, typer.Option("--order", metavar="ORDER", help="Only the events of this order.")
    ] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Also what could not be read.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="All records, also of the log itself; its checkpoint.")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="Recordings, or columns in a folder to audit.")
    ] = Format.RECORDINGS,
    bodies: Annotated[
        Bodies, typer.Option(help="How much of the bodies columns hold.")
    ] = Bodies.WHOLE,
    output: Output = STDOUT,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Write every event: recordings for ingest, or Parquet to audit."""
    if form is Format.PARQUET:
        if whole or quarantine or order is not None or output == STDOUT:
            raise Refusal("--format parquet is of the whole log, into a folder: -o DIR")
        with log_at(db, provider, needs_keys=bodies is Bodies.WHOLE) as log:
            for number, part in numbered(log):
                heading(number)
                export_parquet(part, Path(named(output, number)), bodies)
        return
    if bodies is not Bodies.WHOLE:
        raise Refusal("recordings hold whole bodies; --bodies goes with --format parquet")
    _export_recordings(db, provider, order, output, quarantine=quarantine, whole=whole)


def _export_recordings(
    db: str, provider: str | None, order: str | None, output: str, *, quarantine: bool, whole: bool
) -> None:
    if whole and order is not None:
        raise Refusal("--whole is of the whole log; expected it without --order")
    with log_at(db, provider) as log:
        stream = None if order is None else _stream(log, provider, order)
        if whole:
            for number, part in numbered(log):
                _write(exporter.export_whole(part), named(output, number), part.last_position())
        elif stream is not None:
            _write(exporter.export(log, stream=stream, quarantine=quarantine), output, None)
        else:
            lines = [exporter.export(part, quarantine=quarantine) for part in log.partitions]
            _write(chain.from_iterable(lines), output, end_of(log))


def _write(lines: Iterable[bytes], output: str, last: int | None) -> None:
    if output == STDOUT:
        _print_recordings(lines)
        return
    with (
        whole_or_not_there(Path(output), "export") as file,
        progress("export", last) as advance,
    ):
        for line in lines:
            file.write(line)
            advance(1)


def _stream(log: Log, provider: str | None, order: str) -> str:
    """Return the stream of an order that can be read."""
    orders = orders_on(log, provider or owner_of(log, order))
    orders.get(order)
    return stream_of(orders.provider.name, order)


def _print_recordings(lines: Iterable[bytes]) -> None:
    if sys.stdout.isatty():
        # Quarantined lines are shown as they came, but must not steer the terminal.
        for line in lines:
            print_text(escaped(line.decode(errors="backslashreplace").rstrip("\n")))
    else:
        sys.stdout.buffer.writelines(lines)


def copy(
    *,
    source: Annotated[str, typer.Option("--from", metavar="URL", help="The log to read.")],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="An empty store, or an earlier copy.")
    ],
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt a plain log, so that orders can be erased.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy a log to another store, chains and all, and verify it."""
    with _copied_from(source, encrypt) as log:
        for number, _ in numbered(log):
            url_of(target, number)  # refuses one that would be the same for all
        answers = from_each(source, log, partial(_copied, target, encrypt=encrypt))
    print_answers(answers, ("written", "present", "records", "orders", "found"), json=json)


def _copied(target: str, old: Log, number: int | None, *, encrypt: bool) -> Answer:
    """Copy a log, or a partition of it."""
    url = url_of(target, number)
    keys = _keys_for(url) if encrypt else None
    with (
        closing(open_log(url, keys=keys, needs_keys=False)) as new,
        progress("copy", old.last_position()) as advance,
    ):
        if len(new.partitions) > 1:
            raise Refusal(f"{target!a} has several partitions, and one copies to one")
        done = (encrypt_log if encrypt else copy_log)(old, new, advance=advance)
    found = done.verification
    counts = attributes(found, "ok") | attributes(done, "written", "present")
    counts |= attributes(found, "records", "orders", "found")
    told = counts | {"checkpoint": str(found.checkpoint)}
    return Answer(found.ok, told, partial(_print_copied, done, found))


@contextmanager
def _copied_from(source: str, encrypt: bool) -> Iterator[Log]:
    """Open the log to copy from: a plain one has no keys, and of others they are not needed."""
    with closing(open_log(source, create=False, needs_keys=False)) as log:
        if encrypt and log.cipher is not None:
            raise Refusal("the log to copy is encrypted already; copy it without --encrypt")
        yield log


def _keys_for(target: str) -> str:
    """Return the key store of the log to make: the one that is named, or a file beside it."""
    named = keys_named()
    if named is not None:
        return named
    if not target.startswith(_SQLITE):
        raise Refusal(f"name the key store of the new log: {KEYS}=file:NAME.keys")
    path = f"{target.removeprefix(_SQLITE)}.keys"
    warn(f"the keys are in {path} and {path}.master: back them up, apart from the log")
    return f"file:{path}"


def _print_copied(done: Copied, found: Verification) -> None:
    say(f"{counted(done.written, 'record')} copied, {done.present} were there before")
    if found.ok:
        say(f"the copy of {counted(found.orders, 'order')} holds together", "green")
        say(f"checkpoint {found.checkpoint}")
    else:
        say(f"the copy has {counted(found.found, 'finding')}; run: lifecycle verify", "bold red")


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file for the copy.")],
    *,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Copy a SQLite log into a new file, while others use it."""
    with log_at(db) as log, progress("backup"):
        if not isinstance(log, BacksUp):
            raise Refusal(
                "this store is backed up by its own tools, such as pg_dump; "
                "or copy the log: lifecycle copy --from URL --to sqlite:///copy.db"
            )
        _check_free(Path(file))
        log.backup(file)
    say(f"written to {file}; check it with: lifecycle verify --db sqlite:///{file}")


def _check_free(path: Path) -> None:
    if path.exists():
        raise Refusal(f"{str(path)!a} is there already; choose another name for the backup")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"the folder of {str(path)!a} is not there; make it first")
