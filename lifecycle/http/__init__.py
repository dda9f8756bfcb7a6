"""What speaks HTTP for others: whole bodies, a guarded server, log lines in bounded number."""
