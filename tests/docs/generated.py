"""The parts of our pages that are made from the code.

    .venv/bin/python tests/docs/generated.py

writes them anew, the pictures in `docs/pictures` too. `test_generated.py` fails while one
of them is stale.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import chdir, redirect_stdout
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from io import StringIO
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, Unpack, get_args, get_origin, get_type_hints

from pydantic import BaseModel

import lifecycle
from lifecycle import diagram, errors, proof, testing
from lifecycle import simulator as simulators
from lifecycle.audit import export as export_module
from lifecycle.audit import verify as verify_module
from lifecycle.audit.columns.writing import export_columns
from lifecycle.cli.demo import DEFAULT_ORDERS, DEFAULT_SEED
from lifecycle.cli.providers import SKELETON, package_of
from lifecycle.core import (
    details,
    exchange_reader,
    identity,
    instant,
    moves,
    strict_json,
)
from lifecycle.core import (
    provider as provider_port,
)
from lifecycle.core.definition import Definition, Written
from lifecycle.core.view import (
    Anomaly,
    Arrivals,
    HistoryEntry,
    Milestone,
    OrderError,
    OrderView,
    Step,
)
from lifecycle.diagram import dot as dot_module
from lifecycle.diagram import draw_definition, draw_order, draw_stats
from lifecycle.diagram import mermaid as mermaid_module
from lifecycle.diagram import timeline as timeline_module
from lifecycle.diagram.picture import Picture
from lifecycle.http import body, create_order, receiver, reconcile, resume, server
from lifecycle.http import client as http_client
from lifecycle.http.receiver import django as receiver_django
from lifecycle.projections.stats import LogStats
from lifecycle.providers.instacart import (
    client,
    recordings,
    request,
    sample_orders,
    simulator,
)
from lifecycle.providers.instacart import details as instacart_details
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import FulfillmentDetails, OrderDetails
from lifecycle.providers.instacart.simulated_scenarios import SCENARIOS
from lifecycle.providers.instacart.simulator import Settings
from lifecycle.registry import known_providers, part_of
from lifecycle.simulator import bodies, stepped
from lifecycle.simulator import recordings as simulated_recordings
from tests.docs.cookbook import stories
from tests.docs.fences import blocks_of
from tests.docs.lattice import lattice

ROOT = Path(__file__).parents[2]
ASKED = re.compile(
    r"^append.*raw, (?!.*CPU)|^append.*obvious|^append, one at a time / bare insert"
    r"|^view.*obvious|^append, encrypted.*log$|^view, encrypted|^append at .*at [\d,]+ events$"
    r"|^callbacks over HTTP"
)
PICTURES = ROOT / "docs" / "pictures"
SHOWN = f"demo-{DEFAULT_SEED}-0001"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table; bars inside a cell are escaped."""
    cells = [head, tuple("---" for _ in head)]
    cells += [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def code(words: Iterable[str]) -> str:
    """Return words as inline code, or a dash if there are none."""
    return listed(words) or "-"


def first_line(value: object) -> str:
    """Return the first line of a docstring; of a generated one, nothing."""
    lines = (inspect.getdoc(value) or "").splitlines()
    return "" if not lines or lines[0].startswith("dict(") else lines[0]


def picture(provider: str) -> str:
    """Return the picture of a provider's lifecycle, which `pictures` draws."""
    name = f"../pictures/{provider.replace('_', '-')}"
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">\n'
        f'  <img alt="The states of {provider}, and the moves listed below" '
        f'src="{name}-light.svg">\n'
        "</picture>"
    )


def definition_of(provider: str) -> Callable[[], str]:
    """Return what writes the states, the moves and the informational names of a provider."""
    return partial(definition, known_providers()[provider].definition, provider)


def definition(shown: Definition, provider: str) -> str:
    """Return the states, the moves and the informational names of a lifecycle."""
    marks = {
        "initial": {shown.initial},
        "birth": shown.birth,
        "side": shown.side,
        "main line": set(shown.main_line),
        "terminal": shown.terminal,
    }
    ranks = shown.ranks
    always = ends_of_all(shown)
    states = table(
        ("rank", "state", "it is", "moves to a higher rank", "steps back to"),
        (
            (
                str(rank),
                f"`{state}`",
                ", ".join(mark for mark, marked in marks.items() if state in marked),
                listed(
                    s
                    for s in shown.states
                    if rank < ranks[s] and leads(shown, state, s) and s not in always
                ),
                listed(s for s in shown.states if rank > ranks[s] and leads(shown, state, s)),
            )
            for rank, state in enumerate(shown.states)
        ),
    )
    return "\n\n".join(
        (
            "## States and moves",
            picture(provider),
            f"Every state that is not terminal leads to {code(sorted(always))}, too.",
            states,
            "## Informational names",
            f"They change no state, even after the end: {code(sorted(shown.informational))}.",
            f"The fingerprint of this very definition, in every view: `{shown.fingerprint}`",
        )
    )


