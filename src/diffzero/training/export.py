"""Export of trained mini models to resources/models, and their cards with measured accuracies.

Run in the root of the repository, in this order:

    snakemake --cores all --configfile config/demo.yaml -- train_mini
    .venv/bin/python -m diffzero.training.export weights results/mini
    snakemake --cores all --configfile config/minis.yaml -- tables
    .venv/bin/python -m diffzero.training.export cards results/minis/tables
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from diffzero.analysis.statistics import wilson_interval
from diffzero.binding.scenes import HELD_OUT
from diffzero.training.data import EMPTY_CAPTIONS
from diffzero.training.recipe import DATA_MIXES, SCENE_SHARDS, SCENES_PER_SHARD, TRAINING_STAGES
from diffzero.utils.commands import snakemake_command
from diffzero.utils.io import write_atomically

MODELS = Path("resources/models")
DESCRIPTIONS = {
    "mini-sd": "A latent text-to-image diffusion model in Stable Diffusion v1's folder layout, loadable by "
    "`diffusers.StableDiffusionPipeline.from_pretrained`.",
    "mini-if": "A pixel text-to-image diffusion model in DeepFloyd IF-I's folder layout (24 x 24 pixels, learned-variance output, T5 "
    "encoder), loadable by `diffusers.IFPipeline.from_pretrained`.",
    "mini-clip": "A CLIP built and trained with open_clip's own model and loss, loadable by "
    "`open_clip.create_model_and_transforms('local-dir:resources/models/mini-clip')`.",
}
ACCURACY_TARGETS = {"digits": 0.85, "fashion": 0.7}
RECOGNITION_TARGET = 0.8  # accuracy of diffusion models in Shape and Color recognition


class Accuracy(NamedTuple):
    """The number of correct decisions among `n`, and the target as a fraction if there is one."""

    correct: int
    n: int
    target: float | None


def export_weights(trained: Path) -> None:
    """Copy trained models to resources/models, and their learning curves to resources/models/training.

    Parameters
    ----------
    trained : Path
        Folder with one sub-folder per training stage.

    Raises
    ------
    SystemExit
        If a training is not finished.
    """
    for name in TRAINING_STAGES:
        curve = trained / name / "training.jsonl"
        if not curve.is_file():
            sys.exit(
                f"{curve}: no such file, expected a finished training. Run: {snakemake_command('--cores all train_mini')}"
            )
        write_atomically(MODELS / "training" / f"{name}.jsonl", curve.read_bytes())
    for name in DESCRIPTIONS:
        for path in sorted((trained / name).rglob("*")):
            if path.is_file() and path.name != "training.jsonl" and not path.name.startswith("state-"):
                target = MODELS / name / path.relative_to(trained / name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def read_curve(name: str) -> pd.DataFrame:
    """Return a stage's learning curve with the columns step, loss and seconds."""
    return pd.read_json(MODELS / "training" / f"{name}.jsonl", lines=True)


def list_stages(name: str) -> list[str]:
    """Return the training stages of a model, in order."""
    before = TRAINING_STAGES[name].init_from
    return [*(list_stages(before) if before else []), name]


