"""The log in NATS JetStream. What is called a stream there is a JetStream stream here."""
