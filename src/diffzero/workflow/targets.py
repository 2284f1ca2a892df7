"""What tables, figures and the report are made of: every result of a run, or only what is there, and how to make the rest."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diffzero.reporting.table_format import FORMATS
from diffzero.workflow.experiment import LEWIS, SCENES, Experiment, Scoring, variant_name

TABLES = ("table1", "table2", "table4", "transfer", "combined", "variants", "spread", "calibration", "paired", "cost")
REPLAYED = ("reliability", "timesteps", "frontier", "sensitivity")  # figures of one model's unpruned scores


def command_line(files: Sequence[str], overrides: Sequence[str]) -> str:
    """How a run with these configuration files and `--config` entries is called; targets can be put behind it."""
    own = list(files) in ([], ["config/config.yaml"])
    words = ["snakemake", *(["--profile", "slurm"] if own else ["--cores", "all"])]
    if not own:
        words += [f"--configfile={files[0]}"] if len(files) == 1 else ["--configfile", *files]
    words += ["--config", *overrides] if overrides else []
    # Both options take all that follows: without `--`, a target for one more file or entry.
    return shlex.join([*words, "--"] if overrides or len(files) > 1 else words)


@dataclass(frozen=True)
class Result:
    """One thing that tables or figures need: `file` exists, or can be made without a network from `shards`."""

    name: str
    file: str
    shards: tuple[str, ...] = ()

    @property
    def there(self) -> bool:
        """Whether it can be had without scoring."""
        return Path(self.file).is_file() or bool(self.shards) and all(Path(path).is_file() for path in self.shards)

    @property
    def state(self) -> str:
        """The name, and how far its scores have come."""
        done = sum(Path(path).is_file() for path in self.shards)
        return f"{self.name} ({done} of {len(self.shards)} score shards)" if self.shards else self.name


class Publication:
    """Answers for the rules of tables, figures and the report.

    `only_there()`: leave out what would have to be scored first, instead of scoring it. `command`: how this run is called,
    without targets.
    """

    def __init__(self, experiment: Experiment, only_there: Callable[[], bool], command: str) -> None:
        self.experiment, self.run, self.folder = experiment, experiment.run, experiment.folder
        self._asked, self.command = only_there, command

    @cached_property
    def only_there(self) -> bool:
        """Whether what would have to be scored first is left out. Not before the rules are read: targets are known after that."""
        return self._asked()

    def _result(self, scoring: Scoring) -> Result:
        name = f"{scoring.model} on {scoring.dataset}" + (
            f", seed {scoring.seed}" if len(self.run.noise_seeds) > 1 else ""
        )
        return Result(name, self.experiment.predictions(scoring), tuple(self.experiment.shards(scoring)))

    def _unpruned(self, scoring: Scoring) -> Result:
        shards = self.experiment.shards(scoring)
        return Result(f"unpruned scores of {scoring.model} on {scoring.dataset}", shards[-1], tuple(shards))

    def _takes(self, result: Result) -> bool:
        return not self.only_there or result.there

    def _predictions(self, scorings: list[Scoring], baselines: list[str]) -> list[tuple[dict, Result]]:
        """Every source (model, dataset, seed, kind, file) of these scorings and of the baselines on these data sets."""
        pairs = []
        for s in scorings:
            result = self._result(s)
            facts = {"model": s.model, "dataset": s.dataset, "seed": s.seed, "kind": "diffusion", "file": result.file}
            pairs.append((facts, result))
        for dataset in baselines:
            for model, file in self.experiment.clip_predictions(dataset).items():
                facts = {
                    "model": model,
                    "dataset": dataset,
                    "seed": self.run.noise_seeds[0],
                    "kind": "baseline",
                    "file": file,
                }
                pairs.append((facts, Result(f"{model} on {dataset}", file)))
        return pairs

    @cached_property
    def _groups(self) -> dict[str, list[tuple[dict, Result]]]:
        main, scenes = self.experiment.main, self.experiment.scene_sets
        # The two sets of scenes are groups of their own: an accuracy over both would be one of no images in particular.
        binding, lewis = ([name] if name in scenes else [] for name in (SCENES, LEWIS))
        return {
            "classification": self._predictions([s for s in main if s.dataset not in scenes], self.run.datasets),
            "binding": self._predictions([s for s in main if s.dataset in binding], binding),
            "lewis": self._predictions([s for s in main if s.dataset in lewis], lewis),
            "variants": self._predictions(self.experiment.varied, []),
        }

    def wanted(self, *groups: str) -> list[dict]:
        """model, dataset, kind of every result that the run asks for, there or not."""
        return [{k: facts[k] for k in ("model", "dataset", "kind")} for g in groups for facts, _ in self._groups[g]]

    def sources(self, *groups: str) -> list[dict]:
        """The prediction files to read: model, dataset, seed, kind, file."""
        return [facts for group in groups for facts, result in self._groups[group] if self._takes(result)]

    def unpruned(self) -> list[Scoring]:
        """The unpruned scorings to read."""
        return [s for s in self.experiment.unpruned if self._takes(self._unpruned(s))]

    def scorings(self) -> list[Scoring]:
        """All scorings whose cost is to be told."""
        found = {
            (s.model, s.dataset, s.seed, s.race): s for s in [*self.experiment.scorings.values(), *self.experiment.main]
        }
        return [
            s
            for s in found.values()
            if not self.only_there or all(map(Path.exists, map(Path, self.experiment.shards(s))))
        ]

    def missing(self, *groups: str, unpruned: bool = False) -> list[Result]:
        """What is left out because it is not there."""
        results = [result for group in groups for _, result in self._groups[group]]
        results += map(self._unpruned, self.experiment.unpruned) if unpruned else []
        return [result for result in results if not self._takes(result)]

    def absent(self, *groups: str, unpruned: bool = False) -> list[str]:
        """One note for each missing result, with the command that makes it."""
        return [
            f"Not there yet: {r.state}. `{self.command} {r.file}`" for r in self.missing(*groups, unpruned=unpruned)
        ]

    def tables(self) -> list[str]:
        """The result tables."""
        sets = {SCENES: ["table3", "controlled"], LEWIS: ["table3-lewis"]}
        names = [*TABLES, *(table for name in self.experiment.scene_sets for table in sets[name])]
        return [f"{self.folder}/tables/{name}.{kind}" for name in sorted(names) for kind in FORMATS]

    def cue_datasets(self) -> list[str]:
        """The run's data sets of images with a shape and a texture."""
        return [name for name in self.run.datasets if self.experiment.dataset(name).cue_pattern]

    def exports(self) -> list[str]:
        """The decisions on cue-conflict images as model-vs-human reads them: a file a model and seed, its session."""
        names, seeds = self.cue_datasets(), list(self.run.noise_seeds)
        return [
            f"{self.folder}/tables/model-vs-human/{f['dataset']}/cue-conflict_{f['model']}_session_{seeds.index(f['seed']) + 1}.csv"
            for f in self.sources("classification")
            if f["dataset"] in names
        ]

    @cached_property
    def _special(self) -> dict[str, Result]:
        """Figures that need a network of their own, by stem: they are there when their pictures or scores are."""
        folder, found = self.folder, {}
        for e in self.run.figure2_efficiency:
            shards = tuple(f for s in self.experiment.efficiency(e.model, e.dataset) for f in self.experiment.shards(s))
            stem = f"efficiency-{e.model}-{e.dataset}"
            found[stem] = Result(f"Figure 2 of {e.model} on {e.dataset}", f"{folder}/figures/{stem}.svg", shards)
        for kind, number in (("denoised", 3), ("samples", 6)):
            for e in getattr(self.run, f"figure{number}_{kind}"):
                file = f"{folder}/{kind}/{e.model}/{e.dataset}.safetensors"
                found[f"{kind}-{e.model}-{e.dataset}"] = Result(f"Figure {number} of {e.model} on {e.dataset}", file)
        return found

    def stems(self) -> list[str]:
        """The figures, by the stem of their files."""
        stems = [stem for stem, result in self._special.items() if self._takes(result)]
        stems += [f"{kind}-{s.model}-{s.dataset}" for kind in REPLAYED for s in self.unpruned()]
        seen = {(f["model"], f["dataset"]): None for f in self.sources("classification") if f["kind"] == "diffusion"}
        stems += [f"confusion-{model}-{dataset}" for model, dataset in seen]
        cues, there = self.cue_datasets(), {f["dataset"] for f in self.sources("classification")}
        stems += [f"shapes-{name}" for name in cues if name in there]
        stems += ["scenes", "binding", "controlled", "breakdown"] if self.sources("binding") else []
        diffusion = any(f["kind"] == "diffusion" for f in self.sources("classification", "binding", "lewis"))
        stems += ["calls"] if diffusion else []
        return stems + (["paired"] if len(self.sources("classification", "binding", "lewis")) > 1 else [])

    def figures(self) -> list[str]:
        """The figures' files, each as SVG and PNG."""
        return [f"{self.folder}/figures/{stem}.{kind}" for stem in self.stems() for kind in ("svg", "png")]

    def everything_missing(self) -> list[Result]:
        """All that is left out of tables and figures."""
        special = [result for result in self._special.values() if not self._takes(result)]
        return self.missing("classification", "binding", "lewis", "variants", unpruned=True) + special

    def nothing_there(self) -> bool:
        """Whether not a single result of the run is there, be it predictions, unpruned scores or pictures."""
        predicted = (result for group in self._groups.values() for _, result in group)
        unpruned = map(self._unpruned, self.experiment.unpruned)
        return not any(result.there for result in (*predicted, *unpruned, *self._special.values()))

    def variant_rows(self) -> list[dict]:
        """Rows of the tables of variants: every variant, and before the first of each model and data set the plain one."""
        rows: dict[tuple, dict] = {}
        for v in self.run.ablations:
            study = "reduced" if v.downsample_to else "template"
            plain = "full resolution" if v.downsample_to else "plain template"
            setting = (
                f"reduced to {v.downsample_to}x{v.downsample_to}"
                if v.downsample_to
                else f"template {v.prompt_template}"
            )
            common = {"study": study, "model": v.model, "dataset": v.dataset}
            rows.setdefault((study, v.model, v.dataset), common | {"setting": plain, "variant": v.dataset})
            rows[study, v.model, v.dataset, setting] = common | {"setting": setting, "variant": variant_name(v)}
        return sorted(rows.values(), key=lambda row: (row["study"], row["model"], row["dataset"]))

    def datasets(self) -> list[str]:
        """The data sets of which some result is read."""
        return list(dict.fromkeys(facts["dataset"] for facts in self.sources("classification")))

    def all_datasets(self) -> list[str]:
        """The data sets of which some result, of whatever kind, is read."""
        groups = self.sources("classification", "binding", "lewis", "variants")
        return list(dict.fromkeys([*(f["dataset"] for f in groups), *(s.dataset for s in self.unpruned())]))

    def models(self) -> list[str]:
        """The diffusion models of which some result is read."""
        groups = self.sources("classification", "binding", "lewis", "variants")
        named = [f["model"] for f in groups if f["kind"] == "diffusion"]
        return list(dict.fromkeys([*named, *(s.model for s in self.unpruned())]))

    def absent_everything(self) -> list[str]:
        """One note for each missing result of tables and figures, with the command that makes it."""
        return [f"{r.state}: `{self.command} {r.file}`" for r in self.everything_missing()]

    def summary(self) -> str:
        """What to tell on the terminal when tables, figures or the report were made of an unfinished run; empty otherwise."""
        notes = self.absent_everything() if self.only_there else []
        head = f"\ndiffzero: {len(notes)} results are not there yet and shown as missing. What makes each:\n"
        return head + "".join(f"  {note.replace('`', '')}\n" for note in notes) if notes else ""

    def facts(self) -> dict:
        """What the report page says about the run, as plain values."""
        run = self.run
        policy, weighting = run.policy.model_dump(), run.weighting.model_dump()
        return {
            "run": run.name, "seeds": list(run.noise_seeds), "subset_seed": run.subset_seed, "images": run.max_images,
            "policy": ", ".join(f"{k} {v}" for k, v in policy.items() if v != []),
            "weighting": ", ".join(f"{k} {v}" for k, v in weighting.items()),
            "command": self.command, "folder": self.folder, "datasets": self.all_datasets(),
            "models": list(dict.fromkeys([*self.models(), *(f["model"] for f in self.sources("classification", "binding", "lewis"))])),
        }  # fmt: skip
