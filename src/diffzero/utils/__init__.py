"""Atomic file writes, logging, signals, and base classes of configuration blocks."""
