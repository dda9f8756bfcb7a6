"""`lifecycle serve`: says where it listens, keeps its secrets, ends well when it is told to."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from tests.polling import answered_at_once
from tests.receiving import BODY, CLIENT, FORM, KEY, OLD_KEY, OLD_SECRET, SECRET
from tests.scenario.command_line import SCRIPT, environment, run
from tests.serving import ask, bearer, connected

SECRETS = {
    "LIFECYCLE_RECEIVER_CLIENT_ID": CLIENT,
    "LIFECYCLE_RECEIVER_CLIENT_SECRET": f"{SECRET} {OLD_SECRET}",
    "LIFECYCLE_RECEIVER_SIGNING_KEY": f"{KEY} {OLD_KEY}",
}
LISTENING = "listening on http://127.0.0.1:"


class Serving:
    """One `lifecycle serve` under way; `port` is what it told."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process = process
        self.first = process.stderr.readline() if process.stderr else ""
        assert self.first.startswith(LISTENING), self.first + self.end(signal.SIGKILL)
        self.port = int(self.first.removeprefix(LISTENING).partition(";")[0])

    def end(self, how: int = signal.SIGTERM) -> str:
        """Stop it and return what it said on stderr after the first line."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        assert out == ""
        return err


@contextmanager
def serving(cwd: Path, *arguments: str, env: Mapping[str, str] = SECRETS) -> Iterator[Serving]:
    with subprocess.Popen(
        [SCRIPT, "serve", "--port", "0", "--db", "sqlite:///orders.db", *arguments],
        cwd=cwd,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Serving(process, cwd)
        finally:
            process.kill()


def test_serve_receives_until_it_is_stopped_and_the_log_has_every_callback(tmp_path):
    with serving(tmp_path) as server, connected(server.port) as connection:
        token = bearer(server.port)
        assert ask(connection, "POST", "/callbacks", BODY, token).status == 200
        answer = ask(connection, "GET", "/health")
        assert (answer.status, "server" in answer.headers) == (200, False)
        assert ask(connection, "POST", f"/callbacks?key={SECRET}", BODY).status == 401
        said = server.end()
        assert server.process.returncode == 0
    assert "callback refused" in said
    assert not [secret for secret in (SECRET, KEY, "xyz123456") if secret in said]
    shown = run("show", "xyz123456", "--json", "--db", "sqlite:///orders.db", cwd=tmp_path)
    assert shown.value["status"] == "brand_new"


def test_it_answers_at_once_on_a_connection_that_is_kept(tmp_path):
    with serving(tmp_path) as server, connected(server.port) as connection:

        def seconds():
            took = []
            for _ in range(15):
                begun = perf_counter()
                assert ask(connection, "POST", "/callbacks", BODY).status == 401
                took.append(perf_counter() - begun)
            return median(took)

        assert answered_at_once(seconds)


def test_ctrl_c_interrupts_it(tmp_path):
    with serving(tmp_path) as server:
        said = server.end(signal.SIGINT)
    assert (server.process.returncode, said.count("\n")) == (130, 1)
    assert "what was acknowledged is stored" in said


def test_two_processes_on_one_log_accept_the_tokens_of_each_other(tmp_path):
    file = tmp_path / "credentials.toml"
    file.write_text(
        f'signing_keys = ["{KEY}"]\n[clients]\n{CLIENT} = ["{SECRET}"]\nother = "{SECRET[::-1]}"\n'
    )
    options = ("--credentials", str(file))
    form = FORM | {"client_id": "other", "client_secret": SECRET[::-1]}
    with serving(tmp_path) as one, serving(tmp_path, *options, env={}) as two:
        tokens = [bearer(one.port), bearer(two.port), bearer(two.port, form=form)]
        for token, port, status in (
            (tokens[0], two.port, 200),
            (tokens[1], one.port, 200),
            (tokens[2], two.port, 200),
            (tokens[2], one.port, 401),
        ):
            with connected(port) as connection:
                assert ask(connection, "POST", "/callbacks", BODY, token).status == status


def test_a_token_outlives_the_process_that_issued_it(tmp_path):
    with serving(tmp_path) as server:
        token = bearer(server.port)
        server.end(signal.SIGKILL)
    with serving(tmp_path) as server, connected(server.port) as connection:
        assert ask(connection, "POST", "/callbacks", BODY, token).status == 200


@pytest.mark.parametrize(
    ("file", "env"),
    [
        (None, {}),
        (None, SECRETS | {"LIFECYCLE_RECEIVER_CLIENT_SECRET": " "}),
        (None, SECRETS | {"LIFECYCLE_RECEIVER_SIGNING_KEY": "hushhush"}),
        ("", {}),
        ("hushhush", {}),
        ("signing_keys = 'hushhush'\n[clients]\na = 'hushhush'", {}),
        (f"signing_keys = '{KEY}'\nclients = 'hushhush'", {}),
        (f"signing_keys = '{KEY}'\n[clients]\na = [1]", {}),
        (f"signing_keys = 7\n[clients]\na = '{SECRET}'", {}),
        (f"signing_keys = '{KEY}'\n[clients]\na = ''", {}),
        ("\udcff", {}),
    ],
    ids=map(str, range(11)),  # the credentials are made anew in every process
)
def test_credentials_that_cannot_be_used_are_one_sentence_without_them(file, env, tmp_path):
    arguments = []
    if file is not None:
        (tmp_path / "c.toml").write_bytes(file.encode("utf-8", "surrogateescape"))
        arguments = ["--credentials", "c.toml"]
    command = ("serve", "--port", "0", *arguments)
    answer = run(*command, cwd=tmp_path, env=env)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("lifecycle: ")
    assert answer.err.count("\n") == 1
    assert not [secret for secret in ("hushhush", KEY, SECRET) if secret in answer.err]
    assert not (tmp_path / "lifecycle.db").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604])
def test_credentials_that_others_may_read_are_a_warning(tmp_path, mode):
    file = tmp_path / "credentials.toml"
    file.write_text(f'signing_keys = ["{KEY}"]\n[clients]\n{CLIENT} = ["{SECRET}"]\n')
    file.chmod(mode)

    with serving(tmp_path, "--credentials", "credentials.toml", env={}) as server:
        bearer(server.port)
        server.process.terminate()
        said = server.process.stderr.read()

    assert (f"has mode {mode:04o}: others than its owner may read it" in said) == (mode != 0o600)
    assert SECRET not in said


def test_a_file_that_is_not_there_is_named(tmp_path):
    answer = run("serve", "--credentials", "gone.toml", cwd=tmp_path)
    assert answer.code == 2
    assert "'gone.toml' cannot be used" in answer.err


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        answer = run("serve", "--port", port, cwd=tmp_path, env=SECRETS)
    assert (answer.code, answer.out) == (2, "")
    assert f"cannot listen on '127.0.0.1', port {port}: address already in use" in answer.err
    assert answer.err.count("\n") == 1


def test_a_log_that_cannot_be_opened_is_exit_code_3(tmp_path):
    options = ("--port", "0", "--db", "sqlite:///gone/orders.db")
    answer = run("serve", *options, cwd=tmp_path, env=SECRETS)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("package", ["uvicorn", "jwt"])
def test_a_missing_extra_is_a_sentence_that_names_it(package, tmp_path):
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from lifecycle.cli.app import run; sys.exit(run(['serve', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(**SECRETS),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'order-lifecycle[http]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_environment_is_read_by_the_names_on_the_page():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "receiver.md").read_text()
    assert all(f"`{name}`" in page for name in SECRETS)


PAGES = ("--pages", "--no-callbacks")
RECORDING = b'{"kind":"callback","received_at":"2026-07-07T12:00:00Z","body":' + BODY + b"}\n"


def test_the_pages_are_served_beside_the_receiver_and_show_what_came(tmp_path):
    with serving(tmp_path, "--pages") as server, connected(server.port) as connection:
        token = bearer(server.port)
        assert ask(connection, "POST", "/callbacks", BODY, token).status == 200
        page = ask(connection, "GET", "/pages/orders")
        assert (page.status, b"xyz123456" in page.body) == (200, True)
        assert ask(connection, "GET", "/pages").status in {200, 303, 307}
        assert ask(connection, "GET", "/health").status == 200


def test_the_pages_alone_need_no_credentials_and_a_stop_ends_open_streams_at_once(tmp_path):
    run("ingest", "-", "--db", "sqlite:///orders.db", cwd=tmp_path, stdin=RECORDING)
    with serving(tmp_path, *PAGES, env={}) as server, connected(server.port) as connection:
        assert b"xyz123456" in ask(connection, "GET", "/pages/orders").body
        assert ask(connection, "POST", "/callbacks", BODY).status in {404, 405}
        with socket.create_connection(("127.0.0.1", server.port)) as stream:
            stream.sendall(b"GET /pages/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"text/event-stream" in stream.recv(4096)
            begun = perf_counter()
            server.end()
        assert perf_counter() - begun < 5
        assert server.process.returncode == 0


def test_pages_that_other_machines_reach_need_somebody_who_says_who_may_see_them(tmp_path):
    for host in ("0.0.0.0", "::", "192.0.2.7", "orders.example"):
        answer = run("serve", *PAGES, "--host", host, "--port", "0", cwd=tmp_path)
        assert (answer.code, answer.out) == (2, "")
        assert "--pages-access" in answer.err
    run("ingest", "-", "--db", "sqlite:///orders.db", cwd=tmp_path, stdin=RECORDING)
    access = tmp_path / "access.toml"
    access.write_text(f'[users]\nann = "{SECRET}"\n')
    options = (*PAGES, "--pages-access", "access.toml", "--db", "sqlite:///orders.db")
    with serving(tmp_path, *options, env={}) as server, connected(server.port) as connection:
        refused = ask(connection, "GET", "/pages/orders")
        assert (refused.status, b"xyz" in refused.body) == (401, False)
        assert refused.headers["www-authenticate"].startswith('Basic realm="orders"')
        shown = ask(connection, "GET", "/pages/orders", None, {"Authorization": f"Bearer {SECRET}"})
        assert b"xyz123456" in shown.body
        server.process.terminate()
        said = server.process.stderr.read()
    assert SECRET not in said
    access.write_text("[users]\n")
    answer = run("serve", *options, cwd=tmp_path)
    assert (answer.code, answer.err.count("\n")) == (2, 1)


def test_what_cannot_be_served_together_is_refused(tmp_path):
    for options in (("--no-callbacks",), (*PAGES, "--metrics"), (*PAGES, "--resume")):
        assert run("serve", *options, cwd=tmp_path).code == 2
    assert run("serve", *PAGES, "--port", "0", cwd=tmp_path).code == 3
    assert not (tmp_path / "orders.db").exists()
