# Tables of the paper's studies: weightings, variants of the images and prompts, calibration. From stored scores alone.


rule weightings:
    input:
        lambda wildcards: unpruned_inputs(TARGETS.full_scorings()),
        table4="config/paper/table4.csv",
        ablations="config/paper/ablations.csv",
    output:
        csv=report(f"{RESULTS}/tables/table4.csv", caption="../workflow/report/table4.rst", category="Tables", labels={"table": "table4"}),
        rest=table_files("table4"),
        transfer=report(f"{RESULTS}/tables/transfer.csv", caption="../workflow/report/transfer.rst", category="Tables", labels={"table": "transfer"}),
        transfer_rest=table_files("transfer"),
        combined=report(f"{RESULTS}/tables/combined.csv", caption="../workflow/report/combined.rst", category="Tables", labels={"table": "combined"}),
        combined_rest=table_files("combined"),
    log:
        f"{RESULTS}/logs/tables/weightings.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/weightings.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(16000),
        runtime=more_minutes(60),
    params:
        sources=lambda wildcards: unpruned_sources(TARGETS.full_scorings()),
        weighting=RUN.weighting.model_dump(),
        absent=lambda wildcards: TARGETS.missing_notes(full_scoring=True),
        sizes=test_sizes(RUN.datasets),
    message:
        "Table 4, transfer of learned weights, and Appendix F"
    script:
        "../workflow/scripts/weightings.py"


rule variants:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification", "ablations")),
        paper="config/paper/ablations.csv",
    output:
        csv=report(f"{RESULTS}/tables/variants.csv", caption="../workflow/report/variants.rst", category="Tables", labels={"table": "variants"}),
        rest=table_files("variants"),
    log:
        f"{RESULTS}/logs/tables/variants.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/variants.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("classification", "ablations"),
        rows=lambda wildcards: TARGETS.ablation_rows(),
        absent=lambda wildcards: TARGETS.missing_notes("ablations"),
        sizes=test_sizes(RUN.datasets),
    message:
        "Section 4.1 and the prompt study"
    script:
        "../workflow/scripts/variants.py"


rule calibration:
    input:
        lambda wildcards: unpruned_inputs(TARGETS.full_scorings()),
        paper="config/paper/ablations.csv",
    output:
        csv=report(f"{RESULTS}/tables/calibration.csv", caption="../workflow/report/calibration.rst", category="Tables", labels={"table": "calibration"}),
        rest=table_files("calibration"),
        bins=f"{RESULTS}/replayed/reliability.csv",
    log:
        f"{RESULTS}/logs/tables/calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/calibration.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(16000),
        runtime=more_minutes(60),
    params:
        sources=lambda wildcards: unpruned_sources(TARGETS.full_scorings()),
        policy=RUN.policy.model_dump(),
        weighting=RUN.weighting.model_dump(),
        absent=lambda wildcards: TARGETS.missing_notes(full_scoring=True),
    message:
        "Calibration of both confidences"
    script:
        "../workflow/scripts/calibration.py"
