"""A mistake in a configuration is refused: the message names what was found, what was expected and where."""

from pathlib import Path

import pytest

from diffzero.config import ConfigError, load_dataset, load_model, load_run
from workspace import DATASET, MODEL, ROOT, demo, workspace


def error_message(**changes: object) -> str:
    """Return the error of loading the demo's configuration with these changes."""
    with pytest.raises(ConfigError) as error:
        load_run(demo(**changes), ROOT, where="config/demo.yaml")
    return str(error.value)


def test_binding_without_scenes_or_with_an_unknown_key_is_refused():
    assert error_message(attribute_binding={"examples_per_task": 0}).startswith(
        "config/demo.yaml: 'attribute_binding.examples_per_task': found 0, expected greater than or equal to 1."
    )
    assert "unknown key 'colours' in 'attribute_binding'" in error_message(
        attribute_binding={"examples_per_task": 4, "colours": 9}
    )


@pytest.mark.parametrize("key", ["figure2_efficiency", "full_scoring"])
def test_full_scores_of_a_single_image_are_refused_because_they_cannot_be_split(key):
    entry = {"model": "mini-sd", "dataset": "digits", "n_images": 1, "draws": 5}
    assert f"'{key}[0].n_images': found 1, expected greater than or equal to 2" in error_message(**{key: [entry]})


def test_a_misspelt_key_is_refused_with_the_nearest_key_the_file_and_the_legal_keys():
    assert error_message(policy={"max_score": 5}) == (
        "config/demo.yaml: unknown key 'max_score' in 'policy'. Did you mean 'max_scores'? "
        "Legal keys: kind, min_scores, max_scores, cutoff_pval."
    )
    assert "unknown key 'modells'. Did you mean 'models'?" in error_message(modells=["mini-sd"])
    assert "unknown key 'keeps' in 'policy.stages[0]'" in error_message(
        policy={"kind": "stages", "stages": [{"draws": 3, "keeps": 1}]}
    )


def test_a_mistake_in_a_file_is_reported_with_its_line(tmp_path):
    root = workspace(tmp_path, dataset=DATASET.replace("digits}", "digits, pth: x}"))
    with pytest.raises(ConfigError, match="^config/datasets/d.yaml, line 2: unknown key 'pth' in 'source'"):
        load_dataset("d", root)
    (root / "run.yaml").write_text("name: x\nmodels: [m]\ndatasets:\n  - e\n")
    (root / "config/models/m.yaml").write_text(MODEL + "path: x\n")
    with pytest.raises(ConfigError, match="^run.yaml, line 4: unknown dataset 'e'"):
        load_run("run.yaml", root)


def test_all_mistakes_are_reported_together():
    assert len(error_message(max_images=0, device="gpu", policy={"min_scores": 1}).splitlines()) == 3


def test_an_unknown_model_is_refused_with_the_known_models_and_the_file_to_write():
    message = error_message(models=["mini-ds"])
    assert "unknown model 'mini-ds'. Did you mean 'mini-sd'?" in message
    assert "nearest first: mini-sd, " in message and all(
        path.stem in message for path in (ROOT / "config" / "models").glob("*.yaml")
    )
    assert "write config/models/mini-ds.yaml" in message


def test_an_unknown_data_set_is_refused_with_the_known_data_sets():
    message = error_message(datasets=["fasion"])
    assert "unknown dataset 'fasion'. Did you mean 'fashion'?" in message and "mnist" in message


