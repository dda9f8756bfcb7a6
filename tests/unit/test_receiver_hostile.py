"""Whatever is asked, the receiver answers, and only what holds a token gets into the log."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import connect
from lifecycle.http.receiver import BearerTokens, Request, SyncReceiver
from tests.receiving import CLIENT, SECRET, SETUP, callback_request, token_in, token_request

WORDS = ["", "Bearer", "Basic", "basic aW5zdGFjYXJ0Og==", CLIENT, "\x00", "é", "=", "&", "%", "+"]
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=40))
NAMES = st.sampled_from(["authorization", "Content-Length", "content-type", "x", "", "é"])
BYTES = st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary())
HEADERS = st.one_of(
    st.none(),
    st.dictionaries(NAMES, TEXTS),
    st.lists(st.tuples(NAMES.map(str.encode), BYTES), max_size=5),
)
FORMS = st.lists(
    st.tuples(st.sampled_from([b"grant_type", b"client_id", b"client_secret", b"x"]), BYTES)
).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs))
REQUESTS = st.builds(
    Request,
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "", "\udcff"]),
    st.one_of(st.sampled_from(["/oauth/token", "/callbacks", "/health"]), TEXTS),
    HEADERS,
    st.one_of(BYTES, FORMS),
)


@settings(max_examples=300, deadline=None)
@given(REQUESTS)
def test_a_stranger_is_always_answered_and_never_recorded(request):
    with connect("memory:") as orders:
        answer = SyncReceiver(orders, BearerTokens(**SETUP)).handle(request)
        assert answer.status in {200, 400, 401, 404, 405}
        assert (answer.status == 200) == (
            request.path == "/health" and request.method in {"GET", "HEAD"}
        )
        assert answer.receipt is None
        assert orders.log.last_position() == 0
        assert SECRET not in repr(answer)


@settings(max_examples=200, deadline=None)
@given(
    BYTES.filter(bool), st.dictionaries(st.sampled_from(["content-type", "date", "x", "é"]), TEXTS)
)
def test_a_callback_with_a_valid_token_is_recorded_whatever_it_contains(body, headers):
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, BearerTokens(**SETUP))
        token = token_in(receiver.handle(token_request()))
        answer = receiver.handle(callback_request(token, body, **headers))
        assert answer.status == 200
        assert answer.receipt is not None
        assert answer.receipt.event.body == body
        assert orders.log.last_position() == 1
