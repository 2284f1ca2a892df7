# What the run needs and whether it is there: `snakemake --cores 1 check`. Without an output, so that it looks anew whenever it is asked.


rule check:
    log:
        f"{RESULTS}/logs/check.log",
    # On the machine where Snakemake runs: the one that downloads.
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_memory(2000),
        runtime=more_minutes(10),
    params:
        run=RUN.model_dump(mode="json"),
        root=str(ROOT),
    message:
        "Is everything there that {RESULTS} needs?"
    script:
        "../workflow/scripts/check.py"
