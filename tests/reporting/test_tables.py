"""Tables 1 and 3 and the table formats, from literal predictions with rows computed by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffzero.analysis import load
from diffzero.binding.tasks import TASKS
from diffzero.reporting.table_format import to_latex, to_markdown
from diffzero.reporting.tables.ablations import ABLATION_COLUMNS, build_ablations, format_ablations
from diffzero.reporting.tables.cost import build_cost, format_cost
from diffzero.reporting.tables.paired_comparison import build_paired_comparison, format_paired_comparison
from diffzero.reporting.tables.seed_variance import build_seed_variance, format_seed_variance
from diffzero.reporting.tables.table1_accuracy import build_table1, format_table1
from diffzero.reporting.tables.table2_shape_bias import build_table2, format_table2
from diffzero.reporting.tables.table3_binding import build_table3, format_table3
from diffzero.reporting.tables.table3_controlled import build_controlled, format_controlled
from predictions_of import baseline, predictions

ROOT = Path(__file__).parents[2]
COSTS = pd.DataFrame(
    {
        "model": ["mini-sd"] * 2,
        "dataset": ["digits"] * 2,
        "calls": [60, 40],
        "seconds": [1.5, 2.0],
        "gpu_hours": [math.nan] * 2,
    }
)
# 3 of 4 by Wilson at z = 1.959964: (0.75 + z2/8 -+ z sqrt(0.75 * 0.25 / 4 + z2 / 64)) / (1 + z2/4)
THREE_OF_FOUR = (0.300642, 0.954413)
PAPER3 = pd.DataFrame(
    {
        "task": ["Color", "Shape,Color", "Shape|Color"],
        "imagen": [96, 100, 66],
        "stable-diffusion-v1-4": [85, 85, 65],
        "clip-vit-l-14": [94, 54, 52],
    }
)


def test_table1_row_by_hand() -> None:
    table = build_table1(pd.concat([predictions("mini-sd", "1101"), baseline("mini-clip", "1111")]), COSTS)
    assert ",".join(table.columns).startswith(
        "model,dataset,accuracy,low,high,n,calls_per_image,calls,seconds,gpu_hours,reached_max_scores,exact_ties,paper,differs_from_paper"
    )
    mini_sd, clip = table.to_dict("records")
    assert (mini_sd["low"], mini_sd["high"]) == pytest.approx(THREE_OF_FOUR, abs=1e-6)
    chosen = {
        key: mini_sd[key]
        for key in ("model", "accuracy", "n", "calls_per_image", "calls", "seconds", "reached_max_scores")
    }
    assert chosen == {
        "model": "mini-sd", "accuracy": 0.75, "n": 4, "calls_per_image": 25.0, "calls": 100, "seconds": 3.5, "reached_max_scores": 0.25,
    }  # fmt: skip
    assert math.isnan(mini_sd["paper"]) and table["differs_from_paper"].isna().all()
    assert clip["accuracy"] == 1 and math.isnan(clip["calls_per_image"]) and math.isnan(clip["seconds"])


def test_seeds_of_an_image_count_once() -> None:
    both = pd.concat([predictions("mini-sd", "1100", seed=0), predictions("mini-sd", "1111", seed=1)])
    row = build_table1(both, COSTS).iloc[0]
    assert (row["n"], row["accuracy"]) == (4, 0.75)
    again = pd.concat([predictions("mini-sd", "1101", seed=seed) for seed in range(5)])
    row = build_table1(again, COSTS).iloc[0]
    assert (row["n"], row["accuracy"]) == (4, 0.75)
    assert row["low"] <= THREE_OF_FOUR[0] and row["high"] >= THREE_OF_FOUR[1], "no narrower than one seed"


def test_independent_seeds_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    marks = ["".join(rng.choice(["0", "1"], 200)) for _ in range(4)]
    widths = [
        float((row["high"] - row["low"]).iloc[0])
        for row in (
            build_table1(pd.concat([predictions("sd", marks[k], seed=k) for k in range(seeds)]), COSTS)
            for seeds in (1, 4)
        )
    ]
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.1), (
        "independent seeds: four are worth four times as many images"
    )


@pytest.mark.parametrize(("reported", "differs"), [(75.0, False), (40.0, False), (5.0, True)])
def test_paper_is_compared_within_both_errors(reported: float, differs: bool) -> None:
    paper = pd.DataFrame({"model": ["mini-sd"], "dataset": ["digits"], "accuracy": [reported]})
    row = build_table1(predictions("mini-sd", "1101"), COSTS, paper).iloc[0]
    assert row["paper"] == pytest.approx(reported / 100)
    assert bool(row["differs_from_paper"]) is differs


def test_the_papers_n_is_at_most_the_test_set() -> None:
    # 33.3 % against 36.1 %: with 4096 images of the paper the difference would exceed both errors, with 1880 of DTD it does not.
    paper = pd.DataFrame({"model": ["sd"], "dataset": ["dtd"], "accuracy": [36.1]})
    found = predictions("sd", "100" * 626 + "00", dataset="dtd")
    marks = [
        build_table1(found, COSTS, paper, test_sizes=sizes)["differs_from_paper"][0]
        for sizes in (None, {"dtd": None}, {"dtd": 1880})
    ]
    assert marks == [True, True, False]


def test_ambiguous_paper_cell_is_refused_only_if_the_run_has_it() -> None:
    paper = pd.DataFrame({"model": ["clip"] * 2, "dataset": ["pets"] * 2, "accuracy": [76.0, 89.9]})
    assert build_table1(predictions("mini-sd", "11"), COSTS, paper)["paper"].isna().all()
    with pytest.raises(ValueError, match="'clip' on 'pets'"):
        build_table1(baseline("clip", "11", dataset="pets"), COSTS, paper)


def test_missing_result_is_a_dash_and_is_listed() -> None:
    frames = [predictions("mini-sd", "11"), predictions("mini-if", "11"), predictions("mini-sd", "10", "fashion")]
    table = build_table1(pd.concat(frames), COSTS)
    absent = table[table["n"] == 0].iloc[0]
    assert (absent["model"], absent["dataset"]) == ("mini-if", "fashion") and math.isnan(absent["accuracy"])
    markdown = to_markdown(format_table1(table))
    assert "| fashion | mini-if | – | 0 | – | – | – | – |" in markdown
    assert "Missing (–): mini-if on fashion." in markdown


def test_table1_as_markdown() -> None:
    frames = pd.concat([predictions("mini-sd", "1101"), baseline("mini-clip", "1111")])
    markdown = to_markdown(format_table1(build_table1(frames, COSTS), ["Trained on this domain."]))
    assert "| digits | mini-sd | 75.0 [30.1, 95.4] | 4 | 25.0 | 100 | 3.5 | 25.0 |" in markdown
    assert "| digits | mini-clip | 100.0 [51.0, 100.0] | 4 | n/a | n/a | n/a | n/a |" in markdown
    assert "Wilson 95 % interval" in markdown and "n is the number of test images" in markdown
    assert "Paper" not in markdown and markdown.endswith("\n\nTrained on this domain.\n")


def test_repeated_items_and_absent_columns_raise() -> None:
    twice = pd.concat([predictions("mini-sd", "11")] * 2)
    with pytest.raises(ValueError, match="'item': 'item-0'"):
        build_table1(twice, COSTS)
    with pytest.raises(ValueError, match=r"expected also \['calls'\]"):
        build_table1(predictions("mini-sd", "11").drop(columns="calls"), COSTS)


def scenes() -> pd.DataFrame:
    """Return predictions of 20 scenes: Color 20 correct, Shape|Color 17 correct (seen 10 of 10), Shape,Color missing."""
    held_out = [False] * 10 + [True] * 10
    tasks = {"Shape|Color": "1" * 17 + "000", "Color": "1" * 20}
    return pd.concat([predictions("mini-if", marks, task=task, held_out=held_out) for task, marks in tasks.items()])


def test_table3_rows_by_hand() -> None:
    table = build_table3(scenes(), PAPER3)
    assert list(table["task"].unique()) == list(PAPER3["task"])
    assert list(table["split"])[:3] == ["all", "seen", "held-out"]
    cells = table.set_index(["task", "split"])
    whole = cells.loc[("Shape|Color", "all")]
    # 17 or more, or 3 or fewer, of 20 fair coins: 2 (1 + 20 + 190 + 1140) / 2^20
    assert whole["pvalue"] == pytest.approx(2 * 1351 / 2**20)
    assert (whole["accuracy"], whole["n"], whole["calls_per_item"], whole["reached_max_scores"]) == (
        0.85,
        20,
        105.0,
        0.05,
    )
    assert (whole["imagen"], whole["clip-vit-l-14"]) == (0.66, 0.52)
    assert cells.loc[("Shape|Color", "seen"), "accuracy"] == 1
    assert cells.loc[("Shape|Color", "held-out"), "accuracy"] == 0.7
    assert cells.loc[("Shape,Color", "all"), "n"] == 0
    assert not cells.loc[("Shape,Color", "all"), "significant"]


def test_table3_of_a_run_without_binding_results_is_all_missing() -> None:
    table = build_table3(load.load_predictions([]), PAPER3, pd.DataFrame({"model": ["mini-sd"]}))
    assert len(table) == 9 and (table["n"] == 0).all() and not table["significant"].any()
    markdown = to_markdown(format_table3(table))
    assert r"| Shape\|Color | – |" in markdown and "mini-sd on Color" in markdown
    assert build_table3(load.load_predictions([]), PAPER3).empty


def test_holm_is_stricter_than_a_single_test() -> None:
    # 11 of 12: p = 26 / 4096 = 0.0063; twice that, with another task in the family, is above 0.01.
    marks = {"Color": "1" * 11 + "0", "Shape|Color": "10" * 6}
    frame = pd.concat([predictions("mini-if", row, task=task, held_out=False) for task, row in marks.items()])
    cell = build_table3(frame, PAPER3).set_index(["task", "split"]).loc[("Color", "all")]
    assert cell["significant"] and not cell["significant_holm"]


def test_holm_of_table3_covers_all_models() -> None:
    # 13 of 14: p = 30 / 16384 = 0.0018; five times that, with four tests of other models, is below 0.01, ten times that is not.
    sure = predictions("mini-if", "1" * 13 + "0", task="Color", held_out=False)
    others = [predictions(f"model-{k}", "10" * 7, task="Color", held_out=False) for k in range(9)]
    for count, is_significant in ((4, True), (9, False)):
        table = build_table3(pd.concat([sure, *others[:count]]), PAPER3).set_index(["task", "model", "split"])
        cell = table.loc[("Color", "mini-if", "all")]
        assert cell["significant"] and bool(cell["significant_holm"]) is is_significant


def test_table3_is_compared_with_the_papers_column_of_the_same_model() -> None:
    # 40 of 80 against 850 of 1000: beyond both errors; 68 of 80 is 85 %.
    frames = [
        predictions("stable-diffusion-v1-4", "10" * 40, task="Color", held_out=False),
        baseline("clip-vit-l-14", "1" * 75 + "0" * 5, task="Color", held_out=False),
        predictions("mini-if", "10" * 40, task="Color", held_out=False),
    ]
    table = build_table3(pd.concat(frames), PAPER3)
    differs = table[table["split"] == "all"].set_index(["task", "model"])["differs_from_paper"]
    assert differs["Color", "stable-diffusion-v1-4"] and not differs["Color", "clip-vit-l-14"]
    assert pd.isna(differs["Color", "mini-if"]) and pd.isna(differs["Shape,Color", "clip-vit-l-14"])
    assert table[table["split"] != "all"]["differs_from_paper"].isna().all()
    markdown = to_markdown(format_table3(table))
    row = next(line for line in markdown.splitlines() if line.startswith("| Color |"))
    assert "| 50.0 [39.3, 60.7] ≠ · 405 |" in row and row.count("≠") == 1 and "≠: the 95 % interval" in markdown


def test_table3_markdown_marks_significance_and_missing_tasks() -> None:
    markdown = to_markdown(format_table3(build_table3(scenes(), PAPER3)))
    assert r"| Shape\|Color | **85.0 [64.0, 94.8]**† · 105 | 20 | 66 | 65 | 52 |" in markdown
    assert "| Shape,Color | – | 0 | 100 | 85 | 54 |" in markdown
    assert "| mini-if | held-out | 100.0 | – | 70.0 | 85.0 | 20 |" in markdown
    assert "SD v1.4 (reported)" in markdown and "Missing (–): mini-if on Shape,Color." in markdown
    widths = {line.replace(r"\|", "").count("|") for line in markdown.split("\n\n")[1].splitlines()}
    assert len(widths) == 1


def test_task_order_is_the_papers() -> None:
    names = [task.name for task in TASKS]
    reported = PAPER3.set_index("task").reindex(names).reset_index()
    frames = [predictions("mini-if", "1", task=name, held_out=False) for name in reversed(names)]
    assert list(build_table3(pd.concat(frames), reported)["task"].unique()) == names


def test_unknown_task_raises_with_its_name() -> None:
    with pytest.raises(ValueError, match="'Size,Position'"):
        build_table3(predictions("mini-if", "1", task="Size,Position", held_out=False), PAPER3)


def test_requested_results_are_shown_even_if_missing() -> None:
    wanted = pd.DataFrame({"model": ["mini-if"], "dataset": ["fashion"], "kind": ["diffusion"]})
    table = build_table1(predictions("mini-sd", "11"), COSTS, requested=wanted)
    assert list(table["dataset"].unique()) == ["fashion", "digits"]
    assert table[table["n"] == 0].shape[0] == 3
    table = build_table3(scenes(), PAPER3, pd.DataFrame({"model": ["mini-sd", "mini-if"]}))
    assert list(table["model"].unique()) == ["mini-sd", "mini-if"]
    assert (table[table["model"] == "mini-sd"]["n"] == 0).all()


def test_a_difference_beyond_both_errors_is_marked() -> None:
    paper = pd.DataFrame({"model": ["mini-sd"], "dataset": ["digits"], "accuracy": [5.0]})
    markdown = to_markdown(format_table1(build_table1(predictions("mini-sd", "1101"), COSTS, paper)))
    assert "| 5.0 | yes |" in markdown and "does not contain 0" in markdown


def test_items_that_reached_max_scores_are_counted() -> None:
    table = build_table3(scenes(), PAPER3)
    assert table[table["split"] == "all"]["n_reached_max_scores"].sum() == 2
    assert "| Items that reached max_scores | 2 of 40 |" in to_markdown(format_table3(table))


def test_exact_ties_are_counted_and_noted() -> None:
    ties = predictions("mini-sd", "1101", exact_tie=[False, True, True, False])
    frames = pd.concat(
        [ties, predictions("mini-sd", "1101", seed=1, exact_tie=[True, False, False, False]), baseline("clip", "11")]
    )
    table = build_table1(frames, COSTS)
    assert list(table["exact_ties"]) == [3, 0]
    assert "Exact ties, decided for the lowest label: 3 of mini-sd on digits." in to_markdown(format_table1(table))
    assert "Exact ties" not in to_markdown(format_table1(build_table1(baseline("clip", "11"), COSTS)))


def test_latex_special_characters_are_escaped() -> None:
    latex = to_latex(format_table3(build_table3(scenes(), PAPER3)))
    assert r"Shape\textbar{}Color & \textbf{85.0 [64.0, 94.8]}$^\dagger$ $\cdot$ 105 & 20 & 66 & 65 & 52 \\" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert not [line for line in latex.splitlines() if "%" in line.replace(r"\%", "")]


def test_tables_without_predictions_are_missing_or_empty() -> None:
    """A run can have full scores or pictures but no predictions."""
    nothing, wanted = (
        load.load_predictions([]),
        pd.DataFrame({"model": ["sd"], "dataset": ["dtd"], "kind": ["diffusion"]}),
    )
    ablations = pd.read_csv(ROOT / "config" / "paper" / "ablations.csv")
    paper2 = pd.read_csv(ROOT / "config" / "paper" / "table2.csv")
    first = build_table1(
        nothing, load.load_costs([]), load.match_reported_models(pd.read_csv(ROOT / "config/paper/table1.csv")), wanted
    )
    assert first["n"].tolist() == [0] and "sd on dtd" in to_markdown(format_table1(first))
    cells = pd.DataFrame([("downsampled", "sd", "dtd", "x", "dtd-downsampled-32")], columns=list(ABLATION_COLUMNS))
    made = [
        (build_table2(nothing, paper2), lambda table: format_table2(table, paper2)),
        (build_ablations(nothing, cells, ablations), lambda table: format_ablations(table, ablations)),
        (build_seed_variance(nothing, ablations), lambda table: format_seed_variance(table, [])),
        (build_paired_comparison(nothing, 0), lambda table: format_paired_comparison(table, [])),
        (build_cost(load.load_costs([])), lambda table: format_cost(table, [])),
        (build_controlled(nothing, wanted), lambda table: format_controlled(table)),
    ]
    for table, layouts in made:
        assert table.get("n", pd.Series(dtype=int)).sum() == 0 and to_markdown(layouts(table))
