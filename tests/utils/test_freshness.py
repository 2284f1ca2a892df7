"""Freshness by content: a file that was made from another version of its source is named, with the command that makes it again."""

import os

import pytest

from diffzero.utils.freshness import require_fresh, require_made_from, require_settings
from diffzero.utils.provenance import StaleFileError
from diffzero.utils.result_files import digests_of, read_provenance, write_record


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Write images -> crops -> scores, and predictions from scores and items; return their paths by name."""
    monkeypatch.chdir(tmp_path)
    paths = {
        name: tmp_path / folder / f"{name}.json"
        for name, folder in zip("abcde", ("", "x", "x/y", "", "z"), strict=True)
    }
    write_record({"value": "a"}, paths["a"])
    write_record({"value": "b"}, paths["b"], digests_of([paths["a"]]))
    write_record({"value": "c"}, paths["c"], digests_of([paths["b"]]))
    write_record({"value": "d"}, paths["d"])
    write_record({"value": "e"}, paths["e"], digests_of([paths["c"], paths["d"]]), {"version": 1})
    return paths


def test_a_consistent_chain_is_fresh_whatever_the_time_stamps_say(chain):
    for age, path in enumerate(chain.values()):
        os.utime(path, (10**9 - age, 10**9 - age))  # every file is older than its sources
    require_fresh(chain.values())


@pytest.mark.parametrize(("changed", "stale", "removed"), [("a", "b", "bce"), ("b", "c", "ce"), ("d", "e", "e")])
def test_a_changed_source_anywhere_in_the_chain_is_found(chain, changed, stale, removed):
    sources = digests_of([chain["a"]]) if changed == "b" else None
    stamp = chain[changed].stat().st_mtime_ns
    write_record({"value": "new"}, chain[changed], sources)
    os.utime(chain[changed], ns=(stamp, stamp))  # as with a clock that was set back
    with pytest.raises(StaleFileError) as error:
        require_fresh([chain["e"]])
    assert str(error.value).startswith(f"{chain[stale]}: made from {chain[changed]} with digest")
    assert f"`rm {' '.join(str(chain[name]) for name in removed)}`" in str(error.value)
    for name in removed:
        chain[name].unlink()
    require_fresh([chain["a"], chain["d"]])


def test_all_stale_files_are_named_at_once(chain):
    for name in "ad":
        write_record({"value": "new"}, chain[name])
    with pytest.raises(StaleFileError, match="2 such files") as error:
        require_fresh([chain["e"]])
    assert all(str(chain[name]) in str(error.value) for name in "bce")


def test_a_source_that_no_longer_exists_does_not_contradict(chain):
    chain["b"].unlink()
    chain["a"].unlink()
    require_fresh([chain["e"]])


def test_a_source_made_again_with_the_same_values_is_the_same_source(chain):
    write_record({"value": "b"}, chain["b"], digests_of([chain["a"]]))
    require_fresh([chain["e"]])


def test_a_file_made_from_something_else_or_by_another_version_is_refused(chain):
    provenance = read_provenance(chain["e"])
    require_made_from(chain["e"], provenance, digests_of([chain["c"]]))
    require_settings(chain["e"], provenance, {"version": 1})
    with pytest.raises(StaleFileError, match=rf"expected a file made from {chain['a']} .* Type `rm {chain['e']}`"):
        require_made_from(chain["e"], provenance, digests_of([chain["a"]]))
    with pytest.raises(StaleFileError, match="found version 1, expected 2"):
        require_settings(chain["e"], provenance, {"version": 2})


@pytest.mark.parametrize("lost", ["scores", "x", None])
def test_results_of_old_weights_are_found_when_a_failed_job_has_lost_a_file_in_between(tmp_path, lost):
    """Snakemake does not make predictions again because of a newer record of the weights, only because of new scores."""
    record, x, scores = tmp_path / "weights/mini.json", tmp_path / "inputs/mini/digits/x.json", tmp_path / "scores.json"
    predictions = tmp_path / "predictions.json"
    write_record({"digest": "old"}, record)
    write_record({"value": "x"}, x, digests_of([record]))
    write_record({"value": "scores"}, scores, digests_of([record, x]))
    write_record({"value": "predictions"}, predictions, digests_of([record, scores]))
    write_record({"digest": "new"}, record)
    for age, path in enumerate((record, predictions, scores, x)):
        os.utime(path, (10**9 - age, 10**9 - age))
    if lost is None:  # the old latents are older than the record, and all that follows is made again
        return require_fresh([predictions], despite_times=True)
    {"scores": scores, "x": x}[lost].unlink()
    with pytest.raises(StaleFileError, match=f"made from {record} .*`rm .*{predictions}"):
        require_fresh([predictions], despite_times=True)
