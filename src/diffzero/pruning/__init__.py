"""Pruning policies, races and their replay."""
