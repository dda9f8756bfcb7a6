"""Create an order against a real HTTP server: no answer, then a rejection, then a correction."""

import json
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer

from lifecycle import Orders, Receipt, connect

CREATED = {"id": "xyz123456", "status": "created"}
REJECTED = {
    "error": {"message": "Required parameter missing", "code": 1001},
    "meta": {"key": "address"},
}


class Provider(BaseHTTPRequestHandler):
    """Hangs up on the first request, then wants an address before it creates the order."""

    asked = 0

    def do_POST(self) -> None:
        """Answer one create request, or hang up."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Provider.asked += 1
        if Provider.asked > 1:
            self.send_response(200 if "address" in body else 400)
            self.end_headers()
            self.wfile.write(json.dumps(CREATED if "address" in body else REJECTED).encode())

    def log_message(self, *_: object) -> None:
        """Keep the access log out of the example."""


def create(orders: Orders, port: int, body: dict[str, object]) -> Receipt:
    """Begin a request, send it, and record what became of it."""
    sent = orders.begin_request("xyz123456", body)  # durable before it is sent
    link = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("POST", "/v2/orders", json.dumps(body))
        reply = link.getresponse()
        return sent.answered(reply.status, reply.read(), headers=dict(reply.headers))
    except (OSError, HTTPException):
        return sent.unanswered()
    finally:
        link.close()


with HTTPServer(("127.0.0.1", 0), Provider) as server, connect("memory:") as orders:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body: dict[str, object] = {"order_id": "xyz123456"}
    for tried in (body, body, body | {"address": {"postal_code": "94105"}}):
        create(orders, server.server_port, tried)
        view = orders.get("xyz123456")
        print(view.status, "| attempt", view.attempt, "| awaits", *view.awaiting)
        for error in view.errors:
            print("   ", error.http_status, error.message or "no answer came", error.key or "")
    assert [step.status for step in view.path][-2:] == ["resubmitted", "created"]
    server.shutdown()
