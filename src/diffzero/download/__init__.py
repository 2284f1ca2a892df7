"""Downloads from the hub and from plain URLs."""
