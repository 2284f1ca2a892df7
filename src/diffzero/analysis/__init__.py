"""Statistics computed from scores and predictions."""
