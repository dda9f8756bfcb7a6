"""The alphabet: every event that a proof ranges over, letter by letter.

What a proof does not range over is not looked at, so all letters of small definitions are
written out, with what each of them is an instance of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from lifecycle.core.definition import Definition, NoDetails
from lifecycle.proof.alphabet import INSTANTS, RECEIVED_AT, Alphabet, alphabet, spoken_names


def move(source: str, dest: str, trigger: str | None = None) -> dict[str, str]:
    return {"trigger": trigger or dest, "source": source, "dest": dest}


Word = Annotated[str, Field(min_length=1)]


class Where(BaseModel):
    """A part of the details, with a place for text behind one that takes none."""

    floor: int | None = None
    door: Word | None = None
    bell: str | None = None


class Told(BaseModel):
    """Details that take nothing they do not know."""

    model_config = ConfigDict(extra="forbid")
    weight: int | None = None
    courier: Word | None = None
    note: str | None = None
    place: Where | None = None
    pickup: Where | None = None


def parcel() -> Definition:
    """Return a lifecycle of all sorts of names: a dialogue, two births, two ends."""
    return Definition.write(
        "parcel",
        states=[
            *("requested", "refused", "resubmitted", "made", "booked", "carried", "stored"),
            *("given", "lost"),
        ],
        birth=["booked", "made"],
        moves=[
            move("requested", "made"),
            move("made", "carried", "pick_up"),
            move("carried", "given"),
            move("carried", "lost"),
        ],
        terminal=["given", "lost"],
        aborts=["lost"],
        informational=["sms@2", "failed", "note", "poll_failed"],
        details=Told,
    )


def lone() -> Definition:
    """Return a lifecycle of one state, without birth, whose details are told anywhere."""
    return Definition.write("lone", states=["asked"], moves=[], terminal=["asked"])


PARCEL = """
request 1 | request requested requested request:1 ad1b9d #1
request 2 | request resubmitted resubmitted request:2 ff14e1 #2
accepted 1 | response accepted made 002:response 7627c4 #1 HTTP 200 courier, place.door
rejected 1 to refused | response rejected refused 003:response 0914c9 #1 HTTP 400 rejected/1
failed 1 | response failed failed 004:response 4b99f5 #1 HTTP 503 failed/1 unknown
accepted 2 | response accepted made 005:response b50681 #2 HTTP 200 courier, place.door
rejected 2 to refused | response rejected refused 006:response 64d12e #2 HTTP 400 rejected/2
failed 2 | response failed failed 007:response 6aa67d #2 HTTP 503 failed/2 not_reached
made | callback made made 008:callback ea0890 courier
made@1 | callback made made 009:callback 44e5f8 at 10:00:00 courier
made@2 | callback made made 010:callback c18aa6 at 10:00:01 courier
booked | callback booked booked 011:callback 679688 courier
booked@1 | callback booked booked 012:callback fe379f at 10:00:00 courier
booked@2 | callback booked booked 013:callback cca2b9 at 10:00:01 courier
carried | callback carried carried 014:callback 309074 courier
carried@1 | callback carried carried 015:callback fdfc24 at 10:00:00 courier
carried@2 | callback carried carried 016:callback 3846d6 at 10:00:01 courier
stored | callback stored stored 017:callback 87b04e courier
stored@1 | callback stored stored 018:callback 892eec at 10:00:00 courier
stored@2 | callback stored stored 019:callback 74d53f at 10:00:01 courier
given | callback given given 020:callback 5b729e courier
given@1 | callback given given 021:callback 406752 at 10:00:00 courier
given@2 | callback given given 022:callback 8df45f at 10:00:01 courier
lost | callback lost lost 023:callback 76f75e courier
lost@1 | callback lost lost 024:callback 7e7759 at 10:00:00 courier
lost@2 | callback lost lost 025:callback 3f68e6 at 10:00:01 courier
pick_up | callback pick_up pick_up 026:callback 18512c courier
pick_up@1 | callback pick_up pick_up 027:callback d41eb2 at 10:00:00 courier
pick_up@2 | callback pick_up pick_up 028:callback 22691c at 10:00:01 courier
note | callback note note 029:callback edb465 courier
note@1 | callback note note 030:callback ec465b at 10:00:00 courier
note@2 | callback note note 031:callback a89474 at 10:00:01 courier
sms@2 | callback sms@2 sms@2 032:callback 112805 courier
sms@2@1 | callback sms@2 sms@2 033:callback db51b4 at 10:00:00 courier
sms@2@2 | callback sms@2 sms@2 034:callback 7a6dc6 at 10:00:01 courier
poll_failed | poll poll_failed poll_failed 035:poll c025bb
poll_failed@1 | poll poll_failed poll_failed 036:poll 7fbce3 at 10:00:00
poll_failed@2 | poll poll_failed poll_failed 037:poll ccfd0f at 10:00:01
unheard_of@1 | callback unheard_of unheard_of 039:callback c8462f at 10:00:00 courier
stored@1 ≠ | callback pick_up pick_up 018:callback ce6d05 at 10:00:01 courier, place.door
unheard_of | callback unheard_of unheard_of 038:callback 9905a8 courier
unheard_of@2 | callback unheard_of unheard_of 040:callback f1eaf7 at 10:00:01 courier
requested by them | callback requested 041:callback 846122 bad_time
accepted 2 at carried | response accepted carried 042:response b47282 #2 HTTP 200
request 1 ≠ | request requested requested request:1 90f0ff #1
poll made@1 | poll made made 044:poll c8ef99 at 10:00:00 courier, place.door
poll made@2 | poll made made 045:poll 7f55e6 at 10:00:01 courier, place.door
poll booked@1 | poll booked booked 046:poll 5d68f2 at 10:00:00 courier, place.door
poll booked@2 | poll booked booked 047:poll dd72c7 at 10:00:01 courier, place.door
poll carried@1 | poll carried carried 048:poll a256b1 at 10:00:00 courier, place.door
poll carried@2 | poll carried carried 049:poll 2cf858 at 10:00:01 courier, place.door
poll stored@1 | poll stored stored 050:poll a5dd83 at 10:00:00 courier, place.door
poll stored@2 | poll stored stored 051:poll d27210 at 10:00:01 courier, place.door
poll given@1 | poll given given 052:poll c9f04c at 10:00:00 courier, place.door
poll given@2 | poll given given 053:poll 39fa7c at 10:00:01 courier, place.door
poll lost@1 | poll lost lost 054:poll fd1be6 at 10:00:00 courier, place.door
poll lost@2 | poll lost lost 055:poll 6b24ca at 10:00:01 courier, place.door
poll pick_up@1 | poll pick_up pick_up 056:poll 9911a6 at 10:00:00 courier, place.door
poll pick_up@2 | poll pick_up pick_up 057:poll adcfdb at 10:00:01 courier, place.door
made@1 ≠ | callback made made 009:callback 862cbd courier, place.door
booked@1 ≠ | callback booked booked 012:callback 0f5b24 courier, place.door
carried@1 ≠ | callback pick_up pick_up 015:callback 2337c3 at 10:00:01 courier, place.door
given@1 ≠ | callback pick_up pick_up 021:callback 009df8 at 10:00:00 courier, place.door
lost@1 ≠ | callback pick_up pick_up 024:callback e5a563 at 10:00:00 courier, place.door
pick_up@1 ≠ | callback lost lost 027:callback bf3f4e at 10:00:01 courier, place.door
"""
LONE = """
request 1 | request requested requested request:1 ad1b9d #1
request 2 | request resubmitted resubmitted request:2 ff14e1 #2
accepted 1 | response accepted asked 002:response 7627c4 #1 HTTP 200 told, within.told
rejected 1 to rejected | response rejected rejected 003:response 12994b #1 HTTP 400 rejected/1
failed 1 | response failed failed 004:response 4b99f5 #1 HTTP 503 failed/1 unknown
accepted 2 | response accepted asked 005:response b50681 #2 HTTP 200 told, within.told
rejected 2 to rejected | response rejected rejected 006:response 68488e #2 HTTP 400 rejected/2
failed 2 | response failed failed 007:response 6aa67d #2 HTTP 503 failed/2 not_reached
asked | callback asked asked 008:callback c66790 told
asked@1 | callback asked asked 009:callback 209e9a at 10:00:00 told
asked@2 | callback asked asked 010:callback 21099e at 10:00:01 told
poll_failed | poll poll_failed poll_failed 011:poll c025bb
poll_failed@1 | poll poll_failed poll_failed 012:poll 7fbce3 at 10:00:00
poll_failed@2 | poll poll_failed poll_failed 013:poll ccfd0f at 10:00:01
unheard_of@1 | callback unheard_of unheard_of 015:callback c8462f at 10:00:00 told
asked@1 ≠ | callback asked asked 009:callback cec9dc at 10:00:00 told, within.told
unheard_of | callback unheard_of unheard_of 014:callback 9905a8 told
unheard_of@2 | callback unheard_of unheard_of 016:callback f1eaf7 at 10:00:01 told
requested by them | callback requested 017:callback 846122 bad_time
request 1 ≠ | request requested requested request:1 90f0ff #1
poll asked@1 | poll asked asked 019:poll 429d4e at 10:00:00 told, within.told
poll asked@2 | poll asked asked 020:poll fe5a7f at 10:00:01 told, within.told
"""


def shown(over: Alphabet) -> list[str]:
    """Return a line for each letter; of details only the places, of digests only the start."""
    return [
        f"{letter.label} | {' '.join(map(str, filter(None, _parts(letter.event))))}"
        for letter in over.wide
    ]


def _parts(event: Any) -> Iterator[object]:
    yield from (event.kind, event.name, event.trigger, event.key, event.digest[:6])
    yield event.occurred_at and f"at {event.occurred_at:%T}"
    yield event.attempt and f"#{event.attempt}"
    yield event.http_status and f"HTTP {event.http_status}"
    yield from (f"{fault.message}/{fault.code}" for fault in event.faults)
    yield from event.problems
    yield event.fate
    yield ", ".join(dict(leaves(event.details)))


def leaves(details: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the places in details, and what is told there."""
    for name, told in details.items():
        if isinstance(told, Mapping):
            yield from leaves(told, f"{prefix}{name}.")
        else:
            yield prefix + name, told