def test_a_model_under_the_wrong_key_is_refused_with_the_right_key():
    message = error_message(models=["mini-sd", "mini-if", "mini-clip"], baselines=[])
    assert "'mini-clip' in 'models' is a clip model. List it under 'baselines'." in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_images": "many"}, "'max_images': found 'many', expected integer"),
        ({"max_images": True}, "'max_images': found True, expected integer"),
        ({"models": "mini-sd"}, "'models': found 'mini-sd', expected a list. Write e.g. [mini-sd]"),
        ({"models": []}, "'models': found [], expected at least 1 entry"),
        ({"baselines": None}, "'baselines': found nothing, expected a list"),
        ({"datasets": [7]}, "'datasets[0]': found 7, expected text. Put it in quotes"),
        ({"name": "My Run"}, "'name': found 'My Run', expected lower-case letters, digits and hyphens"),
        ({"device": "gpu"}, "'device': found 'gpu', expected auto, cpu, cuda or cuda:N"),
        ({"policy": 3}, "'policy': found 3, expected a block of keys"),
        ({"policy": {"kind": "ttests"}}, "expected full or ttest or stages. Did you mean 'ttest'?"),
        ({"policy": {"cutoff_pval": 1.0}}, "'policy.cutoff_pval': found 1.0, expected less than 1"),
        ({"policy": {"min_scores": 1}}, "'policy.min_scores': found 1, expected greater than or equal to 2"),
        ({"policy": {"max_scores": 19}}, "max_scores is 19, expected at least min_scores, which is 20"),
        ({"weighting": {"kind": "simpel"}}, "Did you mean 'simple'?"),
        ({"noise_seeds": [1, 1]}, "'noise_seeds' holds 1 twice"),
        ({"models": ["mini-sd", "mini-sd"]}, "'models' holds 'mini-sd' twice"),
        ({"models": ["mini-sd"]}, "'figure3_denoised[1].model' is 'mini-if', expected one of 'models': mini-sd."),
        (
            {"max_images": 1},
            "'max_images' is 1, but 'figure2_efficiency[0].n_images' needs at least 2 images. Raise 'max_images' to 2",
        ),
        ({"batch_size": 0}, "'batch_size': found 0, expected greater than or equal to 1 or auto"),
        ({"batch_size": "big"}, "'batch_size': found 'big', expected integer or auto"),
        ({"batch_size": "1"}, "'batch_size': found '1', expected integer or auto"),
        ({"batch_size": True}, "'batch_size': found True, expected integer or auto"),
        ({"max_images": 10**12}, "'max_images': found 1000000000000, expected less than or equal to 1000000000"),
        ({"noise_seeds": [2**70]}, "'noise_seeds[0]': found 1180591620717411303424, expected less than or equal to"),
        ({"results": "a\nb"}, "'results': found 'a\\nb', expected text on one line without control characters"),
        (
            {"attribute_binding": {"examples_per_task": 2, "models": ["mini-x", "mini-x"]}},
            "'attribute_binding.models' holds 'mini-x' twice",
        ),
        (
            {"attribute_binding": {"render_spp": 4}},
            "'attribute_binding': found neither `examples_per_task` nor `lewis`, expected one",
        ),
        ({"name": "store"}, "'store' is 'results/store', inside the folder of the run, 'results/store'"),
        ({"store": "results/../results/demo/s"}, "inside the folder of the run, 'results/demo'"),
        ({"store": str(Path("results/demo/s").resolve())}, "inside the folder of the run, 'results/demo'"),
        ({"results": str(Path("results").resolve()), "store": "./results/demo"}, "inside the folder of the run, '/"),
        (
            {"figure3_denoised": [{"model": "mini-sd", "n_images": 1}]},
            "key 'dataset' is missing in 'figure3_denoised[0]'",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_expected_one(changes, expected):
    assert expected in error_message(**changes)


def test_a_missing_key_is_reported_by_its_name():
    content = demo()
    del content["datasets"]
    with pytest.raises(ConfigError, match="^configuration: key 'datasets' is missing. Add it"):
        load_run(content, ROOT)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"kind": "stages", "stages": []}, "'policy.stages': found [], expected at least 1 entry"),
        ({"kind": "stages", "stages": [(5, 3), (5, 1)]}, "draws [5, 5], expected increasing"),
        ({"kind": "stages", "stages": [(5, 3), (9, 3), (12, 1)]}, "keep [3, 3, 1], expected decreasing"),
        ({"kind": "stages", "stages": [(5, 3), (9, 2)]}, "that end with 1"),
    ],
)
def test_stages_out_of_order_are_refused(policy, expected):
    stages = [{"draws": draws, "keep": keep} for draws, keep in policy.get("stages", [])]
    message = error_message(policy=policy | {"stages": stages})
    assert message.startswith("config/demo.yaml: 'policy") and expected in message