def ends_of_all(shown: Definition) -> set[str]:
    """Return the ends that every state which is not terminal leads to."""
    open_states = [state for state in shown.states if state not in shown.terminal]
    return {end for end in shown.terminal if all(leads(shown, state, end) for state in open_states)}


def listed(words: Iterable[str]) -> str:
    """Return words as inline code; nothing if there are none."""
    return ", ".join(f"`{word}`" for word in words)


def leads(shown: Definition, state: str, target: str) -> bool:
    """Tell whether a definition has a move between two states."""
    return target in {move.dest for move in shown.moves if move.source == state}


def ways_of(provider: str) -> Callable[[], str]:
    """Return what writes the ways that orders go at a simulated provider."""

    def ways() -> str:
        scenarios = part_of(provider, "simulator").scenarios.values()
        rows = ((f"`{one.name}`", one.description) for one in scenarios if one.kind == "way")
        return table(("way", "what happens"), rows)

    return ways


def error_tree() -> str:
    """Return the tree of exceptions, as its module draws it."""
    return "```text\n" + (errors.__doc__ or "").split("\n\n")[1] + "\n```"


def all_errors() -> str:
    """Return every exception: what it means, and what it carries."""
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.LifecycleError)
    ]
    rows = ((f"`{cls.__name__}`", first_line(cls), code(carried_by(cls))) for cls in classes)
    return table(("exception", "it means", "it carries"), rows)


def carried_by(cls: type) -> list[str]:
    """Return the names of what an exception is made from and keeps."""
    if not inspect.isfunction(cls.__init__):
        return []
    return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]


def api() -> str:
    """Return every public name by kind, and the methods of what users call."""
    exported = {name: getattr(lifecycle, name) for name in sorted(lifecycle.__all__, key=str.lower)}
    functions = {name: value for name, value in exported.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in exported.items() if inspect.isclass(value)}
    raised = {name: cls for name, cls in classes.items() if issubclass(cls, Exception)}
    others = exported.keys() - functions.keys() - classes.keys()
    parts = [
        "## Functions",
        names_table("function", functions),
        "## Classes and values",
        names_table(
            "name", {n: v for n, v in classes.items() if n not in raised} | dict.fromkeys(others)
        ),
        "## Exceptions",
        "When they are raised, and what to do: [Errors](errors.md).",
        error_tree(),
        all_errors(),
    ]
    for name in sorted(classes.keys() - raised.keys(), key=str.lower):
        if attributes := described(classes[name]):
            parts += [f"## {name}", attributes]
    for model in (Milestone, Arrivals):
        parts += [f"## {model.__name__}", printed_fields(model)]
    parts += [
        "## Drawing and proving",
        functions_table(
            mermaid_module,
            dot_module,
            timeline_module,
            export_module,
            verify_module,
        ),
        "## Reading a request",
        functions_table(body),
        "## Writing a provider",
        functions_table(identity, instant, moves, strict_json),
        table(("argument of `Definition.write`", "what it is"), documented(Written)),
    ]
    for module in (provider_port, details, exchange_reader, bodies, stepped, simulated_recordings):
        parts += [f"## {module.__name__}", module_table(module)]
    for module in (diagram, proof, testing, server, http_client, create_order, reconcile, resume):
        parts += [f"## {module.__name__}", module_table(module)]
    for module in (receiver, receiver_django, simulators, request, client, simulator, recordings):
        parts += [f"## {module.__name__}", module_table(module)]
        parts += [simulator_settings(), scenarios()] if module is simulator else []
    parts += [f"## {instacart_details.__name__}", printed_fields(OrderDetails, FulfillmentDetails)]
    return "\n\n".join(parts)