@pytest.mark.parametrize(
    ("make", "lines"), [(parcel, PARCEL), (lone, LONE)], ids=["parcel", "lone"]
)
def test_every_letter_is_this_event(make: Any, lines: str) -> None:
    assert shown(alphabet(make())) == lines.strip().splitlines()


@pytest.mark.parametrize("make", [parcel, lone])
def test_every_letter_is_received_once_with_bytes_of_its_own(make: Any) -> None:
    for label, event in alphabet(make()).wide:
        assert (event.provider, event.order_id) == ("proof", "order")
        assert event.received_at == RECEIVED_AT
        written = label if event.sha256 == event.digest else label.removesuffix(" ≠")
        assert event.body == written.encode()
        if label != "request 1 ≠":  # it says something else in a body of its own
            assert event.digest == sha256(label.encode()).hexdigest()
            assert event.sha256 == sha256(written.encode()).hexdigest()
        assert {told for _, told in leaves(event.details)} <= {label}
        assert event.occurred_at in (None, *INSTANTS)


def test_the_two_instants_are_a_second_apart_and_long_before_what_is_received() -> None:
    assert [at.isoformat() for at in (*INSTANTS, RECEIVED_AT)] == [
        *("2022-06-04T10:00:00+00:00", "2022-06-04T10:00:01+00:00", "2022-06-04T12:00:00+00:00"),
    ]


