"""The plan as readers see it: its width, its units, what numbers are based on, and jobs that outlast the site's limit."""

import math
import re
from pathlib import Path

import pytest
import yaml

from diffzero.cluster.slurm.profile import job_limit
from diffzero.cluster.slurm.queue import SlurmError, partition_time_limit
from diffzero.config import load_run
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.plan import make_plan
from diffzero.workflow.plan_report import describe_too_long, format_calls, format_hours, plan_to_markdown
from diffzero.workflow.plan_shards import JobLimit

ROOT = Path(__file__).parents[2]
EXPONENT = re.compile(r"\de[+-]?\d")
DAY = JobLimit(24 * 60, "walltime_cap in slurm/config.yaml")


def experiment(tmp_path: Path, file: str, root: Path = ROOT, **changes) -> Experiment:
    config = yaml.safe_load((ROOT / "config" / file).read_text()) | {"results": str(tmp_path)} | changes
    return Experiment(load_run(config, root, where=file), root)


def text_of(run: Experiment, limit: JobLimit | None = DAY) -> str:
    return plan_to_markdown(make_plan(run, limit), run.run.cost_estimate)


@pytest.mark.parametrize("file", ["config.yaml", "demo.yaml"])
@pytest.mark.parametrize("changes", [{}, {"noise_seeds": [0, 1, 2]}, {"cost_estimate": {"device": "cpu"}}])
def test_the_plan_of_a_shipped_configuration_fits_into_100_columns_without_exponents(tmp_path, file, changes):
    text = text_of(experiment(tmp_path, file, **changes))
    assert max(map(len, text.splitlines())) <= 100
    assert not EXPONENT.search(text) and "nan" not in text and "inf" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in rows}) <= 2 and len(set(rows)) > len(rows) / 3


def test_hours_and_calls_have_units_and_no_exponent():
    assert [format_hours(hours) for hours in (5723.4, 69_930, 0, 0.134, 1e-9, math.nan)] == [
        *("5,720 h", "69,900 h", "0 h", "0.134 h", "< 0.01 h", "unknown")
    ]
    assert [format_calls(calls) for calls in (0, 999_999, 2_457_600, 8.175e9)] == ["0", "999,999", "2.46 M", "8,180 M"]


def test_every_speed_says_what_it_is_based_on_and_minis_are_not_priced_as_stable_diffusion(tmp_path):
    demo, paper = (" ".join(text_of(experiment(tmp_path, file)).split()) for file in ("demo.yaml", "config.yaml"))
    assert "803 GFLOPs per call (`gflops` in config/models/stable-diffusion-v1-4.yaml), utilization 30%" in paper
    assert "0.17 GFLOPs per call (`gflops` in config/models/mini-sd.yaml)" in demo
    assert "Time of the network on A100: < 0.01 h expected" in demo


def test_flops_of_a_local_checkpoint_without_gflops_are_counted(tmp_path):
    run = with_model(tmp_path, ROOT / "resources" / "models" / "mini-sd", resolution=32)
    plan = make_plan(run, DAY)
    assert "0.17 GFLOPs per call (counted from the checkpoint's configuration)" in plan.estimates[0].speed.source
    assert plan.estimates[0].speed.calls_per_s == pytest.approx(312e3 * 0.3 / 0.1714, rel=0.02)


def test_a_model_of_unknown_flops_has_unknown_hours_and_the_plan_says_so(tmp_path):
    run = experiment(tmp_path, "config.yaml", models=["stable-diffusion-v1-4", "deepfloyd-if-i-xl", "sdxl-base"])
    plan, text = make_plan(run, DAY), " ".join(text_of(run).split())
    assert (
        "its FLOPs are unknown, because its weights are not in a local folder. Run a pilot, or write `gflops`" in text
    )
    assert "Hours, shards and schedules are without sdxl-base" in text
    assert math.isnan(plan.estimates[-1].hours) == (plan.estimates[-1].scoring.model == "sdxl-base")


def with_model(root: Path, checkpoint_dir: Path, resolution: int) -> Experiment:
    """Return a run with a model `mine` in a local folder, whose YAML states no FLOPs."""
    for path in [*(ROOT / "config").glob("datasets/*"), *(ROOT / "config").glob("models/*")]:
        (root / path.relative_to(ROOT)).parent.mkdir(exist_ok=True, parents=True)
        (root / path.relative_to(ROOT)).symlink_to(path)
    model = {"kind": "diffusion", "title": "m", "licence": "MIT", "resolution": resolution, "dtype": "float16"}
    (root / "config" / "models" / "mine.yaml").write_text(yaml.safe_dump(model | {"path": str(checkpoint_dir)}))
    changes = {"models": ["mine"], "baselines": [], "attribute_binding": None}
    changes |= {"figure2_efficiency": [], "figure3_denoised": [], "figure6_samples": []}
    return experiment(root, "demo.yaml", root, **changes)


def test_a_broken_configuration_of_a_checkpoint_is_named(tmp_path):
    checkpoint_dir = tmp_path / "broken"
    (checkpoint_dir / "unet").mkdir(parents=True)
    (checkpoint_dir / "model_index.json").write_text('{"_class_name": "StablePipeline"}')
    text = " ".join(text_of(with_model(tmp_path, checkpoint_dir, 64)).split())
    assert "they cannot be counted (CheckpointError:" in text and "StablePipeline" in text


