"""SLURM and GPU assignment."""