def format_stage(name: str) -> str:
    """Return the table row of a training stage."""
    lines, config = read_curve(name), TRAINING_STAGES[name]
    mix = DATA_MIXES[config.data_mix]
    shown = lines.iloc[:: max(1, len(lines) // 8)]
    if shown.index[-1] != lines.index[-1]:
        shown = pd.concat([shown, lines.tail(1)])
    shares = ", ".join(f"{100 * share:.0f} % {domain}" for domain, share in mix.domains.items())
    losses = ", ".join(f"{row.step}: {row.loss:.4g}" for row in shown.itertuples())
    return (
        f"| {lines['step'].iloc[-1]:,} | {config.batch_size} | {config.lr:g} | {shares} | {100 * mix.one_object:.0f} % | "
        f"{100 * mix.attributes[0]:.0f} % | {lines['seconds'].iloc[-1]:,.0f} | {losses} |"
    )


def describe_training(name: str) -> list[str]:
    """Return the lines of a card that describe data, captions and training stages."""
    rows = [
        "Trained on handwritten digits (scikit-learn) and Fashion-MNIST photographs without the test images, and on "
        f"{SCENE_SHARDS * SCENES_PER_SHARD:,} rendered two-object scenes without held-out pairs. Captions are class templates and "
        f"sentences of the binding tasks in several forms (`diffzero.training.captions`); {100 * EMPTY_CAPTIONS:.0f} % are empty. "
        "Optimiser: AdamW with averaged weights, on one thread of a machine with other load. `snakemake --cores all train_mini` "
        "repeats these stages:",
        "",
        "| steps | batch size | learning rate | domains | scene captions: one object | scene captions: one attribute | seconds "
        "| loss (step: loss) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(format_stage, list_stages(name)),
    ]
    if name == "mini-sd":
        vae = read_curve("vae").iloc[-1]
        rows += ["", f"Autoencoder: {vae['step']:,.0f} steps, {vae['seconds']:,.0f} s, loss {vae['loss']:.4f}."]
    return rows


def format_accuracy(correct: int, n: int) -> str:
    """Format an accuracy in percent with its Wilson 95 % interval."""
    low, high = wilson_interval(correct, n)
    return f"{100 * correct / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}], n = {n}"


def read_accuracies(name: str, tables: Path) -> dict[str, Accuracy]:
    """Read the accuracies of a model from the tables of a run.

    Parameters
    ----------
    name : str
        The model.
    tables : Path
        Folder with table1.csv and table3.csv.

    Returns
    -------
    dict of str to Accuracy
        The data sets, the recognition tasks on seen and on held-out combinations, and all twenty binding tasks together.
    """
    table1, table3 = pd.read_csv(tables / "table1.csv"), pd.read_csv(tables / "table3.csv")
    accuracies: dict[str, Accuracy] = {}
    for row in table1[table1["model"] == name].to_dict("records"):
        dataset, correct = row["dataset"], round(row["accuracy"] * row["n"])
        accuracies[dataset] = Accuracy(correct, int(row["n"]), ACCURACY_TARGETS[dataset])
    binding = table3[table3["model"] == name]
    for split in ("seen", "held-out"):
        target = RECOGNITION_TARGET if split == "seen" and name != "mini-clip" else None
        for row in binding[(binding["split"] == split) & binding["task"].isin(["Shape", "Color"])].to_dict("records"):
            task = f"scenes, {row['task']} recognition, {split} combinations"
            accuracies[task] = Accuracy(round(row["accuracy"] * row["n"]), int(row["n"]), target)
    whole = binding[binding["split"] == "all"]
    correct = round((whole["accuracy"] * whole["n"]).sum())
    accuracies["scenes, all twenty tasks"] = Accuracy(correct, int(whole["n"].sum()), None)
    return accuracies


def model_card(name: str, tables: Path) -> str:
    """Return a model's card as Markdown.

    Parameters
    ----------
    name : str
        The model.
    tables : Path
        Folder with table1.csv and table3.csv of a run with config/minis.yaml.
    """
    accuracies = read_accuracies(name, tables)
    missed = [task for task, found in accuracies.items() if found.target and found.correct / found.n < found.target]
    rows = [
        f"| {task} | {format_accuracy(correct, n)} | {f'{100 * target:.0f} %' if target else ''} |"
        for task, (correct, n, target) in accuracies.items()
    ]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{DESCRIPTIONS[name]} fp16 safetensors. MIT licence.",
            "",
            "Made for the demo and the tests of diffzero. It was trained on the demo's domains, so its accuracy there is **not zero-shot**;"
            f" the {len(HELD_OUT)} held-out combinations of shape and colour (`diffzero.binding.scenes.HELD_OUT`) are in no training image"
            " or caption.",
            "",
            *describe_training(name),
            "",
            "Accuracy on test images that were not trained on, with Wilson 95 % intervals, measured with `config/minis.yaml`:",
            "",
            "| task | accuracy | target |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"**Below target**: {'; '.join(missed)}." if missed else "All targets are reached.",
            "",
            "Written by `python -m diffzero.training.export cards`.",
            "",
        ]
    )


def main(arguments: list[str]) -> None:
    """Run the command `weights FOLDER` or `cards TABLES`."""
    match arguments:
        case ["weights", training_dir]:
            export_weights(Path(training_dir))
        case ["cards", run_dir]:
            for name in DESCRIPTIONS:
                write_atomically(MODELS / name / "README.md", model_card(name, Path(run_dir)).encode())
        case _:
            sys.exit(f"{' '.join(arguments) or 'nothing'}: expected `weights FOLDER` or `cards TABLES`.\n\n{__doc__}")


if __name__ == "__main__":
    main(sys.argv[1:])
