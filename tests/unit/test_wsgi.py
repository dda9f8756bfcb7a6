"""Reading the body of a WSGI request: all of it, or an error that says what to answer."""

from __future__ import annotations

import io

import pytest

from lifecycle import RequestBodyError
from lifecycle.http.body import read_body

BODY = b'{"id": "xyz123456"}'
LENGTH = str(len(BODY))


class Dribble(io.BytesIO):
    """Gives a byte at a time, as a socket may."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0
        return super().read(1)


def environ(body: bytes = BODY, **said: object) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(body), **said}


def refused(**said: object) -> int:
    with pytest.raises(RequestBodyError) as error:
        read_body(environ(**said))
    assert BODY.decode() not in str(error.value)
    assert str(error.value.status) in str(error.value)
    return error.value.status


@pytest.mark.parametrize("length", [LENGTH, f"0{LENGTH}", f" {LENGTH} ", f"{LENGTH}, {LENGTH}"])
def test_as_much_is_read_as_the_length_says(length):
    more = environ(BODY + b"the next request", CONTENT_LENGTH=length)
    assert read_body(more) == BODY


def test_pieces_are_put_together():
    assert read_body({"wsgi.input": Dribble(BODY), "CONTENT_LENGTH": LENGTH}) == BODY
    assert read_body({"wsgi.input": Dribble(BODY), "wsgi.input_terminated": True}) == BODY


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}])
def test_a_body_without_a_length_is_read_where_the_server_says_that_it_ends(length):
    said = length | {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert read_body(environ(**said, **{"wsgi.input_terminated": True})) == BODY
    assert refused(**said) == 411
    assert refused(**said, **{"wsgi.input_terminated": False}) == 411
    assert refused(**length) == 411


def test_a_transfer_coding_overrides_a_length():
    said = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"}
    assert read_body(environ(**said, **{"wsgi.input_terminated": True})) == BODY
    assert refused(**said) == 411, "three bytes of chunks are no body"


@pytest.mark.parametrize(
    "length", ["-1", "+19", "1e1", "0x13", "1_9", "١٩", "²", "x", "19 19", "19, 20"]
)
def test_a_length_that_is_none_is_refused(length):
    assert refused(CONTENT_LENGTH=length) == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", {"CONTENT_LENGTH": "0"}),
        (b"", {"wsgi.input_terminated": True}),
        (b"", {"CONTENT_LENGTH": LENGTH}),
        (BODY[:-1], {"CONTENT_LENGTH": LENGTH}),
        (BODY[:-1], {"CONTENT_LENGTH": LENGTH, "wsgi.input_terminated": True}),
    ],
)
def test_a_body_that_is_empty_or_cut_short_is_refused(body, said):
    assert refused(body=body, **said) == 400


def test_a_body_above_the_limit_is_refused_and_not_read_whole():
    stream = io.BytesIO(b"x" * 10_000)
    for said in ({"CONTENT_LENGTH": "10000"}, {"wsgi.input_terminated": True}):
        stream.seek(0)
        with pytest.raises(RequestBodyError) as error:
            read_body({"wsgi.input": stream} | said, limit=100)
        assert error.value.status == 413
        assert stream.tell() <= 101
    assert refused(CONTENT_LENGTH="9" * 5000) == 413
    assert read_body(environ(CONTENT_LENGTH=LENGTH), limit=len(BODY)) == BODY
    with pytest.raises(RequestBodyError):
        read_body(environ(CONTENT_LENGTH=LENGTH), limit=len(BODY) - 1)


@pytest.mark.parametrize("raised", [OSError, ValueError, TimeoutError, LookupError])
def test_whatever_a_server_raises_while_it_reads_the_body_is_not_whole(raised):
    class Broken(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise raised("Kamal")

    with pytest.raises(RequestBodyError) as error:
        read_body({"wsgi.input": Broken(), "CONTENT_LENGTH": LENGTH})
    assert error.value.status == 400
    assert "Kamal" not in str(error.value)
