"""Classifiers that the diffusion models are compared with."""