def test_the_papers_run_fits_into_a_day_and_with_the_earlier_shard_size_it_is_an_error(tmp_path):
    fits = experiment(tmp_path, "config.yaml")
    assert not describe_too_long(make_plan(fits, DAY), fits.run.cost_estimate)
    run = experiment(tmp_path, "config.yaml", max_calls_per_job=2_500_000)
    plan = make_plan(run, DAY)
    worst = plan.too_long(60)[0]
    mean = 60 * worst.hours / worst.shards
    assert mean < DAY.minutes < worst.longest_s / 60, "the mean fits and the longest does not"
    message = describe_too_long(plan, run.run.cost_estimate)
    assert (
        "deepfloyd-if-i-xl on imagenet, takes 1,6" in message
        and "Continuations from the store that it needs: 1" in message
    )
    assert f"**Error**: {message}" in " ".join(text_of(run).split())


@pytest.mark.parametrize("minutes", [300, 700])
def test_each_suggested_shard_size_fits_and_continuations_are_counted(tmp_path, minutes):
    limit = JobLimit(minutes, "limit of the partition gpu, from sinfo")
    run = experiment(tmp_path, "config.yaml", noise_seeds=[0])
    start = run.run.cost_estimate.start_seconds
    plan = make_plan(run, limit)
    assert {s.key for s in plan.suggestions} == {"max_calls_per_job", "max_images_per_job"}
    for suggestion in plan.suggestions:
        changed = experiment(tmp_path, "config.yaml", **{suggestion.key: suggestion.value})
        again = make_plan(changed, limit)
        assert not again.too_long(start), suggestion
        assert max(e.longest_s for e in again.estimates) + start + 60 <= 60 * minutes
        assert sum(e.shards for e in again.estimates) == suggestion.jobs
    worst = plan.too_long(start)[0]
    needed = math.ceil(worst.longest_s / (60 * minutes - 60 - start)) - 1
    assert f"it needs: {needed};" in describe_too_long(plan, run.run.cost_estimate)


def test_if_single_images_may_outlast_a_job_the_mean_job_fits_and_the_others_are_counted(tmp_path):
    run, limit = experiment(tmp_path, "config.yaml"), JobLimit(90, "limit of the partition gpu, from sinfo")
    message = describe_too_long(make_plan(run, limit), run.run.cost_estimate)
    assert (
        "may still be continued" in message and "`max_calls_per_job` to" in message and "No shard size" not in message
    )


def test_where_one_image_outlasts_a_job_no_size_is_suggested(tmp_path):
    run = experiment(tmp_path, "config.yaml", cost_estimate={"device": "cpu"})
    assert "No shard size fits, because one image takes longer" in describe_too_long(
        make_plan(run, DAY), run.run.cost_estimate
    )


SINFO = '#!/bin/sh\n[ "$3" = gpu ] && echo {limit}\nexit {code}\n'


def site(root: Path, monkeypatch, profile: str, limit: str = "infinite", code: int = 0, sinfo: bool = True) -> Path:
    """Write a profile, and a program that answers as sinfo does; without it there is no SLURM."""
    (root / "slurm").mkdir()
    (root / "slurm" / "config.yaml").write_text(profile)
    (root / "bin").mkdir()
    if sinfo:
        (root / "bin" / "sinfo").write_text(SINFO.format(limit=limit, code=code))
        (root / "bin" / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", str(root / "bin") + (":/usr/bin:/bin" if sinfo else ""))
    partition_time_limit.cache_clear()
    return root


PROFILE = "retries: 5\ndefault-resources: {slurm_partition: cpu, walltime_cap: 1440}\nset-resources: {score: {slurm_partition: gpu}}\n"


@pytest.mark.parametrize(
    ("profile", "limit", "overrides", "minutes", "source"),
    [
        (PROFILE, "1:30:00", {}, 90, "partition gpu, from sinfo"),
        (PROFILE, "2-00:00:00", {}, 1440, "walltime_cap in slurm/config.yaml"),
        (PROFILE, "infinite", {"walltime_cap": 30}, 30, "walltime_cap"),
        (PROFILE, "1:30:00", {"slurm_partition": "cpu"}, 1440, "walltime_cap"),
        (
            PROFILE.replace("{slurm_partition: gpu}", "{slurm_partition: gpu, walltime_cap: 60}"),
            "1:30:00",
            {},
            60,
            "walltime",
        ),
        ("{}", "1:30:00", {}, 1440, "assumed"),
    ],
)
def test_the_limit_is_the_shorter_one_of_profile_and_partition(
    tmp_path, monkeypatch, profile, limit, overrides, minutes, source
):
    found = job_limit(site(tmp_path, monkeypatch, profile, limit), "score", overrides)
    assert found.minutes == minutes and source in found.source and not found.notes
    assert found.retries == (5 if profile != "{}" else 0)


def test_without_slurm_the_limit_is_that_of_the_profile_and_what_is_unknown_is_said(tmp_path, monkeypatch):
    found = job_limit(site(tmp_path, monkeypatch, PROFILE, sinfo=False), "score", {})
    assert found.minutes == 1440 and "no `sinfo` on this machine" in found.notes[0]


def test_a_controller_that_does_not_answer_is_no_reason_to_fail(tmp_path, monkeypatch):
    found = job_limit(site(tmp_path, monkeypatch, PROFILE, code=1), "score", {})
    assert found.minutes == 1440 and "sinfo does not answer" in found.notes[0]


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (PROFILE.replace("1440", "24h"), "found walltime_cap '24h', expected minutes"),
        (PROFILE.replace("1440", "0"), "found walltime_cap 0, expected minutes"),
        ("- a\n", "found a list, expected keys"),
        ("a: [\n", "found no valid YAML"),
    ],
)
def test_a_profile_that_cannot_be_read_is_named(tmp_path, monkeypatch, profile, words):
    with pytest.raises(SlurmError, match=r"slurm/config\.yaml: " + re.escape(words)):
        job_limit(site(tmp_path, monkeypatch, profile), "score", {})
