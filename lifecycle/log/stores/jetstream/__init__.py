"""The log in streams of NATS JetStream."""
