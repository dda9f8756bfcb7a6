"""What a service embeds: orders, sync and async, and the receipts they return."""
