"""The page on the simulated provider: its shell session is typed, and does what it says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from lifecycle import connect
from tests.docs.fences import ROOT, blocks_of

PAGE = ROOT / "docs" / "how-to" / "try-it-against-a-simulated-provider.md"
SESSION = PAGE.read_text().partition("## Everything in one shell")[2].partition("\n## ")[0]
DELIVERED = """
until lifecycle show xyz123456 | grep -q '^xyz123456  delivered'; do sleep 0.2; done
"""


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def typed(folder: Path) -> str:
    """Return the session with ports that are free, waiting where a person would."""
    environment, start, end = [
        block.text for block in blocks_of(SESSION) if block.language == "bash"
    ]
    [program] = [block.text for block in blocks_of(SESSION) if block.language == "py"]
    (folder / "order.py").write_text(program)
    service, provider = free_ports(2)
    waiting = "".join(
        f"until grep -q http {said}; do sleep 0.1; done\n" for said in ("service", "provider")
    )
    start = start.replace("& S", "> out 2> service & S").replace("& P", "> out 2> provider & P")
    order = "python3 order.py xyz123456\n" + DELIVERED
    session = "set -e\n" + environment + start + waiting + order + end
    return session.replace("8080", str(service)).replace("8642", str(provider))


def test_the_session_on_the_page_ends_with_both_orders_delivered(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIFECYCLE_")}
    done = subprocess.run(
        ["bash", "-c", typed(tmp_path)],
        cwd=tmp_path,
        env=environment | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    created, again = re.findall(r"Created\(view=<OrderView instacart:(\w+) created>\)", done.stdout)
    assert (created, again) == ("xyz123456", "abc123")
    assert re.search(r"overdue +1\n +moved +1\n", done.stdout)
    with connect(f"sqlite:///{tmp_path}/lifecycle.db", create=False) as orders:
        assert [view.status for view in orders.find()] == ["delivered", "delivered"]
        assert not orders.get("xyz123456").missing
        assert orders.get("abc123").missing, "no callback was forged"
    assert "hush" not in (tmp_path / "service").read_text() + done.stderr
