"""An e-mail for each change, sent once: written with the change, sent from an outbox."""

import sqlite3
from contextlib import closing
from email.message import EmailMessage

from lifecycle import OrderChange, connect

OUTBOX = """CREATE TABLE IF NOT EXISTS outbox
(message_id TEXT UNIQUE, text TEXT, being_sent INTEGER DEFAULT 0)"""


def write(change: OrderChange, connection: sqlite3.Connection) -> None:
    """Write an e-mail in the transaction that settles the delivery: once for each."""
    message_id = f"<{change.position}@shop.example>"
    text = f"Your order {change.order_id} is {change.after}."
    insert = "INSERT INTO outbox (message_id, text) VALUES (?, ?)"
    connection.execute(insert, (message_id, text))


def send_all(outbox: sqlite3.Connection, relay: "PrintedMail") -> None:
    """Send what was written, one process at a time; ask about what a dead one left in doubt."""
    rows = outbox.execute("SELECT * FROM outbox ORDER BY rowid").fetchall()
    for message_id, text, in_doubt in rows:
        if not (in_doubt and relay.accepted(message_id)):
            outbox.execute("UPDATE outbox SET being_sent = 1 WHERE message_id = ?", (message_id,))
            mail = EmailMessage()
            mail["Message-ID"], mail["To"] = message_id, "customer@shop.example"
            mail.set_content(text)
            relay.send(mail)
        outbox.execute("DELETE FROM outbox WHERE message_id = ?", (message_id,))


class PrintedMail:
    """Stands for your mail server: it takes e-mails, and tells which it has taken."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def send(self, mail: EmailMessage) -> None:
        """Take an e-mail."""
        self.taken.append(mail["Message-ID"])
        print(mail.get_content().strip())

    def accepted(self, message_id: str) -> bool:
        """Tell whether an e-mail was taken."""
        return message_id in self.taken


if __name__ == "__main__":
    # Without a transaction of its own each statement is durable when it returns.
    with closing(sqlite3.connect("orders.db", isolation_level=None)) as outbox:
        with connect("sqlite:///orders.db") as orders:
            outbox.execute(OUTBOX)
            orders.record_callback(b'{"id": "xyz", "status": "created"}')
            orders.record_callback(b'{"id": "xyz", "status": "brand_new"}')
            orders.subscription("e-mails", write, exactly_once=True).catch_up()
        send_all(outbox, PrintedMail())
