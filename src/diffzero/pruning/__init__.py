"""Pruning policies, races between the classes of one image, and replays of stored scores."""
