# What the run will cost: `snakemake --cores 1 plan`. Without an output, so that it is made anew from the latest measurements.


rule plan:
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        run=RUN.model_dump(mode="json"),
        root=str(ROOT),
        # Without the cluster's profile, the longest that anybody gives.
        walltime=lambda wildcards: longest_minutes("score"),
    message:
        "Plan of {RESULTS}"
    script:
        "../workflow/scripts/plan.py"
