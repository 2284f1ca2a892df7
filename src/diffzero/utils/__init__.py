"""Files and logging."""
