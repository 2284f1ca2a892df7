"""Functions behind the Snakemake rules: experiment, paths, targets, resources, plan and checks."""
