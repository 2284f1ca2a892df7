"""Guards around Snakemake's SLURM executor plugin."""