def test_events_outside_of_the_alphabet_occur_only_in_smaller_sets() -> None:
    for make, letters in ((parcel, 40), (lone, 16)):
        over = alphabet(make())
        assert over.letters == over.wide[:letters]
        assert over.letters[-1].label.endswith("@1 ≠")


def test_twins_are_what_informs_at_one_instant() -> None:
    over = alphabet(parcel())
    assert [[over.letters[twin].label for twin in group] for group in over.twins] == [
        ["note", "sms@2", "poll_failed"],
        ["note@1", "sms@2@1", "poll_failed@1"],
        ["note@2", "sms@2@2", "poll_failed@2"],
    ]
    assert alphabet(lone()).twins == ()


def test_events_at_the_second_instant_are_known_at_the_first() -> None:
    over = alphabet(parcel())
    labels = [letter.label for letter in over.wide]
    names = ["made", "booked", "carried", "stored", "given", "lost", "pick_up", "note", "sms@2"]
    polls = [f"poll {name}" for name in names[:7]]
    assert {labels[late]: labels[sooner] for late, sooner in over.sooner.items()} == {
        f"{name}@2": f"{name}@1" for name in (*names, "poll_failed", "unheard_of", *polls)
    }


def test_informational_events_sort_by_name_behind_all_states() -> None:
    names = ["bell", "door", "note", "ride", "stop", "turn", "wave"]
    shop = Definition.write(
        "shop", states=["open"], moves=[], terminal=["open"], informational=reversed(names)
    )
    labels = [letter.label for letter in alphabet(shop).letters]
    assert [label for label in labels if label in (*names, "open", "poll_failed")] == [
        *("open", *names, "poll_failed"),
    ]


def test_a_provider_says_the_states_from_the_first_birth_on_and_what_leads_to_them() -> None:
    assert spoken_names(parcel()) == (
        *("made", "booked", "carried", "stored", "given", "lost", "pick_up"),
    )
    assert spoken_names(lone()) == ("asked",)


class Counted(BaseModel):
    """Details with no place for text, that take nothing else."""

    model_config = ConfigDict(extra="forbid")
    weight: int | None = None


class Deep(BaseModel):
    """Details with a place for text in a part only."""

    model_config = ConfigDict(extra="forbid")
    place: Where | None = None


class Whole(BaseModel):
    """Details with a part that is always there."""

    name: str = ""
    place: Where = Where()


class Open(BaseModel):
    """Details that take any text by any name, but not an empty one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Word | dict[str, Word]]


@pytest.mark.parametrize(
    ("model", "flat", "nested"),
    [
        (Told, ["courier"], ["place.door"]),
        (Deep, [], ["place.door"]),
        (Whole, ["name"], ["place.door"]),
        (Where, ["door"], []),
        (NoDetails, ["told"], ["within.told"]),
        (Open, ["told"], ["within.told"]),
        (Counted, [], []),
    ],
)
def test_details_are_varied_where_the_model_takes_any_text(
    model: type[BaseModel], flat: list[str], nested: list[str]
) -> None:
    shop = Definition.write(
        "shop", states=["open", "shut"], moves=[], terminal=["shut"], details=model
    )
    letters = {letter.label: letter.event for letter in alphabet(shop).wide}
    assert [place for place, _ in leaves(letters["shut@1"].details)] == flat
    for label in ("accepted 2", "poll shut@1", "shut@1 ≠"):
        assert [place for place, _ in leaves(letters[label].details)] == [*flat, *nested]
