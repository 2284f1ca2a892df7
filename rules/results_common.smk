# Output and input functions of the rules for tables, figures and the report.
from diffzero.reporting.figures import FIGURES
from diffzero.reporting.inputs import GROUPS
from diffzero.reporting.table_format import TABLE_FORMATS
from diffzero.workflow import report_inputs


def table_files(tables):
    """Return the files of result tables; the CSV files appear in Snakemake's report."""
    files = [result(file) for table in tables for file in table.data]
    for table in tables:
        caption, labels = f"../workflow/report/{table.name}.rst", {"table": table.name}
        files.append(report(result(f"tables/{table.name}.csv"), caption=caption, category="Tables", labels=labels))
        files += expand(result("tables/{name}.{suffix}"), name=table.name, suffix=[suffix for suffix in TABLE_FORMATS if suffix != "csv"])
    return files


def figure_files(keys):
    """Return the files of figures; the SVG files appear in Snakemake's report."""
    files = []
    for key in keys:
        kind = FIGURES[key.kind]
        caption, labels = f"../workflow/report/{kind.caption or key.kind}.rst", {"figure": key.kind, "model": key.model, "dataset": key.dataset}
        svg, *others = [result(f"figures/{file}") for file in report_inputs.figure_outputs([key])]
        files += [report(svg, caption=caption, category=kind.category, labels=labels), *others]
    return files


def roots(wildcards):
    """Return the images and records of weights that everything else is made from.

    A failed job loses its outputs, and Snakemake makes a missing file again only if it is a target or a job that runs reads it.
    """
    images = [prepared(name)["images"] for name in TARGETS.all_datasets()]
    return images + [checkpoint_record(model) for model in TARGETS.models()]


def reported(tables):
    """Return the files of the paper's numbers that tables show."""
    return [f"config/paper/{name}.csv" for name in dict.fromkeys(name for table in tables for name in table.reported)]


def available(keys):
    """Return the figures among these whose inputs exist or are made, for the params of a rule."""
    wanted = set(TARGETS.figure_keys())
    return [list(key) for key in keys if key in wanted]


def missing(keys):
    """Return the other figures, for the params of a rule."""
    wanted = set(TARGETS.figure_keys())
    return [list(key) for key in keys if key not in wanted]


def prediction_files(wildcards):
    return [source["file"] for source in TARGETS.sources(*GROUPS)]


def score_files(wildcards):
    """Return the scores without pruning. A new record of the same weights is no reason to analyse them again."""
    params = report_inputs.score_params(TARGETS)
    sources = [*params["full_scores"], *params["efficiency"]]
    files = [file for source in sources for name in ("shards", "shared", "unshared") for file in source.get(name, [])]
    return files + [source["items"] for source in sources] + [ancient(source["weights"]) for source in sources]


def figure_inputs(wildcards):
    """Return the prepared data and the generated images that figures show."""
    params = report_inputs.figure_params(TARGETS)
    datasets = params["datasets"]
    files = [dataset["prompts"] for dataset in datasets.values()]
    files += [datasets[SCENES][name] for name in ("items", "images") if SCENES in datasets]
    return files + [source["file"] for source in [*params["denoised"], *params["samples"]]]


def session_source(wildcards):
    """Return the predictions of one model on one data set at one seed, which is one session in model-vs-human."""
    wanted = (wildcards.subject, wildcards.dataset, RUN.noise_seeds[int(wildcards.session) - 1])
    return [s for s in TARGETS.sources("classification") if (s["model"], s["dataset"], s["seed"]) == wanted]