def module_table(module: ModuleType) -> str:
    """Return the public names of a module, and what its classes have."""
    rows = []
    for name, value in public(module).items():
        if inspect.isclass(value):
            fields = fields_of(value)
            made = inspect.isfunction(init := vars(value).get("__init__")) and not fields
            call = parameters(init) if made and not getattr(value, "_is_protocol", False) else ""
            told = documented(value)
            said = "" if told or not fields else f" Fields: {fields}."
            rows.append((f"`{name}{call}`", first_line(value) + said))
            told = [(row[0], row[1] + with_default(value, row[0])) for row in told]
            rows += [(f"`{name}.{row[0][1:]}", row[1]) for row in told + methods_of(value)]
        elif inspect.isfunction(value):
            rows.append((f"`{name}{parameters(value)}`", first_line(value)))
        else:
            rows.append((f"`{name}`", f"Stands for {code(meant_by(value))}."))
    return table(("name", "what you get"), rows)


def public(module: ModuleType) -> dict[str, Any]:
    """Return what a module offers: what it lists, or else what it defines."""
    if hasattr(module, "__all__"):
        return {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and not isinstance(value, TypeVar | ParamSpec)
    }


def meant_by(value: object) -> list[str]:
    """Return what a constant holds, or what a type for annotations stands for."""
    chosen = get_args(value) or (tuple(value) if isinstance(value, Mapping) else (value,))
    return [getattr(each, "__name__", str(each)) for each in chosen]


def described(cls: type) -> str:
    """Return the fields and methods of a class, nothing where it has none."""
    fields, told, methods = fields_of(cls), documented(cls), methods_of(cls)
    if cls in PRINTED:
        return printed_fields(cls)
    rows = told + [row for row in methods if row[0] not in {name for name, _ in told}]
    said = [f"Fields: {fields}."] if fields and not told else []
    said += [table(("call or attribute", "what you get"), rows)] if rows else []
    return "\n\n".join(said)


def fields_of(cls: type) -> str:
    """Return the names of what a value is made of, or of the members of an enumeration."""
    if issubclass(cls, Enum):
        return code(cls.__members__)
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        names = [*getattr(cls, "_fields", ()), *getattr(cls, "model_fields", ())]
    named = [name for name in names if not name.startswith("_")]
    return code(named) if named else ""


def functions_table(*modules: ModuleType) -> str:
    """Return the public functions that modules define, each with where it is imported from."""
    rows = [
        (f"`{module.__name__}.{name}{parameters(value)}`", first_line(value))
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    return table(("call", "what you get"), rows)


def names_table(head: str, named: dict[str, object]) -> str:
    """Return names with the first line of their docstrings."""
    said = {"__version__": "The version of this distribution."}
    rows = ((f"`{name}`", said.get(name) or first_line(value)) for name, value in named.items())
    return table((head, "what you get"), rows)


def methods_of(cls: type) -> list[tuple[str, str]]:
    """Return the public methods and attributes of a class, its own and inherited."""
    fields = set(fields_of(cls).replace("`", "").split(", "))
    foreign = next(
        (dir(kind) for kind in (BaseModel, str, tuple, dict) if issubclass(cls, kind)), []
    )
    rows = []
    for name, value in inspect.getmembers(cls):
        if name.startswith("_") or name in fields or name in foreign:
            continue
        if inspect.isfunction(value) or inspect.ismethod(value):
            rows.append((f"`{name}{parameters(value)}`", first_line(value)))
        elif said := first_line(value) if hasattr(value, "__get__") else "":
            rows.append((f"`{name}`", said))
    return rows


def parameters(function: Callable[..., object]) -> str:
    """Return a signature without types: the names, and the defaults."""
    signature = inspect.signature(function)
    bare = [
        each.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
        for each in unpacked(function, parameter)
    ]
    told = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<class '[\w.]*?(\w+)'>|<function (\w+) at \w+>", r"\1\2", told)


class LeftOut:
    """A default that only the options' own description tells."""

    def __repr__(self) -> str:
        return "..."


def unpacked(
    function: Callable[..., object], parameter: inspect.Parameter
) -> list[inspect.Parameter]:
    """Return the options that a parameter stands for; any other parameter as it is."""
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
        return [parameter]
    hint = get_type_hints(inspect.unwrap(function)).get(parameter.name)
    if get_origin(hint) is not Unpack:
        return [parameter]
    options = get_type_hints(get_args(hint)[0])
    only = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, only, default=LeftOut()) for name in options]


def decisions() -> str:
    """Return the decision records, each linked under its title."""
    records = sorted((ROOT / "docs" / "contributors" / "adr").glob("*.md"))
    titles = (record.read_text(encoding="utf-8").partition("\n")[0] for record in records)
    return "\n".join(
        f"- [{title.removeprefix('# ')}](adr/{record.name})"
        for record, title in zip(records, titles, strict=True)
    )


