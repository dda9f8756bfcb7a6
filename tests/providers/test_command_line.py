"""`simulate`, `serve`, `reconcile` and the commands that read, for every provider, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from campaigns.accounts import ACCOUNTS
from lifecycle import connect
from lifecycle.http.create_order import Created, create_order
from lifecycle.registry import part_of
from tests.providers.shops import CALLER, OURS, SECRET, SHOPS
from tests.scenario.command_line import run

PROVIDERS = tuple(ACCOUNTS)


@contextmanager
def running(folder, *arguments, **also):
    """Run a command until the test ends, and yield the URL that it tells."""
    command = [sys.executable, "-m", "lifecycle", *arguments]
    environment = os.environ | {"PYTHONUTF8": "1"} | also
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            words = process.stderr.readline().split()
            yield next(word.strip(";") for word in words if word.startswith("http"))
        finally:
            process.terminate()
            process.communicate(timeout=60)


def post(url, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status


@pytest.fixture(params=PROVIDERS)
def name(request):
    return request.param


@contextmanager
def in_business(name, folder, *faults):
    """Run a receiver and a provider, create an order, and yield the provider's URL."""
    known = {
        "LIFECYCLE_RECEIVER_CLIENT_ID": CALLER.replace(" ", "-"),
        "LIFECYCLE_RECEIVER_CLIENT_SECRET": SECRET.replace(" ", "-"),
        "LIFECYCLE_RECEIVER_SIGNING_KEY": SECRET.replace(" ", "-"),
    }
    settings = {
        "client_secret": OURS,
        "callback_client_id": known["LIFECYCLE_RECEIVER_CLIENT_ID"],
        "callback_client_secret": known["LIFECYCLE_RECEIVER_CLIENT_SECRET"],
        "ways": '{"delivered":1}',
    }
    named = [part for pair in settings.items() for part in ("--set", "=".join(pair))]
    with (
        running(folder, "serve", "--provider", name, "--port", "0", **known) as receiver,
        running(
            folder,
            *("simulate", "--provider", name, "--port", "0", *named, *faults),
            *("--callback-url", f"{receiver}/callbacks"),
        ) as provider,
    ):
        account = SHOPS[name].account(provider)
        with (
            part_of(name, "client").client(**account) as client,
            connect(f"sqlite:///{folder}/lifecycle.db", provider=name) as orders,
        ):
            made = create_order(orders, client, SHOPS[name].request("o-1"))
            assert isinstance(made, Created)
        assert post(f"{provider}/simulator/settle", {"advance": True}) == 200
        yield provider


def test_callbacks_of_a_simulated_provider_reach_a_served_log(name, tmp_path):
    with in_business(name, tmp_path):
        (order,) = run("list", "--json", cwd=tmp_path).value
        assert (order["order_id"], order["status"]) == ("o-1", "delivered")
    for command in ("replay", "verify", "doctor"):
        answer = run(command, "--json", cwd=tmp_path)
        assert (command, answer.code, answer.value["ok"]) == (command, 0, True)
    assert run("diagram", "--order", "o-1", "--format", "svg", cwd=tmp_path).code == 0
    told = run("stats", cwd=tmp_path)
    assert (told.code, "delivered" in told.out) == (0, True)


def test_reconcile_finds_the_provider_in_the_environment_and_asks_for_what_was_lost(
    name, tmp_path, monkeypatch
):
    with in_business(name, tmp_path, "--fault", "lost=1") as provider:
        assert run("list", "--json", cwd=tmp_path).value[0]["status"] == SHOPS[name].made
        port = part_of(name, "client")
        account = SHOPS[name].account(provider)
        for variable, argument in {**port.settings, **port.optional}.items():
            if argument in account:
                monkeypatch.setenv(f"LIFECYCLE_PROVIDER_{variable}", account[argument])
        asked = run(
            *("reconcile", "--waiting-longer-than", "0s", "--interval", "0s", "--json"),
            cwd=tmp_path,
        )
        assert (asked.code, asked.value["moved"]) == (0, 1)
        assert run("list", "--json", cwd=tmp_path).value[0]["status"] == "delivered"


def test_simulate_lists_what_can_happen_at_a_provider(name, tmp_path):
    told = run("simulate", "--provider", name, "--scenarios", cwd=tmp_path)
    assert (told.code, "delivered" in told.out, "repeated" in told.out) == (0, True, True)
    settings = run("simulate", "--provider", name, "--settings", cwd=tmp_path)
    assert "callback_client_secret" in settings.out
