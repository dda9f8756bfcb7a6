"""One record as one message: its subject, and what the message holds.

    NAME.o.<provider>.<order id>      of an order, both percent-encoded
    NAME.quarantine, NAME.control     the streams of those names

The payload is `<version> <topic>`, a newline and the stored form. Every subject of the JetStream
stream is the name of exactly one stream of the log, so whatever somebody published there is read
and shown.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from nats.aio.msg import Msg

from lifecycle.log.contract import CONTROL, MAX_POSITION, ORDERS, QUARANTINE, Record

_FOREIGN: Final = "subject:"
_WILDCARDS: Final = frozenset("*> ")


def subjects_of(name: str) -> list[str]:
    """Return the subjects that the JetStream stream of a log takes."""
    return [f"{name}.o.*.*", f"{name}.{CONTROL}", f"{name}.{QUARANTINE}"]


def subject_of(name: str, stream: str) -> str | None:
    """Return the subject of a stream of the log; None for a name that no stream can have."""
    if stream in (CONTROL, QUARANTINE):
        return f"{name}.{stream}"
    if stream.startswith(_FOREIGN):
        subject = stream.removeprefix(_FOREIGN)
        is_one = subject.startswith(f"{name}.") and not _WILDCARDS & set(subject)
        return subject if is_one else None
    provider, colon, order_id = stream.removeprefix(ORDERS).partition(":")
    if not stream.startswith(ORDERS) or not (provider and colon and order_id):
        return None
    return f"{name}.o.{_encoded(provider)}.{_encoded(order_id)}"


def stream_of(name: str, subject: str) -> str:
    """Return the stream that a subject is of, also where it was not made by `subject_of`."""
    tokens = subject.removeprefix(f"{name}.").split(".")
    if tokens[0] == "o" and len(tokens) == 3:
        try:
            stream = f"{ORDERS}{':'.join(unquote(token, errors='strict') for token in tokens[1:])}"
        except UnicodeDecodeError:
            return f"{_FOREIGN}{subject}"
    else:
        stream = tokens[0]
    return stream if subject_of(name, stream) == subject else f"{_FOREIGN}{subject}"


def filter_of(name: str, prefix: str) -> str:
    """Return the narrowest filter of subjects that finds all streams with a prefix."""
    provider, colon, _ = prefix.removeprefix(ORDERS).partition(":")
    if prefix.startswith(ORDERS) and colon and provider:
        return f"{name}.o.{_encoded(provider)}.*"
    return f"{name}.>"


def payload_of(version: int, topic: str, state: bytes) -> bytes:
    """Return what the message of a record holds."""
    return b"%d %b\n%b" % (version, topic.encode(), state)


def parts_of(message: Msg) -> tuple[str, int, bytes]:
    """Return the subject, the sequence and the payload of a message that a replica sent."""
    headers = message.headers or {}
    return headers["Nats-Subject"], int(headers["Nats-Sequence"]), message.data


def record_of(name: str, subject: str, position: int, payload: bytes) -> Record:
    """Return the record in a message; what another hand wrote has version 0 and no topic."""
    frame, newline, state = payload.partition(b"\n")
    version, space, topic = frame.partition(b" ")
    stream = stream_of(name, subject)
    try:
        number = int(version)
        known = str(number).encode() == version and abs(number) <= 2 * MAX_POSITION + 1
        if newline and space and known:
            return Record(stream, number, topic.decode(), position, state)
    except ValueError:
        pass
    return Record(stream, 0, "", position, payload)


def _encoded(text: str) -> str:
    """Return a token of a subject; dots part tokens."""
    return quote(text, safe="").replace(".", "%2E")
