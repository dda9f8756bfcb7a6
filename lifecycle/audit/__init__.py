"""Looking at the log from outside: taking it elsewhere, and proving that nobody changed it."""
