"""Atomic file writes, logging and signals."""