@pytest.mark.parametrize(
    ("block", "values", "expected"),
    [
        ("weighting", {"kind": "simple", "decay": 7.0}, "key 'decay' in 'weighting' belongs to kind 'heuristic'"),
        ("policy", {"kind": "full", "min_scores": 5}, "key 'min_scores' in 'policy' belongs to kind 'ttest'"),
        ("policy", {"stages": [{"draws": 5, "keep": 1}]}, "key 'stages' in 'policy' belongs to kind 'stages'"),
        (
            "policy",
            {"kind": "stages", "max_scores": 8, "stages": [{"draws": 8, "keep": 1}]},
            "key 'max_scores' in 'policy' belongs to kind 'ttest' or 'full'",
        ),
    ],
)
def test_a_parameter_of_another_kind_is_refused(block, values, expected):
    message = error_message(**{block: values})
    assert f"{expected}. Change the kind or remove the key. Legal keys: kind" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[cat, dog]", "[cat]", "'classnames': found 1 class names, expected at least 2"),
        ("[cat, dog]", "[no, yes]", "'classnames[0]': found False, expected text. Put it in quotes"),
        ("a {}.", "a photo.", "found 'a photo.', expected exactly one {}"),
        ("a {}.", "{} or {}", "found '{} or {}', expected exactly one {}"),
        ("a {}.", "{name} {}", "no other braces"),
        ("classnames", "prompt_template: 1\nclassnames", "'prompt_template' is 1, expected 0 to 0"),
        ("classnames", "seen_by_models: [n]\nclassnames", "line 5: unknown model 'n'"),
        ("kind: digits", "kind: parket", "'source.kind': found 'parket', expected archive or digits or folder or hub"),
        ("kind: digits", "kind: folder", "line 2: key 'path' is missing in 'source'"),
        ("kind: digits", "path: x", "line 2: key 'kind' is missing in 'source'"),
        (
            "kind: digits",
            "kind: webdataset, repo: a/b, revision: main",
            "'source.revision': found 'main', expected the 40",
        ),
        (
            "source: {kind: digits}",
            "source: {kind: digits}\nsources: [{kind: digits}]",
            "found both of 'source' and 'sources'",
        ),
        ("source: {kind: digits}\n", "", "found neither of 'source' and 'sources'"),
        ("source: {kind: digits}", "sources: [{kind: digits}, {kind: tar}]", "'sources[1].kind': found 'tar'"),
        (
            "kind: digits",
            "kind: archive, format: idx, files: [{url: 'http://x/y'}]",
            "format 'idx' with 1 files, expected 2",
        ),
        (
            "kind: digits",
            "kind: archive, format: listed, files: [{url: 'http://x/y'}]",
            "'listing' and format 'listed'",
        ),
        ("kind: digits", "kind: archive, format: svhn, files: [{url: 'ftp://x'}]", "a URL that starts with http"),
        ("kind: digits", "kind: archive, format: svhn, files: [{url: 'http://x', digest: md4}]", "sha256: or md5:"),
        (
            "classnames",
            "source_classnames: [a, a]\nclassnames",
            "found 1 different 'source_classnames', expected one for each of the 2",
        ),
        ("classnames", "paper_prompt_template: 3\nclassnames", "'paper_prompt_template' is 3, expected 0 to 0"),
        ("classnames", "cue_pattern: '(x'\nclassnames", "which is not a regular expression"),
        (
            "classnames",
            "cue_pattern: '(?P<shape>x)'\nclassnames",
            "expected the groups (?P<shape>...) and (?P<texture>...)",
        ),
        ("classnames", "exclude_non_conflict: true\nclassnames", "'exclude_non_conflict' needs 'cue_pattern'"),
        ("title: Two", "title: Two\ntitle: Three", "line 2: 'title' is also on line 1"),
        ("title: Two", "title: [", "config/datasets/d.yaml, line 3: is not YAML"),
    ],
)
def test_a_wrong_data_set_is_refused(tmp_path, old, new, expected):
    with pytest.raises(ConfigError) as error:
        load_dataset("d", workspace(tmp_path, dataset=DATASET.replace(old, new, 1)))
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "config/models/m.yaml: found nothing, expected lines of the form 'key: value'"),
        (MODEL, "config/models/m.yaml: neither 'path' nor 'hub' is given"),
        (MODEL + "hub: a/b\n", "'hub' and 'revision' go together"),
        (MODEL + "hub: a/b\nrevision: main\n", "line 7: 'revision': found 'main', expected the 40 hexadecimal digits"),
        (MODEL + "pth: x\n", "line 6: unknown key 'pth'. Did you mean 'path'?"),
        (MODEL.replace("diffusion", "gan"), "line 1: 'kind': found 'gan', expected diffusion or clip"),
        (
            MODEL.replace("float32", "float8"),
            "line 5: 'dtype': found 'float8', expected float32 or bfloat16 or float16",
        ),
    ],
)
def test_a_wrong_model_is_refused(tmp_path, text, expected):
    with pytest.raises(ConfigError) as error:
        load_model("m", workspace(tmp_path, model=text))
    assert expected in str(error.value)


def test_a_missing_file_is_reported_by_its_path():
    with pytest.raises(ConfigError, match="^config/no.yaml: cannot be read"):
        load_run("config/no.yaml", ROOT)
