# The report: one page that opens without a network, from the tables and figures that are there.


rule report_page:
    input:
        tables=lambda wildcards: PUBLISHED.tables(),
        figures=lambda wildcards: [file for file in PUBLISHED.figures() if file.endswith(".svg")],
        weights=lambda wildcards: [ancient(f"{RESULTS}/weights/{model}.json") for model in PUBLISHED.models()],
        images=lambda wildcards: [ancient(f"{RESULTS}/data/{name}/images.parquet") for name in PUBLISHED.all_datasets()],
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
        facts=lambda wildcards: PUBLISHED.facts(),
        missing=lambda wildcards: PUBLISHED.absent_everything(),
    message:
        "The report page"
    script:
        "../workflow/scripts/page.py"
