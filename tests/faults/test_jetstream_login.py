"""How a user is let in by NATS: by name, token, key or credentials, with no more than is needed."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lifecycle.composition import open_log
from lifecycle.errors import StoreUnavailableError
from tests import nats_server
from tests.contract.entries import event, stream
from tests.nats_server import NatsServer

nkeys: Any = pytest.importorskip("nkeys")

READER = [
    "$JS.API.STREAM.INFO.orders",
    "$JS.API.STREAM.MSG.GET.orders",
    "$JS.API.DIRECT.GET.orders",
]
APPENDER = [*READER, "orders.>"]
MAKER = [*READER, "$JS.API.STREAM.CREATE.orders"]
LISTENS = ["_INBOX.>"]


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_CREDS", "NATS_NKEY", "NATS_TOKEN", "NATS_USER", "NATS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def url(server: NatsServer, login: str = "", **parameters: object) -> str:
    return server.url("orders", **{"retry_timeout": 8, **parameters}).replace("//", f"//{login}", 1)


def test_a_token_or_a_name_and_password_lets_in_from_the_url_or_the_environment(monkeypatch):
    for guard, login, variables in (
        ("token: s3cret", "s3cret@", {"NATS_TOKEN": "s3cret"}),
        ("user: u, password: s3cret", "u:s3cret@", {"NATS_USER": "u", "NATS_PASSWORD": "s3cret"}),
    ):
        with nats_server.running(extra=f"authorization {{ {guard} }}") as server:
            open_log(url(server, login)).close()
            with pytest.raises(StoreUnavailableError, match="does not let this user in") as refused:
                open_log(url(server, "wrong@"))
            assert "s3cret" not in str(refused.value)
            with monkeypatch.context() as given:
                for name, value in variables.items():
                    given.setenv(name, value)
                open_log(url(server), create=False).close()


class Key:
    """A key pair of NATS, and what it signs."""

    def __init__(self, kind: int) -> None:
        self.seed = bytes(nkeys.encode_seed(os.urandom(32), kind))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def grants(self, whom: Key, kind: str, **claims: Any) -> str:
        """Return a signed token about another key."""
        about = {"type": kind, "version": 2, **claims}
        claim = {"jti": "x", "iat": 1, "iss": self.public, "sub": whom.public, "nats": about}
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claim))
        return f"{signed}.{_base64(self._pair.sign(signed.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def credentials(path: Path, token: str, key: Key) -> Path:
    """Write a file of credentials as the tools of NATS do."""
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{key.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    return path


def test_a_key_lets_in_by_its_file(tmp_path, monkeypatch):
    key = Key(nkeys.PREFIX_BYTE_USER)
    (tmp_path / "app.nk").write_bytes(key.seed)
    with nats_server.running(
        extra=f"authorization {{ users: [{{ nkey: {key.public} }}] }}"
    ) as server:
        open_log(url(server, nkey=tmp_path / "app.nk")).close()
        monkeypatch.setenv("NATS_NKEY", str(tmp_path / "app.nk"))
        open_log(url(server), create=False).close()
        (tmp_path / "other.nk").write_bytes(Key(nkeys.PREFIX_BYTE_USER).seed)
        for wrong in ("other.nk", "missing.nk"):
            with pytest.raises(StoreUnavailableError):
                open_log(url(server, nkey=tmp_path / wrong))


def test_credentials_let_in_by_their_file(tmp_path):
    operator, user = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_USER)
    account, system = Key(nkeys.PREFIX_BYTE_ACCOUNT), Key(nkeys.PREFIX_BYTE_ACCOUNT)
    names = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    limits = dict.fromkeys((*names, "mem_storage", "disk_storage", "streams", "consumer"), -1)
    granted = operator.grants(account, "account", limits={**limits, "wildcards": True})
    extra = (
        f"operator: {operator.grants(operator, 'operator')}\nresolver: MEMORY\n"
        f"system_account: {system.public}\nresolver_preload: {{ {account.public}: {granted}, "
        f"{system.public}: {operator.grants(system, 'account')} }}"
    )
    creds = credentials(
        tmp_path / "app.creds",
        account.grants(user, "user", subs=-1, data=-1, payload=-1),
        user,
    )
    stranger = Key(nkeys.PREFIX_BYTE_ACCOUNT)
    foreign = credentials(tmp_path / "no.creds", stranger.grants(user, "user"), user)
    with nats_server.running(extra=extra) as server:
        with closing(open_log(url(server, creds=creds))) as log:
            assert log.append(event()).position == 1
        for wrong in ({}, {"creds": foreign}):
            with pytest.raises(StoreUnavailableError, match="does not let this user in"):
                open_log(url(server, **wrong))


def test_a_server_that_hangs_up_on_a_user_before_it_says_why_lets_nobody_in():
    info = json.dumps(
        {"server_id": "x", "version": "2.12.0", "auth_required": True, "headers": True}
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    with closing(listening.accept()[0]) as link:
                        link.sendall(f"INFO {info}\r\n".encode())
                        link.recv(1)

        thread = Thread(target=hang_up, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        with pytest.raises(StoreUnavailableError, match="does not let this user in"):
            open_log(f"nats://ann:s3cret@127.0.0.1:{port}/orders?beside=memory:&retry_timeout=8")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture(scope="module")
def restricted() -> Iterator[NatsServer]:
    """A server whose users may do what the reference says, and no more."""

    def user(name: str, publish: list[str]) -> str:
        rights = f"publish: {json.dumps(publish)}, subscribe: {json.dumps(LISTENS)}"
        return f'{{ user: {name}, password: "x", permissions: {{ {rights} }} }}'

    users = [user("maker", MAKER), user("appender", APPENDER), user("reader", READER)]
    users += [
        user(f"without{number}", [each for each in APPENDER if each != lacking])
        for number, lacking in enumerate(APPENDER)
    ]
    with nats_server.running(extra=f"authorization {{ users: [{', '.join(users)}] }}") as server:
        open_log(url(server, "maker:x@")).close()
        yield server


def test_a_restricted_user_appends_and_reads_and_another_only_reads(restricted):
    with closing(open_log(url(restricted, "appender:x@"), create=False)) as log:
        log.append_many([event(number=number) for number in range(3)])
        log.append(event(number=1))
        assert len(log.read(stream())) == len(list(log.scan())) == 3
        assert list(log.streams()) == [stream()]
        assert log.settings()
    with closing(open_log(url(restricted, "reader:x@"), create=False)) as log:
        assert len(log.read(stream())) == 3
    with (
        closing(open_log(url(restricted, "reader:x@", retry_timeout=0.4), create=False)) as log,
        pytest.raises(StoreUnavailableError),
    ):
        log.append(event(number=9))


@pytest.mark.parametrize("number", range(len(APPENDER)), ids=APPENDER)
def test_control_each_right_is_needed(restricted, number):
    def use() -> None:
        lacking = url(restricted, f"without{number}:x@", retry_timeout=0.4)
        with closing(open_log(lacking, create=False)) as log:
            log.append_many([event("other", each) for each in range(2)])
            log.read(stream("other"))

    with pytest.raises(StoreUnavailableError):
        use()
