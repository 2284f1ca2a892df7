"""Tables other than 1 and 3, from literal predictions and synthetic scores, with rows computed by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffzero.analysis.load import load_costs
from diffzero.analysis.score_array import ScoreArray
from diffzero.reporting.table_format import NO_VALUE, to_markdown
from diffzero.reporting.tables.ablations import ABLATION_COLUMNS, build_ablations, format_ablations
from diffzero.reporting.tables.combined_models import build_combined, format_combined
from diffzero.reporting.tables.cost import build_cost, format_cost
from diffzero.reporting.tables.paired_comparison import build_paired_comparison
from diffzero.reporting.tables.seed_variance import build_seed_variance, format_seed_variance
from diffzero.reporting.tables.table2_shape_bias import build_table2, format_table2, select_cue_datasets
from diffzero.reporting.tables.table3_controlled import build_controlled, format_controlled
from diffzero.reporting.tables.table4_weighting import build_table4, format_table4
from diffzero.reporting.tables.weight_transfer import build_transfer, format_transfer
from diffzero.utils.result_files import write_record
from predictions_of import baseline, predictions

PAPER2 = pd.DataFrame({"model": ["mini-sd", "other"], "shape_accuracy": [50.0, 68.7], "note": [math.nan, "by others"]})
PAPER4 = pd.DataFrame({"weighting": ["vdm", "simple", "heuristic", "learned"], "imagen": [62.0, 56.1, 68.9, 70.2]})
ABLATIONS = pd.DataFrame(
    [
        ("section 4.1", "sd", "imagenet", "downsampled to 32x32", "accuracy", 15.5),
        ("appendix F", "sr", "imagenet", "super-resolution model alone", "accuracy", 16.1),
        ("figure 5", "imagen", "cifar100", "calls", "ECE", 0.04),
        ("appendix C", "mini-sd", "all", "random splits", "std of accuracy (points)", 0.6),
    ],
    columns=["where", "model", "dataset", "setting", "quantity", "value"],
)


def cue_conflict() -> pd.DataFrame:
    """Return predictions of eight images: three for shape, two for texture, two for neither, one with equal cues."""
    rows = {"prediction": [0, 0, 0, 1, 1, 2, 2, 3], "shape_label": [0] * 7 + [3], "texture_label": [1] * 7 + [3]}
    return predictions("mini-sd", "0" * 8, dataset="cue-conflict", **rows)


def test_shape_accuracy_and_shape_bias_are_different_numbers() -> None:
    row = build_table2(cue_conflict(), PAPER2).iloc[0]
    assert (row["shape_accuracy"], row["n"]) == (0.5, 8)
    assert (row["shape_bias"], row["bias_n"]) == (pytest.approx(3 / 5), 5)
    assert row["paper"] == 0.5 and not row["differs_from_paper"]


def test_table2_without_cue_conflict_images_shows_the_paper_and_says_what_to_add() -> None:
    plain = predictions("mini-sd", "11")
    wanted = select_cue_datasets(plain, plain[["model", "dataset"]].drop_duplicates())
    table = build_table2(plain, PAPER2, wanted)
    assert table.empty
    markdown = to_markdown(format_table2(table, PAPER2))
    assert f"| other (reported; by others) | cue-conflict | {NO_VALUE} | 0 |" in markdown and "`datasets`" in markdown


def test_an_ablation_is_compared_with_the_plain_data_set_on_the_same_images() -> None:
    plain, downsampled = (
        predictions("sd", "1111111100"),
        predictions("sd", "1000000000", dataset="digits-downsampled-32"),
    )
    rows = [
        ("downsampled", "sd", "digits", "full resolution", "digits"),
        ("downsampled", "sd", "digits", "downsampled to 32x32", "digits-downsampled-32"),
        ("template", "sd", "digits", "template 1", "digits-template-1"),
    ]
    table = build_ablations(
        pd.concat([plain, downsampled]), pd.DataFrame(rows, columns=list(ABLATION_COLUMNS)), ABLATIONS
    )
    whole, small, absent = (row for _, row in table.iterrows())
    assert math.isnan(whole["difference"]) and (small["accuracy"], small["difference"]) == (0.1, -0.7)
    assert small["pvalue"] == pytest.approx(2 / 2**7)  # seven images lost, none won
    assert absent["n"] == 0 and math.isnan(absent["accuracy"])
    text = to_markdown(format_ablations(table, ABLATIONS, ["Not available yet: x."]))
    assert "−70.0 [" in text and "| sd | imagenet | downsampled to 32x32 | – |" in text
    assert "Missing (–): sd on digits, template 1." in text and "Not available yet: x." in text


def test_seed_variance_has_both_parts_for_several_seeds_and_none_for_one() -> None:
    seeds = pd.concat([predictions("mini-sd", marks, seed=k) for k, marks in enumerate(("1101", "1001", "1011"))])
    table = build_seed_variance(pd.concat([seeds, baseline("mini-clip", "1100")]), ABLATIONS).set_index("model")
    assert table.loc["mini-sd", "seeds"] == 3
    # Within-image variances 0, 1/3, 1/3, 0: mean 1/6, over four images.
    assert table.loc["mini-sd", "sd_noise"] == pytest.approx(math.sqrt(1 / 24))
    assert table.loc["mini-sd", "paper"] == pytest.approx(0.006)
    assert math.isnan(table.loc["mini-clip", "sd_noise"])
    text = to_markdown(format_seed_variance(table.reset_index(), []))
    assert "20.41" in text and "| 0.6 |" in text
    assert table.loc["mini-sd", "calls"] == 300 and "| 3 | 300 |" in text and "| 1 | n/a |" in text


def test_paired_comparison_by_hand_with_holm_over_the_table() -> None:
    frames = [predictions("a", "1111111100"), predictions("b", "1000000010"), predictions("c", "1111111100")]
    table = build_paired_comparison(pd.concat([f.assign(image=f["item"]) for f in frames]), 0).set_index(
        ["model_a", "model_b"]
    )
    row = table.loc[("a", "b")]
    assert list(row[["both_correct", "only_a", "only_b", "both_wrong"]]) == [1, 7, 1, 1]
    assert (row["difference"], row["pvalue"]) == (pytest.approx(0.6), pytest.approx(2 * 9 / 2**8))
    assert row["pvalue_holm"] == pytest.approx(3 * row["pvalue"])
    assert table.loc[("a", "c"), "pvalue"] == 1 and table.loc[("a", "c"), ["low", "high"]].tolist() == [0, 0]


def test_pairs_are_compared_at_the_given_seed() -> None:
    frames = [predictions("a", "1111", seed=5), predictions("a", "0000", seed=1), predictions("b", "1111", seed=5)]
    table = build_paired_comparison(pd.concat([f.assign(image=f["item"]) for f in frames]), 5)
    assert (table["n"][0], table["difference"][0]) == (4, 0)


def test_an_ablation_is_compared_at_its_own_seed() -> None:
    plain = [predictions("sd", "1" * 10, seed=5), predictions("sd", "0" * 10, seed=1)]
    downsampled = predictions("sd", "1" * 9 + "0", dataset="digits-downsampled-32", seed=5)
    wanted = pd.DataFrame(
        [("downsampled", "sd", "digits", "x", "digits-downsampled-32")], columns=list(ABLATION_COLUMNS)
    )
    row = build_ablations(pd.concat([*plain, downsampled]), wanted, ABLATIONS).iloc[0]
    assert (row["difference"], row["pvalue"], row["calls"]) == (pytest.approx(-0.1), 1, 550)
    # Scores at another seed have other noise, so there is no difference without the plain data set at this seed.
    assert math.isnan(build_ablations(pd.concat([plain[1], downsampled]), wanted, ABLATIONS)["difference"][0])


def test_items_that_share_an_image_are_resampled_together() -> None:
    marks = {"a": "1" * 40, "b": "1" * 20 + "0" * 20}
    image = {"image": [f"scene-{k // 10}" for k in range(40)]}
    table = build_paired_comparison(
        pd.concat([predictions(name, row, "scenes", **image) for name, row in marks.items()]), 0
    )
    # Two of four images differ: no test over four images is significant, whatever the number of items.
    assert table["pvalue"][0] > 0.3 and table["high"][0] - table["low"][0] > 0.7


def test_controlled_comparison_has_a_row_per_kind_split_and_model() -> None:
    image = {"image": [f"scene-{k}" for k in range(8)], "held_out": [False] * 6 + [True] * 2}
    frames = [
        predictions("mini-sd", "11111100", task="Color", **image),
        predictions("mini-sd", "10101011", task="Color|Shape", **image),
    ]
    table = build_controlled(pd.concat(frames), pd.DataFrame({"model": ["mini-sd", "mini-if"]}))
    cells = table.set_index(["kind", "split", "model"])
    assert cells.loc[("recognition", "seen", "mini-sd"), "accuracy"] == 1
    assert cells.loc[("recognition", "held-out", "mini-sd"), "accuracy"] == 0
    assert cells.loc[("binding", "seen", "mini-sd"), ["accuracy", "n", "images"]].tolist() == [0.5, 6, 6]
    assert cells.loc[("binding", "held-out", "mini-if"), "n"] == 0
    # Six of six images at chance one half, two-sided.
    assert cells.loc[("recognition", "seen", "mini-sd"), "pvalue"] == pytest.approx(2 / 64)
    assert "| recognition | seen | mini-if | – | 0 | 0 | – | – |" in to_markdown(format_controlled(table))


def test_seeds_of_a_decision_count_once() -> None:
    columns = {"task": "Color", "image": [f"scene-{k}" for k in range(8)], "held_out": False}
    once = predictions("mini-sd", "11111100", **columns)
    rows = [
        build_controlled(frame).set_index(["kind", "split"]).loc[("recognition", "seen")]
        for frame in (once, pd.concat([once, once.assign(seed=1)]))
    ]
    assert rows[0]["n"] == 8
    pd.testing.assert_series_equal(*rows)


def synthetic(images: int = 60) -> ScoreArray:
    """Return scores of three classes and 40 draws; the true class has the lower error only at high t."""
    rng = np.random.default_rng(0)
    t, label = rng.random((images, 40)), rng.integers(0, 3, images)
    scores = rng.normal(10, 1, (images, 40, 3))
    lead = np.where(t[..., None] > 0.8, 1.5, 0.0) * (np.arange(3) == label[:, None])[:, None]
    return ScoreArray([str(k) for k in range(images)], (scores - lead).astype(np.float32), t, label)


def test_table4_rows_share_scores_and_cost_every_draw_of_every_class() -> None:
    key, flat, late = ("mini-sd", "digits"), lambda t: np.ones_like(t), lambda t: (t > 0.8).astype(float)
    weights = {key: {"vdm": flat, "simple": lambda t: (t < 0.5).astype(float), "heuristic": late}}
    table = build_table4({key: synthetic()}, weights, PAPER4).set_index("weighting")
    assert table.loc["heuristic", "accuracy"] > table.loc["vdm", "accuracy"] > table.loc["simple", "accuracy"]
    assert table.loc["learned", "accuracy"] > table.loc["simple", "accuracy"]
    assert (table["calls_per_image"] == 120).all() and (table["calls"] == 7200).all() and table["paper"].isna().all()
    text = to_markdown(format_table4(table.reset_index(), PAPER4, []))
    assert "| learned | imagen (reported) | caltech101 | – | 0 | – | – | 70.2 |" in text


def test_table4_compares_the_paper_on_caltech101_only() -> None:
    flat = {name: (lambda t: np.ones_like(t)) for name in ("vdm", "simple", "heuristic")}
    keys = [("imagen", "caltech101"), ("imagen", "digits")]
    table = build_table4({key: synthetic() for key in keys}, dict.fromkeys(keys, flat), PAPER4)
    assert table.groupby("dataset")["paper"].count().to_dict() == {"caltech101": 4, "digits": 0}


def test_transfer_and_combination_rows_and_calls() -> None:
    data = {("a", "x"): synthetic(), ("a", "y"): synthetic(40), ("b", "x"): synthetic()}
    flat = {key: (lambda t: np.ones_like(t)) for key in data}
    moved = build_transfer(data, flat)
    assert list(moved[moved["model"] == "a"]["fitted_on"]) == ["nothing", "x", "y", "nothing", "x", "y"]
    joined = build_combined(data, flat)
    assert list(joined[joined["dataset"] == "x"]["models"]) == ["a", "a", "b", "b", "a + b"]
    assert list(joined["n"].unique()) == [60, 40]
    # 60 or 40 images x 40 draws x 3 classes; a row with two data sets or models costs the calls of both.
    assert list(moved[moved["model"] == "a"]["calls"]) == [7200, 7200, 12000, 4800, 12000, 4800]
    assert list(joined[joined["dataset"] == "x"]["calls"]) == [7200, 7200, 7200, 7200, 14400]
    texts = [*format_transfer(moved, []), *format_combined(joined, ABLATIONS, [])]
    assert "| 60 | 7,200 |" in to_markdown(texts[:1]) and "| 60 | 14,400 |" in to_markdown(texts[1:])


def test_tables_without_full_scores_name_the_key_to_configure() -> None:
    empty = build_table4({}, {}, PAPER4), build_transfer({}, {}), build_combined({}, {})
    texts = [
        to_markdown(format_table4(empty[0], PAPER4, [])),
        to_markdown(format_transfer(empty[1], [])),
        to_markdown(format_combined(empty[2], ABLATIONS, [])),
    ]
    assert all("`full_scoring`" in text for text in texts) and "16.1" in texts[2]


def cost_file(root: Path, model: str, shard: str, **facts: object) -> str:
    """Write a cost file as a scoring job does: 100 calls in 10 seconds on a CPU, except for `facts`."""
    cost = {
        "images": 5,
        "calls": 100,
        "reused": 0,
        "seconds": 12.5,
        "network_seconds": 10.0,
        "calls_per_s": 10.0,
        "device": "cpu",
    }
    cost |= {
        "dtype": "float32",
        "batch_size": 32,
        "calls_at_once": 32,
        "peak_memory_mb": 900.5,
        "peak_gpu_memory_mb": None,
    }
    path = root / "scores" / model / "x" / "seed0" / "shared-full-2" / f"{shard}.json"
    write_record(cost | facts, path)
    return str(path)


def test_costs_are_sums_with_devices_and_a_cpu_has_no_gpu_hours(tmp_path: Path) -> None:
    gpu = {"device": "NVIDIA H100 80GB HBM3", "dtype": "float16", "batch_size": 512, "calls_at_once": 128}
    files = [
        cost_file(tmp_path, "a", "1-of-2"),
        cost_file(tmp_path, "a", "2-of-2", calls=0, reused=50, network_seconds=5.0, batch_size=8, calls_at_once=8),
        cost_file(
            tmp_path,
            "b",
            "1-of-1",
            calls=9,
            network_seconds=3600.0,
            peak_gpu_memory_mb=7000.4,
            peak_memory_mb=80.0,
            **gpu,
        ),
    ]
    table = build_cost(load_costs(files))
    a, b = table.set_index("model").to_dict("index").values()
    assert (a["calls"], a["seconds"], a["calls_per_second"]) == (150, 15, 10)
    assert math.isnan(a["gpu_hours"]) and math.isnan(a["peak_gpu_memory_mb"]) and b["gpu_hours"] == 1
    assert (a["devices"], a["dtypes"], a["batch_sizes"], a["peak_memory_mb"]) == ("cpu", "float32", "8, 32", 900.5)
    markdown = to_markdown(format_cost(table, []))
    assert "| 15 | n/a | 10 | cpu | float32 | 8, 32 | 900 | n/a |" in markdown
    assert "| 1.00 | 0 | NVIDIA H100 80GB HBM3 | float16 | 512 (128 at once) | 80 | 7,000 |" in markdown
    assert "| **all** |  | 159 | 3,615 | 1.00 | 0 |  |  |  | 900 | 7,000 |" in markdown


def test_a_run_without_scores_has_an_empty_cost_table() -> None:
    assert "Calls per second" in to_markdown(format_cost(build_cost(load_costs([])), []))
