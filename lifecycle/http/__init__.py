"""HTTP for every provider: complete bodies, a guarded server, limited log lines."""
