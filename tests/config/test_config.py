"""The shipped configurations load, and the schema and the documentation of the keys follow from the code."""

import json
from pathlib import Path

import pytest
import yaml

from diffzero.config import Clip, ConfigError, json_schema, load_dataset, load_model, load_run, markdown
from diffzero.data.sources.parquet import Hub
from diffzero.diffusion.weighting import WEIGHTINGS
from diffzero.pruning.policies import POLICIES
from diffzero.workflow.experiment import Experiment
from workspace import ROOT, demo, workspace

REGENERATE = "run `make config-docs`"
MODELS = sorted(path.stem for path in (ROOT / "config/models").glob("*.yaml"))
DATASETS = sorted(path.stem for path in (ROOT / "config/datasets").glob("*.yaml"))
CLASSES = {
    "cifar10": 10, "cifar100": 100, "stl10": 10, "mnist": 10, "dtd": 47, "camelyon": 2, "svhn": 10, "svhn_digits": 10, "eurosat": 10,
    "cars": 196, "imagenet": 1000, "caltech101": 102, "pets": 37, "food101": 101, "digits": 10, "fashion": 10,
    "cue_conflict": 16,
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_every_shipped_model_loads(name):
    assert load_model(name, ROOT).title


@pytest.mark.parametrize("name", DATASETS)
def test_every_shipped_data_set_has_its_number_of_classes(name):
    assert len(load_dataset(name, ROOT).classnames) == CLASSES[name]


@pytest.mark.parametrize("name", ["config", "demo"])
def test_shipped_runs_load_equally_from_a_file_and_from_a_dictionary(name):
    path = Path(f"config/{name}.yaml")
    assert load_run(path, ROOT) == load_run(yaml.safe_load((ROOT / path).read_text()), ROOT)


@pytest.mark.parametrize("written_out", [True, False])
def test_config_yaml_and_the_defaults_have_the_numbers_of_the_paper(written_out):
    names = {"name": "paper", "models": ["stable-diffusion-v1-4"], "datasets": ["mnist"]}
    run = load_run("config/config.yaml" if written_out else names, ROOT)
    assert (run.policy.kind, run.policy.min_scores, run.policy.max_scores) == ("ttest", 20, 2000)
    assert (run.policy.cutoff_pval, run.max_images) == (0.002, 4096)
    assert (run.weighting.kind, run.weighting.decay) == ("heuristic", 7)


def test_imagenet_uses_the_template_of_the_paper():
    imagenet = load_dataset("imagenet", ROOT)
    assert imagenet.prompt_templates[imagenet.prompt_template] == "A bad photo of a {}."
    assert imagenet.classnames.count("missile") == imagenet.classnames.count("sunglasses") == 2


def test_food101_follows_the_label_order_of_its_first_source():
    food = load_dataset("food101", ROOT)
    assert isinstance(food.all_sources[0], Hub) and food.all_sources[0].repo == "ethz/food101"
    assert food.classnames[16:18] == ["cheesecake", "cheese plate"]


def test_openai_clip_runs_with_quickgelu(tmp_path):
    clip = load_model("clip-vit-l-14", ROOT)
    assert isinstance(clip, Clip) and clip.architecture == "ViT-L-14-quickgelu" and clip.downsample_to == [64, None]
    wrong = "kind: clip\ntitle: M\nlicence: MIT\narchitecture: ViT-L-14\npretrained: openai\n"
    with pytest.raises(ConfigError, match="Write 'ViT-L-14-quickgelu'"):
        load_model("m", workspace(tmp_path, model=wrong))


def test_binding_uses_the_models_of_the_run_unless_it_lists_its_own():
    binding = {"examples_per_task": 4, "models": ["mini-if"]}
    run = load_run(demo(attribute_binding=binding), ROOT)
    assert (run.attribute_binding.models, run.attribute_binding.baselines) == (["mini-if"], ["mini-clip"])
    assert load_run(demo(attribute_binding=None), ROOT).attribute_binding is None


def test_config_yaml_has_the_settings_of_the_appendices_in_comments():
    lines = (ROOT / "config" / "config.yaml").read_text().splitlines()
    seeds = next(line for line in lines if line.startswith("# noise_seeds:")).removeprefix("# ")
    first = lines.index("# name: appendix-f")
    block = [line.removeprefix("# ") for line in lines[first : first + 7]]
    run = load_run(yaml.safe_load("\n".join([seeds, *block])), ROOT)
    assert len(run.noise_seeds) > 1
    scorings = Experiment(run, ROOT).full_scorings
    assert {(s.model, s.dataset, s.n_images, s.policy.max_scores) for s in scorings} == {
        (model, "imagenet", 64, 500) for model in ("deepfloyd-if-i-xl", "deepfloyd-if-ii")
    }


def test_a_full_policy_may_have_fewer_draws_than_the_min_scores_of_algorithm_1():
    assert load_run(demo(policy={"kind": "full", "max_scores": 10}), ROOT).policy.max_draws == 10


@pytest.mark.parametrize("kind", [*POLICIES, *WEIGHTINGS])
def test_every_policy_and_weighting_is_documented(kind):
    assert f"| `kind` | `{kind}` |" in markdown()


def test_legal_stages_load():
    stages = [{"draws": 5, "keep": 3}, {"draws": 50, "keep": 1}]
    assert len(load_run(demo(policy={"kind": "stages", "stages": stages}), ROOT).policy.stages) == 2


def test_schema_matches_the_code():
    assert json.loads((ROOT / "config/schema.json").read_text()) == json_schema(), REGENERATE


def test_documentation_matches_the_code():
    assert (ROOT / "docs/configuration.md").read_text() == markdown(), REGENERATE
