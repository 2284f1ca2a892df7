"""Noise schedules, draws and weightings."""