def scenarios() -> str:
    """Return what the simulated provider can be made to do."""
    rows = ((f"`{name}`", kind, tells) for name, kind, tells in SCENARIOS.values())
    return table(("scenario", "kind", "what happens"), rows)


def simulator_settings() -> str:
    """Return the settings of the simulated provider."""
    rows = (
        (f"`{name}`", "-" if default == "-" else f"`{default}`", tells)
        for name, default, tells in Settings.described()
    )
    return table(("setting", "default", "what it says"), rows)


def mutations() -> str:
    """Return how many mutants each module's tests killed, and every survivor with its reason."""
    kept = json.loads((ROOT / "campaigns" / "survivors.json").read_text(encoding="utf-8"))
    outcomes = ("killed", "timed out", "survived")
    figures = {f"`{module}`": Counter(became) for module, became in kept["figures"].items()}
    figures["all"] = sum(figures.values(), Counter())
    rows = (
        (
            module,
            f"{became.total():,}",
            *(f"{became[outcome]:,}" for outcome in outcomes),
            f"{100 * (1 - became['survived'] / became.total()):.1f} %",
        )
        for module, became in figures.items()
        if became
    )
    parts = [table(("module", "mutants", *outcomes, "killed or timed out"), rows)]
    if kept["untried"]:
        parts += [f"Not tried whole yet: {code(kept['untried'])}."]
    for module in kept["figures"]:
        survivors = [each for each in kept["survivors"] if each["module"] == module]
        parts += [f"### What survived in `{module}`"] if survivors else []
        for reason, alike in groupby(survivors, key=lambda each: each["reason"]):
            diffs = "\n\n".join(each["diff"] for each in alike)
            parts += [reason, f"```diff\n{diffs}\n```"]
    return "\n\n".join(parts)


def costs() -> str:
    """Return the rows of the page on speed that an adopter asks for."""
    page = (ROOT / "docs" / "contributors" / "speed.md").read_text(encoding="utf-8")
    figures = page.partition("<!-- figures -->")[2].partition("<!-- end of figures -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in figures.splitlines()]
    asked = [row for row in rows if len(row) == 3 and ASKED.search(" / ".join(row[:2]))]
    return table(("what", "compared with", "ratio"), (tuple(row) for row in asked))


def skeleton(module: str) -> str:
    """Return a module of the package that `lifecycle providers new` writes."""
    (text,) = (text for path, text in package_of(SKELETON) if path.name == module)
    return f"```python\n{text}```"


def documented(cls: type) -> list[tuple[str, str]]:
    """Return the attributes, or arguments, of a class as its docstring lists them."""
    said = inspect.cleandoc(cls.__doc__ or "")
    listed = re.split("Attributes:\n|Args:\n", said + "Args:\n")[1].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.+(?:\n {6,}.+)*)", listed, re.MULTILINE)
    return [(f"`{name}`", re.sub(r"\s+", " ", says).rstrip(".") + ".") for name, says in entries]


def with_default(cls: type, name: str) -> str:
    """Return what an attribute of some limits is by default, as a sentence; of another nothing."""
    if not cls.__name__.endswith("Limits"):
        return ""
    (default,) = (each.default for each in dataclasses.fields(cls) if f"`{each.name}`" == name)
    return f" Default: {sized(name, default)}."


def sized(name: str, default: object) -> str:
    """Return a default for people: bytes in KiB or MiB."""
    if not isinstance(default, int) or "bytes" not in name:
        return "none" if default is None else f"{default:g}"
    return f"{default >> 20} MiB" if default >= 1 << 20 else f"{default >> 10} KiB"


def printed_fields(*models: type[BaseModel]) -> str:
    """Return the fields of models: their names, types as printed, and meanings."""

    def rows() -> Iterable[tuple[str, str, str]]:
        for model in models:
            printed = model.model_json_schema()["properties"] | {"digest": {"type": "string"}}
            for name, says in documented(model):
                bare = name.strip("`").rstrip("_")
                kind = "object" if bare == "details" else typed(printed[bare])
                yield name, kind, says

    return table(("field", "type", "meaning"), rows())


def typed(schema: Mapping[str, Any]) -> str:
    """Return the type of a field, for people."""
    if "anyOf" in schema:
        return " or ".join(map(typed, schema["anyOf"]))
    if schema.get("format") == "date-time":
        return "time"
    return "string" if "enum" in schema else str(schema.get("type", "object"))


