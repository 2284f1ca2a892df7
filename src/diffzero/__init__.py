"""Text-to-image diffusion models as zero-shot classifiers (Clark & Jaini, NeurIPS 2023)."""
