# Checks before a run: its cost (`snakemake --cores 1 plan`), and whether weights and data are available (`snakemake --cores 1 check`).
# Neither rule has an output, so both run every time.
localrules:
    plan,
    check,


rule plan:
    log:
        log_of("plan"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(),
    params:
        run=RUN.model_dump(mode="json"),
        root=str(ROOT),
        # Also without `--profile slurm`.
        limit=lambda wildcards: score_job_limit(),
    message:
        f"Plan the cost of {RESULTS}"
    script:
        "../workflow/scripts/plan.py"


rule check:
    log:
        log_of("check"),
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(mem_mb=2000),
    params:
        run=RUN.model_dump(mode="json"),
        root=str(ROOT),
    message:
        f"Check that the weights and data of {RESULTS} are available"
    script:
        "../workflow/scripts/check.py"
