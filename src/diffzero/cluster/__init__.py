"""SLURM, GPU assignment and signals."""
