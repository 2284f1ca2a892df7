# Tables, figures and the report, in four jobs: outputs that read scores without pruning (much memory), the other tables, the other
# figures, and the page. Each job makes all of its files, because starting a job takes longer than making a table. For an unfinished
# run, tables and figures show what is missing and the command that makes it.
REQUESTED = TargetSet(EXPERIMENT, lambda: False, TARGETS.command)  # the whole run, whether its results exist or not
SCORE_TABLES, OTHER_TABLES = report_inputs.tables_of_scores(), report_inputs.tables_of_predictions(TARGETS)
SCORE_FIGURES = [key for key in REQUESTED.figure_keys() if report_inputs.reads_scores(FIGURES[key.kind])]
OTHER_FIGURES = [key for key in REQUESTED.figure_keys() if key not in SCORE_FIGURES]

MISSING_NOTE = f"Not available yet. This command makes it: {TARGETS.command}"


# One short job per model and seed: on a cluster, such jobs would mostly wait in the queue.
localrules:
    export_model_vs_human,


rule analyse_full_scores:
    input:
        score_files,
        paper=reported(SCORE_TABLES),
    output:
        table_files(SCORE_TABLES),
        figure_files(SCORE_FIGURES),
    log:
        log_of("results/full_scores"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(mem_mb=16000, runtime=360),
    params:
        inputs=lambda wildcards: report_inputs.score_params(TARGETS),
        tables=[table.name for table in SCORE_TABLES],
        figures=lambda wildcards: available(SCORE_FIGURES),
        missing=lambda wildcards: missing(SCORE_FIGURES),
        note=lambda wildcards: MISSING_NOTE if missing(SCORE_FIGURES) else "",
    message:
        "Analyse the scores without pruning: Table 4, calibration, and replays of other policies"
    script:
        "../workflow/scripts/make_tables_and_figures.py"


rule make_tables:
    input:
        prediction_files,
        lambda wildcards: report_inputs.table_params(TARGETS)["costs"],
        prompts=lambda wildcards: [prepared(name)["prompts"] for name in TARGETS.datasets("classification")],
        selections=lambda wildcards: list(report_inputs.selection_files(TARGETS).values()),
        paper=reported(OTHER_TABLES),
    output:
        table_files(OTHER_TABLES),
    log:
        log_of("results/tables"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(),
    params:
        inputs=lambda wildcards: report_inputs.table_params(TARGETS),
        tables=[table.name for table in OTHER_TABLES],
        figures=[],
        missing=[],
        note="",
    message:
        "Make the tables from predictions and costs"
    script:
        "../workflow/scripts/make_tables_and_figures.py"


rule plot_figures:
    input:
        prediction_files,
        figure_inputs,
        tables=[result(name) for key in OTHER_FIGURES for name in FIGURES[key.kind].inputs if name.endswith(".csv")],
    output:
        figure_files(OTHER_FIGURES),
    log:
        log_of("results/figures"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(runtime=30),
    params:
        inputs=lambda wildcards: report_inputs.figure_params(TARGETS),
        tables=[],
        figures=lambda wildcards: available(OTHER_FIGURES),
        missing=lambda wildcards: missing(OTHER_FIGURES),
        note=lambda wildcards: MISSING_NOTE if missing(OTHER_FIGURES) else "",
    message:
        "Plot the figures from predictions, tables and generated images"
    script:
        "../workflow/scripts/make_tables_and_figures.py"


rule export_model_vs_human:
    input:
        predictions=lambda wildcards: [source["file"] for source in session_source(wildcards)],
        prompts=result("data/{dataset}/prompts.json"),
    output:
        result("tables/model-vs-human/{dataset}/cue-conflict_{subject}_session_{session}.csv"),
    log:
        log_of("tables/model-vs-human/{dataset}/cue-conflict_{subject}_session_{session}"),
    wildcard_constraints:
        subject=r"[A-Za-z0-9.@_-]+",
        session=r"\d+",
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(mem_mb=2000),
    params:
        sources=session_source,
    message:
        "Export the decisions of {wildcards.subject} on {wildcards.dataset} for model-vs-human"
    script:
        "../workflow/scripts/export_model_vs_human.py"


rule write_report:
    input:
        tables=lambda wildcards: TARGETS.table_files(),
        figures=lambda wildcards: [file for file in TARGETS.figure_files() if file.endswith(".svg")],
        weights=lambda wildcards: [ancient(checkpoint_record(model)) for model in TARGETS.diffusion_models()],
        images=lambda wildcards: [ancient(prepared(name)["images"]) for name in TARGETS.all_datasets()],
        captions=sorted(map(str, (ROOT / "workflow" / "report").glob("*.rst"))),
    output:
        report(result("report.html"), caption="../workflow/report/page.rst", category="Report"),
    log:
        log_of("results/report"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(),
    params:
        facts=lambda wildcards: TARGETS.report_facts(),
        missing=lambda wildcards: TARGETS.all_missing_notes(),
    message:
        "Write the report page"
    script:
        "../workflow/scripts/write_report.py"
