"""The scoring engine and the score store."""