PRINTED: tuple[type[BaseModel], ...] = (
    *(OrderView, OrderError, Step, Milestone, Anomaly, Arrivals, HistoryEntry),
)
"""What `show` and `history` print: the page tells the type of each field."""

PARTS: dict[str, Callable[[], str]] = {
    "definition": definition_of("instacart"),
    "doordash_drive": definition_of("doordash_drive"),
    "doordash_drive_ways": ways_of("doordash_drive"),
    "uber_direct": definition_of("uber_direct"),
    "uber_direct_ways": ways_of("uber_direct"),
    "lattice": lattice,
    "api": api,
    "decisions": decisions,
    "costs": costs,
    "mutations": mutations,
    "skeleton_reader": partial(skeleton, "__init__.py"),
}


def pictures() -> dict[Path, str]:
    """Return every drawn picture of our pages, by where it lies."""
    arriving = delivered_badly()
    now = [datetime.min.replace(tzinfo=UTC)]
    with lifecycle.connect("memory:", clock=lambda: now[0]) as orders:
        for recording in arriving:  # recorded as it comes
            now[0] = datetime.fromisoformat(recording.pop("received_at"))
            orders.record_many([recording])
        drawn = {
            **lifecycles(),
            "lifecycle": draw_definition(LAST_MILE),
            "path": draw_order(orders, SHOWN),
            "timeline": draw_order(orders, SHOWN, "timeline"),
            "fleet": draw_stats(LAST_MILE, fleet()),
            **answers(),
        }
    told = {PICTURES / f"{name}.svg": picture.svg() for name, picture in stories()}
    return told | {
        PICTURES / f"{name}-{theme}.svg": drawn[name].svg(theme=theme)
        for name in drawn
        for theme in ("light", "dark")
    }


def lifecycles() -> dict[str, Picture]:
    """Return the picture of each provider's lifecycle, by the provider's name."""
    return {
        name.replace("_", "-"): draw_definition(provider.definition, narrow=True)
        for name, provider in known_providers().items()
    }


def answers() -> dict[str, Picture]:
    """Return the pictures that answer questions on a page, drawn by the code of that page."""
    page = ROOT / "docs" / "how-to" / "ask-questions-of-an-export.md"
    code = [block.text for block in blocks_of(page.read_text()) if block.language == "python"]
    told = sample_orders.generate(DEFAULT_SEED, 300)
    names: dict[str, Any] = {}
    with (
        TemporaryDirectory() as folder,
        chdir(folder),
        redirect_stdout(StringIO()),
        lifecycle.connect("memory:") as orders,
    ):
        orders.record_many(sample_orders.deliver(DEFAULT_SEED, told).recordings)
        export_columns(orders.log, known_providers(), Path("export"))
        exec("".join(code), names)
    return {"stays": names["picture_of_stays"], "delays": names["picture_of_delays"]}


def fleet() -> LogStats:
    """Return the figures of some of the demo's orders, delivered as badly."""
    told = sample_orders.generate(DEFAULT_SEED, 200)
    with lifecycle.connect("memory:") as orders:
        orders.record_many(sample_orders.deliver(DEFAULT_SEED, told).recordings)
        return orders.stats()


def delivered_badly() -> list[dict[str, Any]]:
    """Return what arrived of the order that `lifecycle demo` shows."""
    told = sample_orders.generate(DEFAULT_SEED, DEFAULT_ORDERS)
    return [
        recording
        for recording in sample_orders.deliver(DEFAULT_SEED, told).recordings
        if SHOWN in (recording.get("order_id"), order_of(recording))
    ]


def order_of(recording: dict[str, Any]) -> str | None:
    """Return the order that a callback is about."""
    body = recording.get("body", {})
    return body.get("event_metadata", body).get("order_id") or body.get("id")


_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that hold generated parts."""
    texts = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in texts if _PART.search(page.read_text(encoding="utf-8"))]


def written_anew(text: str) -> str:
    """Return a page with every generated part made from the code as it is now."""
    return _PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Write every generated part anew, and say which pages changed."""
    PICTURES.mkdir(exist_ok=True)
    anew_by_path = {page: written_anew(page.read_text(encoding="utf-8")) for page in pages()}
    for page, anew in (anew_by_path | pictures()).items():
        text = page.read_text(encoding="utf-8") if page.exists() else None
        if anew != text:
            page.write_text(anew, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
