# What rules ask about wildcards; the answers come from diffzero.workflow.experiment and diffzero.workflow.targets.
from diffzero.models.checkpoint import file_stamps

# Figures join a model and a data set by a hyphen, which names may hold, too.
FIGURE_MODELS = "|".join(map(re.escape, RUN.models))
CAPTIONS = sorted(map(str, (ROOT / "workflow" / "report").glob("*.rst")))


def any_of(names):
    """A pattern of these names; of none, one that nothing matches."""
    return "|".join(map(re.escape, names)) or r"(?!)"


def dataset_block(wildcards):
    return EXPERIMENT.dataset(wildcards.dataset).model_dump(mode="json")


def model_value(key):
    return lambda wildcards: getattr(EXPERIMENT.model(wildcards.model), key)


def crops_of(wildcards):
    return f"{RESULTS}/crops/{wildcards.dataset}/{EXPERIMENT.model(wildcards.model).resolution}.npy"


def scoring_of(wildcards):
    return EXPERIMENT.scorings[wildcards.model, wildcards.dataset, int(wildcards.seed), wildcards.race]


def shards_and_costs(scorings):
    """The cost files of scorings, beside their score files."""
    return [f"{file.removesuffix('.parquet')}.json" for s in scorings for file in EXPERIMENT.score_files(s)]


def files_of(sources):
    return [source["file"] for source in sources]


def unpruned_sources(scorings):
    """What a table or figure of unpruned scores is made of: one dictionary a model and data set."""
    return [
        {
            "model": s.model,
            "dataset": s.dataset,
            "shards": EXPERIMENT.score_files(s),
            "weights": f"{RESULTS}/weights/{s.model}.json",
            "items": f"{RESULTS}/data/{s.dataset}/items.parquet",
        }
        for s in scorings
    ]


def unpruned_inputs(scorings):
    """The files of unpruned_sources; the weights' address is no reason to make anything anew."""
    sources = unpruned_sources(scorings)
    return [file for s in sources for file in (*s["shards"], s["items"])] + [ancient(s["weights"]) for s in sources]


def unpruned_of(wildcards):
    return [s for s in EXPERIMENT.full_scorings if (s.model, s.dataset) == (wildcards.model, wildcards.dataset)]


def table_files(name, *kinds):
    return expand(f"{RESULTS}/tables/{name}.{{kind}}", kind=kinds or ("md", "tex", "json"))


def entry_of(kind):
    """The entry of a list of figures in the configuration that a rule's wildcards name."""
    return lambda wildcards: next(e for e in getattr(RUN, kind) if (e.model, e.dataset) == (wildcards.model, wildcards.dataset)).model_dump()


def seen_by_models(names):
    return {name: EXPERIMENT.dataset(name).seen_by_models for name in names}


def test_sizes(names):
    """Images of the whole test sets, as documented; None where they are not."""
    return {name: EXPERIMENT.dataset(name).test_size for name in names}


def efficiency_scores(wildcards, unshared):
    return EXPERIMENT.score_files(EXPERIMENT.figure2_scorings(wildcards.model, wildcards.dataset)[unshared])


def this_command():
    """How this run is called, for the messages that say what to type next; targets can be put behind it."""
    named = [str(Path(path).relative_to(ROOT) if Path(path).is_relative_to(ROOT) else path) for path in workflow.configfiles]
    return command_line(named, workflow.config_settings.config_args or [])


def is_partial_report_requested():
    """Whether only tables, figures or the report are asked for, of a run of which something is there already.

    A job's own process sees no targets; by the time it runs, all that its rule was promised exists.
    """
    if not workflow.is_main_process:
        return True
    asked = set(getattr(workflow.dag_settings, "targets", None) or [])
    return bool(asked) and asked <= {"tables", "figures", "report"} and not TARGETS.is_empty()


def only_asked():
    """Whether nothing was to be made: plan and check answer a question, and a word about tables and costs would be none to it."""
    asked = set(getattr(workflow.dag_settings, "targets", None) or [])
    return bool(asked) and asked <= {"plan", "check"}


def subject(wildcards):
    """The source of one model's decisions on cue-conflict images in one session, which is what a seed is to model-vs-human."""
    wanted = (wildcards.subject, wildcards.dataset, RUN.noise_seeds[int(wildcards.session) - 1])
    return [s for s in TARGETS.sources("classification") if (s["model"], s["dataset"], s["seed"]) == wanted]


def of_dataset(wildcards):
    """The sources of every model on one data set."""
    return [s for s in TARGETS.sources("classification") if s["dataset"] == wildcards.dataset]


def first_seed(wildcards):
    """The sources of one model on one data set, at the run's first seed: one prediction an image."""
    wanted = (wildcards.model, wildcards.dataset, RUN.noise_seeds[0])
    return [s for s in TARGETS.sources("classification") if (s["model"], s["dataset"], s["seed"]) == wanted]
