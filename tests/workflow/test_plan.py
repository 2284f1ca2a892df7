"""Plans: schedules compared with a simulation by hand, predicted calls with those of simulated races."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from diffzero.config import Diffusion, load_run
from diffzero.pruning.policies import Full, TTest
from diffzero.pruning.race import Race
from diffzero.utils.result_files import write_parquet, write_record
from diffzero.workflow import resources
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.pilot import extrapolate, measured_calls
from diffzero.workflow.plan import PlanError, make_plan, simulate_schedule
from diffzero.workflow.plan_report import plan_to_markdown
from stages_of import fixed_stages

ROOT = Path(__file__).parents[2]
LENGTHS = st.lists(st.floats(0, 1000), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 12), st.floats(0, 100))
def test_a_schedule_ends_between_equal_load_and_grahams_bound(seconds, gpus, start):
    queue = simulate_schedule(seconds, 8, gpus, start)
    lengths = [start + length for length in seconds]
    least = max(max(lengths), sum(lengths) / gpus)
    assert least - 1e-6 <= queue.end_s <= sum(lengths) / gpus + (1 - 1 / gpus) * max(lengths) + 1e-6
    assert queue.busy_s == pytest.approx(sum(lengths)) and queue.jobs == len(seconds)


def test_a_schedule_by_hand():
    queue = simulate_schedule([5, 3, 4, 2], 8, 2, 1)  # 6 | 4, then 5 on the second (9), 3 on the first (9)
    assert (queue.end_s, queue.longest_s, queue.busy_s) == (9, 6, 18)
    with pytest.raises(ValueError, match="cost_estimate.gpus"):
        simulate_schedule([1], 8, 0, 1)


@pytest.mark.parametrize(
    "policy", [Full(max_scores=7), fixed_stages((2, 5, 9), (3, 2, 1)), TTest(min_scores=20, max_scores=40)]
)
def test_expected_calls_are_within_the_bounds_and_exact_if_the_policy_fixes_them(policy):
    weighted = np.random.default_rng(0).normal(size=(policy.max_draws, 5))
    race = Race(policy, 5, lambda first, last, columns: weighted[first:last, columns])
    while not race.finished:
        race.step(race.next_draws[1])
    guess = policy.expected_calls(5)
    fewest, most = policy.call_bounds(5)
    assert isinstance(guess, float) and all(fewest <= calls <= most for calls in (guess, race.outcome().calls))
    assert guess == race.outcome().calls if not isinstance(policy, TTest) else 5 * 20 <= guess <= 5 * 40


def test_later_attempts_request_more_up_to_the_sites_limit():
    model = Diffusion(
        kind="diffusion", title="m", licence="l", path="p", resolution=64, dtype="float16", parameters=860, gflops=803
    )
    minutes = [resources.score_minutes(5e4, model, "auto", attempt, 240) for attempt in (1, 2, 3, 9)]
    assert minutes == sorted(minutes) and minutes[1] >= 2 * minutes[0] - 1 and minutes[-1] == 240
    assert resources.score_minutes(1e6, model, "auto", 1, 10**6) > resources.score_minutes(5e5, model, "auto", 1, 10**6)
    assert resources.denoiser_memory(model, 2) == 2 * resources.denoiser_memory(model, 1) > 2 * 860 * 4


def test_encoding_jobs_request_enough_time_for_the_slowest_gpu():
    models = [Diffusion(**yaml.safe_load(path.read_text())) for path in (ROOT / "config" / "models").glob("s*.yaml")]
    assert len(models) > 4
    for model in models:
        assert 10 < resources.encoder_minutes(resources.latent_gflops(model, 4096), "auto", 1, 10**6) < 150
        assert resources.encoder_minutes(resources.text_gflops(model, 1000), "auto", 1, 10**6) < 60
    # Measured with Stable Diffusion's VAE on one busy core: 26 s per image of 512 pixels.
    large = next(model for model in models if model.title == "Stable Diffusion v1.4")
    assert resources.encoder_minutes(resources.latent_gflops(large, 4096), "cpu", 1, 10**6) > 4096 * 26 / 60


def test_encoding_jobs_request_the_memory_of_their_encoder():
    sd, sd3 = (
        Diffusion(**yaml.safe_load((ROOT / "config" / "models" / f"{name}.yaml").read_text()))
        for name in ("stable-diffusion-v1-4", "sd3-medium")
    )
    states = 1000 * (77 + 256) * 4096 * 4 / 1e6  # MB, of ImageNet's prompts
    assert resources.encoder_memory(sd3, 1) > 4 * 4762 + states and resources.encoder_memory(sd, 1) < 8000


def test_the_plan_counts_encoding_and_baselines(tmp_path):
    run = experiment(tmp_path, models=["mini-sd", "mini-if"], baselines=["mini-clip"], datasets=["digits", "fashion"])
    hours = make_plan(run).hours_outside_scoring
    pixels = 2 * 400 * (32**2 + 24**2)
    assert hours["latents"] == pytest.approx(pixels / 1e6 * 4500 / 20 / 3600)
    assert hours["baselines"] == pytest.approx(2 * 400 * 2 * 160 / 20 / 3600) and hours["text"] > 0
    assert "latents 0." in plan_to_markdown(make_plan(run), run.run.cost_estimate)


CONFIG = {
    "name": "planned",
    "models": ["mini-sd"],
    "datasets": ["digits"],
    "max_images": 400,
    "max_images_per_job": 50,
    "device": "cpu",
    "policy": {"max_scores": 200},
    "cost_estimate": {"device": "cpu", "gpus": 2, "start_seconds": 10.0},
}


def experiment(tmp_path: Path, **changes) -> Experiment:
    config = {**CONFIG, "results": str(tmp_path), "store": str(tmp_path / "store"), **changes}
    return Experiment(load_run(config, ROOT, where="test"), ROOT)


def raced(images: range, max_scores: int) -> pd.DataFrame:
    """Return image, draw and prompt of the scores of simulated races. The difference of the best two classes varies by image."""
    rows = []
    for image in images:
        rng = np.random.default_rng(image)
        means = np.concatenate([[0, rng.exponential(0.4)], 1 + rng.random(8)])
        # A draw is the same whether or not the race continues after it.
        weighted = means + np.stack([np.random.default_rng([image, n]).normal(size=10) for n in range(max_scores)])
        race = Race(
            TTest(min_scores=20, max_scores=max_scores),
            10,
            lambda first, last, columns, w=weighted: w[first:last, columns],
        )
        while not race.finished:
            first, alive = race.n, race.alive
            race.step(race.next_draws[1])
            rows += [(f"image {image}", n, k) for n in range(first, race.n) for k in alive]
    return pd.DataFrame(rows, columns=["image", "draw", "prompt"])


def write(
    tmp_path: Path, run: str, scores: pd.DataFrame, max_scores: int, seconds: float = 100.0, device: str = "cpu"
) -> None:
    scores_dir = (
        tmp_path / run / "scores" / "mini-sd" / "digits" / "seed0" / f"shared-ttest-20-{max_scores}-0.002-heuristic-7"
    )
    write_parquet(scores, scores_dir / "1-of-1.parquet")
    cost = {"images": scores["image"].nunique(), "calls": len(scores), "reused": 0, "seconds": seconds + 5}
    write_record(cost | {"network_seconds": seconds, "device": device}, scores_dir / "1-of-1.json")


def test_a_pilot_predicts_the_run_within_ten_percent_and_the_plan_names_its_sources(tmp_path):
    everything = raced(range(400), 200)
    pilot = everything[everything["image"].isin([f"image {k}" for k in range(100)])]
    before = make_plan(experiment(tmp_path)).estimates[0]
    assert before.expected.source == "assumed" and before.work.floor == 400 * 10 * 20
    write(tmp_path, "pilot", pilot, 200)
    planned = make_plan(experiment(tmp_path))
    after = planned.estimates[0]
    assert after.calls == pytest.approx(len(everything), rel=0.1)
    assert abs(after.calls - len(everything)) < 4 * after.expected.standard_error
    assert after.speed.calls_per_s == pytest.approx(len(pilot) / 100) and after.speed.source.startswith("measured")
    reached = everything.groupby("image")["draw"].max().eq(199).mean()
    assert after.expected.reached_max_scores == pytest.approx(reached, abs=0.1)
    text = plan_to_markdown(planned, experiment(tmp_path).run.cost_estimate)
    assert "100 images" in text and "**2,500,000**" in text and "guess" not in text


def test_a_pilot_of_eight_digits_predicts_the_real_run_of_twenty_five_within_ten_percent(tmp_path):
    pilot, real = (pd.read_parquet(ROOT / "tests" / "files" / "plan" / f"{run}.parquet") for run in ("pilot", "real"))
    write(tmp_path, "pilot", pilot, 100)
    run = experiment(tmp_path, max_images=25, policy={"max_scores": 100})
    before = make_plan(run)
    assert before.estimates[0].expected.source == "8 images"
    assert before.estimates[0].calls == pytest.approx(len(real), rel=0.1)
    assert before.stored == len(pilot), "its scores are in the store"
    write(tmp_path, "planned", real, 100)
    after = make_plan(run)
    assert after.estimates[0].calls == after.stored == len(real)
    assert after.estimates[0].hours_left == 0 and after.schedules[2].jobs == 0
    assert "; 0 h remain" in plan_to_markdown(after, run.run.cost_estimate)


def test_scores_of_another_seed_measure_the_calls_but_are_not_reused(tmp_path):
    write(tmp_path, "pilot", raced(range(20), 200), 200)
    planned = make_plan(experiment(tmp_path, noise_seeds=[1]))
    assert planned.estimates[0].expected.source == "20 images" and planned.stored == 0


def test_the_planned_images_are_at_most_those_of_the_test_set(tmp_path):
    run = experiment(tmp_path, datasets=["dtd"], max_images=10**6)
    assert make_plan(run).estimates[0].work.images == run.dataset("dtd").test_size == 1880


def test_an_unknown_device_is_refused_with_the_known_ones_unless_its_speed_is_measured(tmp_path):
    run = experiment(tmp_path, cost_estimate={"device": "Toy 3000"})
    with pytest.raises(PlanError, match="found 'Toy 3000'.*H200"):
        make_plan(run)
    write(tmp_path, "pilot", raced(range(20), 200), 200, device="Maker's Toy 3000 Pro")
    assert "calls on Maker's Toy 3000 Pro" in make_plan(run).estimates[0].speed.source


def test_the_scorings_of_one_data_set_have_different_rows(tmp_path):
    figure = [{"model": "mini-sd", "dataset": "digits", "n_images": 8, "draws": 30}]
    run = experiment(tmp_path, figure2_efficiency=figure)
    rows = [
        line
        for line in plan_to_markdown(make_plan(run), run.run.cost_estimate).splitlines()
        if line.startswith("| digits")
    ]
    assert len({row.split("|")[1] for row in rows}) == 3


def test_calls_per_job_limit_the_images_of_a_shard(tmp_path):
    few = {"max_calls_per_job": 10 * 60 * 20}  # of ten classes, three times min_scores
    run = experiment(tmp_path, **few)
    assert (
        len(run.score_files(run.main_scorings[0])) == 20
        and run.expected_calls_per_shard(run.main_scorings[0]) == few["max_calls_per_job"]
    )
    assert len(experiment(tmp_path).score_files(run.main_scorings[0])) == 8, "max_images_per_job is the smaller one"
    assert len(experiment(tmp_path, max_calls_per_job=1).score_files(run.main_scorings[0])) == 400, (
        "an image is not divided"
    )


def test_a_longer_pilot_is_truncated_and_a_shorter_one_extrapolated(tmp_path):
    long, short = raced(range(60), 200), raced(range(60), 60)
    scoring = experiment(tmp_path, policy={"max_scores": 60}).main_scorings[0]
    write(tmp_path, "long", long, 200)
    measured = measured_calls(tmp_path, scoring)
    assert measured["calls"].sum() == len(short) and measured["ended"].all()
    other = tmp_path / "other"
    write(other, "short", short, 60)
    scoring = experiment(other, policy={"max_scores": 200}).main_scorings[0]
    measured = measured_calls(other, scoring)
    cut = ~measured["ended"].to_numpy(bool)
    assert cut.any() and (measured["draws"][cut] == 60).all()
    continued = extrapolate(measured, experiment(other, policy={"max_scores": 200}).run.policy)
    assert continued.sum() >= len(long) * 0.9


SCENES = {"attribute_binding": {"examples_per_task": 10, "policy": {"max_scores": 200}}}


def binding_scores(table: pd.DataFrame, max_scores: int) -> tuple[pd.DataFrame, float]:
    """Return the scores of the races of an item table, and the share that reaches max_scores; every other race has equal means."""
    frames, reached = [], 0
    for number, item in enumerate(table.itertuples()):
        weighted = np.random.default_rng(number).normal(size=(max_scores, 2)) + [0, 3.0 * (number % 2)]
        race = Race(
            TTest(min_scores=20, max_scores=max_scores),
            2,
            lambda first, last, columns, w=weighted: w[first:last, columns],
        )
        while not race.finished:
            race.step(race.next_draws[1])
        reached += race.outcome().reached_max_scores
        columns = {"image": item.image, "draw": np.arange(race.n).repeat(2), "prompt": item.candidates * race.n}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames).drop_duplicates(ignore_index=True), reached / len(table)


def test_without_a_pilot_the_upper_bound_of_the_binding_tasks_is_that_every_race_reaches_max_scores(tmp_path):
    planned = experiment(tmp_path, **SCENES)
    estimate = make_plan(planned).estimates[-1]
    assert (estimate.scoring.dataset, estimate.work.races, estimate.work.classes) == ("scenes", 200, 2)
    assert (estimate.work.floor, estimate.work.most) == (200 * 20, 200 * 2 * 200), "two tasks may share a sentence"
    text = plan_to_markdown(make_plan(planned), planned.run.cost_estimate)
    assert "between 4,000 and 80,000" in " ".join(text.split())


def test_a_pilot_of_the_binding_tasks_counts_the_races_that_reach_max_scores(tmp_path):
    planned = experiment(tmp_path, **SCENES)
    bound = make_plan(planned).estimates[-1]
    # Every sentence is a prompt of its own, so the scores of a race are those of its two sentences.
    images = [f"scene-0-{k}" for k in range(12)]
    rows = [(image, [2 * k, 2 * k + 1]) for k, image in enumerate(images * 10)]
    scores, reached = binding_scores(pd.DataFrame(rows, columns=["image", "candidates"]), 200)
    write_parquet(
        scores, tmp_path / "pilot/scores/mini-sd/scenes/seed0" / planned.main_scorings[-1].slug / "1-of-1.parquet"
    )
    measured = make_plan(planned).estimates[-1]
    assert measured.expected.source == "12 images" and 0.3 < reached < 0.6
    assert measured.expected.reached_max_scores == pytest.approx(reached)
    assert bound.work.floor < measured.calls < bound.work.most


def test_longer_shards_are_fewer_jobs_with_the_same_work(tmp_path):
    queues = make_plan(experiment(tmp_path)).schedules
    assert [q.jobs for q in queues] == sorted((q.jobs for q in queues), reverse=True)
    assert [q.longest_s for q in queues] == sorted(q.longest_s for q in queues)
    assert len({round(q.busy_s - q.jobs * 10) for q in queues}) == 1, "the work is the same"


def test_a_device_that_was_not_measured_is_planned_by_flops(tmp_path):
    write(tmp_path, "pilot", raced(range(20), 200), 200)
    estimate = make_plan(experiment(tmp_path, cost_estimate={"device": "H100"})).estimates[0]
    assert "TFLOP/s" in estimate.speed.source and estimate.expected.source == "20 images"
    model = yaml.safe_load((ROOT / "config" / "models" / "stable-diffusion-v1-4.yaml").read_text())
    assert resources.calls_per_second(Diffusion(**model), 312, 0.3) == pytest.approx(312e3 * 0.3 / 803)
