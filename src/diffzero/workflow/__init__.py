"""What the Snakemake rules ask about a run."""
