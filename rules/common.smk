# Helper functions of the rules: paths, wildcard patterns, input functions. The logic is in diffzero.workflow.


import functools

from diffzero.data.source_files import STATE
from diffzero.workflow import targets
from diffzero.workflow.source_state import update_state


def any_of(names):
    """Return a pattern that matches exactly these names; without names, one that matches nothing."""
    return "|".join(map(re.escape, names)) or r"(?!)"


def result(path):
    """Return a path below the run's folder."""
    return f"{RESULTS}/{path}"


def log_of(path):
    """Return the log file of a job: the path of its result, below `logs`."""
    return f"{RESULTS}/logs/{path}.log"


def prepared(dataset="{dataset}"):
    """Return the images, prompts and items of a prepared data set, as named outputs."""
    data_dir = result(f"data/{dataset}")
    return {"images": f"{data_dir}/images.parquet", "prompts": f"{data_dir}/prompts.json", "item_table": f"{data_dir}/items.parquet"}


def source_state(wildcards):
    """Return the file that is newer than the images of a data set if the files of its source have changed."""
    name = getattr(wildcards, "dataset", LEWIS)
    # Only the process that schedules jobs compares the files; its jobs read the state file that it has written.
    if snakemake_internals.is_main_process(workflow):
        try:
            return update_state(EXPERIMENT, name)
        except OSError as error:
            sys.exit(f"diffzero: {name}: the files of its source cannot be listed ({error}). Make them readable.")
    return result(f"data/{name}/{STATE}")


def checkpoint_record(model="{model}"):
    """Return the record of a model's checkpoint."""
    return result(f"weights/{model}.json")


def crops_of(wildcards):
    """Return the crops of a data set at the resolution of a model."""
    return result(f"crops/{wildcards.dataset}/{EXPERIMENT.model(wildcards.model).resolution}.npy")


def encoded(model="{model}", dataset="{dataset}"):
    """Return the latents and text embeddings of a data set, as named inputs."""
    inputs_dir = result(f"inputs/{model}/{dataset}")
    return {"x": f"{inputs_dir}/x.npy", "text": f"{inputs_dir}/text.safetensors"}


def scoring_of(wildcards):
    """Return the scoring that the wildcards name."""
    return EXPERIMENT.scorings[wildcards.model, wildcards.dataset, int(wildcards.seed), wildcards.race]


def cost_files(scorings):
    """Return the cost files of scorings, beside their score files."""
    return [f"{file.removesuffix('.parquet')}.json" for scoring in scorings for file in EXPERIMENT.score_files(scoring)]


def baseline_files():
    """Return the predictions of every baseline, one file per data set and input setting."""
    files = {}
    for dataset in [*RUN.datasets, *EXPERIMENT.scene_datasets]:
        for file in EXPERIMENT.baseline_predictions(dataset).values():
            files.setdefault(Path(file).parts[-3], []).append(file)
    return files


def entries_of(model, entries):
    """Return the entries of a list of figures in the configuration that name this model."""
    return [entry for entry in entries if entry.model == model]


def this_command():
    """Return the command line of this run without targets, for messages that name the next command."""
    files = snakemake_internals.config_files(workflow)
    names = [str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in files]
    return targets.command_line(names, snakemake_internals.config_overrides(workflow))


def require_known_targets():
    """End this Snakemake with the nearest target if one on the command line is made by no rule."""
    if not (snakemake_internals.is_main_process(workflow) and snakemake_internals.is_command(sys.argv)):
        return
    options = snakemake_internals.parse_snakemake_command(sys.argv[1:])
    names = {wild: snakemake_internals.rule_names(workflow, with_wildcards=wild) for wild in (False, True)}
    selected = [*(options.until or []), *(options.omit_from or []), *(options.forcerun or [])]
    try:
        for words, rules, jobs in ((options.targets, names[False], names[True]), (selected, names[False] + names[True], [])):
            can_make = functools.partial(snakemake_internals.can_make, workflow)
            command_line.check_targets(words, rules, jobs, can_make, list_files)
    except ConfigError as error:
        command_line.print_error(error)
        sys.exit(1)


def list_files():
    """Return files of the run that one may want to make, for suggestions."""
    predictions = [EXPERIMENT.predictions_file(scoring) for scoring in EXPERIMENT.main_scorings]
    scores = [file for scoring in EXPERIMENT.scorings.values() for file in EXPERIMENT.score_files(scoring)]
    return [*TARGETS.table_files(), *TARGETS.figure_files(), f"{RESULTS}/report.html", *predictions, *scores]


def asks_for_existing_results():
    """Return whether only tables, figures or the report are requested, of a run of which some results exist.

    The process of a job sees no targets; when it runs, everything that its rule needs exists.
    """
    if not snakemake_internals.is_main_process(workflow):
        return True
    requested = snakemake_internals.requested_targets(workflow)
    return bool(requested) and requested <= {"tables", "figures", "report"} and not TARGETS.is_empty()


def makes_results():
    """Return whether this Snakemake makes results, as opposed to only running `plan` or `check`."""
    requested = snakemake_internals.requested_targets(workflow)
    return not requested or not requested <= {"plan", "check"}


def closing_message(success):
    """Return the message that ends this run."""
    return cost.closing_message(Path(result("scores")), sys.argv, result("tables"), success)
