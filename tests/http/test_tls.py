"""TLS: a server that nobody vouches for is never told a secret.

The certificate is for `localhost` and signed by itself; its key is no secret to anybody.
"""

from __future__ import annotations

import ssl

import httpx2
import pytest

from lifecycle import NoTokenError
from lifecycle.providers.instacart.client import AsyncClient
from tests.http.scripted import Scripted

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghD9rvSEFpryaXE3z
0D8rOhk1ILAVnNamDRNwZYLB2/OhRANCAATvMRaYiejWow/3GCtujuavdwEWtPwy
SifJn1a25fvrfICGPF+VAhhObE1mU29XzQZO6QWbfOA3GJXg0qPQy86k
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUO3z3q89RA+JWmi3ctx7Y4WzhTB0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTAyMzIyMFoYDzIxMjYxMTAx
MDIzMjIwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATvMRaYiejWow/3GCtujuavdwEWtPwySifJn1a25fvrfICGPF+VAhhO
bE1mU29XzQZO6QWbfOA3GJXg0qPQy86ko28wbTAdBgNVHQ4EFgQUWcmnq7RF7dqf
CkB0D9+hBxxKu18wHwYDVR0jBBgwFoAUWcmnq7RF7dqfCkB0D9+hBxxKu18wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAJHkLTPvfzRpWD4hgXw4UiD+YSuLMuPkMaIdYPgJpqysAiEA
ioYgsFbM+tg9h2rNU6AKLGhKx0xk4kSTDI4LhxXPvDI=
-----END CERTIFICATE-----
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "key.pem").write_text(KEY)
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    return tmp_path


@pytest.fixture
def secured(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "certificate.pem", files / "key.pem")
    with Scripted(context=context) as server:
        yield server


def test_an_untrusted_certificate_is_refused(secured, way):
    with pytest.raises(NoTokenError) as refused:
        way.call(way.client(secured, tries=1).create, b"{}")
    assert refused.value.found == "the connection could not be opened"
    assert secured.asked == []


def test_the_same_server_is_accepted_with_a_trusted_certificate(secured, files, way):
    """The positive control: it is the missing trust that was refused, nothing else."""
    client = way.client(secured, **trusting(way, files))
    assert way.call(client.get, "xyz").http_status == 404


def trusting(way, files):
    context = ssl.create_default_context(cafile=str(files / "certificate.pem"))
    kind = httpx2.AsyncHTTPTransport if way.name == "async" else httpx2.HTTPTransport
    return {"transport": kind(verify=context)}


def test_the_asynchronous_client_needs_no_loop_to_be_made(secured):
    assert repr(AsyncClient(secured.url, client_id="a", client_secret="b")).startswith("<Async")
