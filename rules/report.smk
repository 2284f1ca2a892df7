# The report: one page that opens without a network, from the tables and figures that are there.


rule report_page:
    input:
        tables=lambda wildcards: TARGETS.table_files(),
        figures=lambda wildcards: [file for file in TARGETS.figure_files() if file.endswith(".svg")],
        weights=lambda wildcards: [ancient(f"{RESULTS}/weights/{model}.json") for model in TARGETS.diffusion_models()],
        images=lambda wildcards: [ancient(f"{RESULTS}/data/{name}/images.parquet") for name in TARGETS.all_datasets()],
        captions=CAPTIONS,
    output:
        report(f"{RESULTS}/report.html", caption="../workflow/report/page.rst", category="Report"),
    log:
        f"{RESULTS}/logs/report/page.log",
    benchmark:
        f"{RESULTS}/benchmarks/report/page.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        facts=lambda wildcards: TARGETS.report_facts(),
        missing=lambda wildcards: TARGETS.all_missing_notes(),
    message:
        "The report page"
    script:
        "../workflow/scripts/page.py"
