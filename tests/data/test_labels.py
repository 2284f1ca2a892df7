"""Matching of a source's labels and class names to those of a data set."""

import pytest

from diffzero.config import Dataset
from diffzero.data.labels import LabelMap


def dataset(names: list[str], keys: list[str] | None = None) -> Dataset:
    values = {
        "title": "Things",
        "classnames": names,
        "prompt_templates": ["a {}."],
        "licence": "MIT",
        "source": {"kind": "digits"},
    }
    return Dataset.model_validate({**values, "source_classnames": keys or []})


def order(ours: Dataset, theirs: list[str]) -> list[str]:
    """Return the data set's class name for each label of the source."""
    label_map = LabelMap(ours, theirs)
    return [ours.classnames[label_map.to_label(k)] for k in range(len(theirs))]


def test_names_are_matched_regardless_of_case_and_punctuation():
    ours = dataset(["polka-dotted", "ice cream", "St. Bernard", "owl"])
    assert order(ours, ["Owl", "st bernard", "ICE_CREAM", "polka dotted"]) == [
        "owl", "St. Bernard", "ice cream", "polka-dotted",
    ]  # fmt: skip


def test_names_that_differ_only_in_punctuation_are_different():
    ours = dataset(["C", "C++", "+", "-"])
    assert order(ours, ["-", "C++", "C", "+"]) == ["-", "C++", "C", "+"]
    assert [LabelMap(ours).to_label(name) for name in ("C++", "+", "C", "-")] == [1, 2, 0, 3]
    with pytest.raises(ValueError, match="found label c, expected a class name"):
        LabelMap(ours).to_label("c")


def test_source_classnames_take_precedence_over_classnames():
    ours = dataset(["cat", "dog", "owl", "emu"], keys=["dog", "cat", "n3", "n4"])
    assert order(ours, ["dog", "cat", "n3", "n4"]) == ["cat", "dog", "owl", "emu"]
    assert LabelMap(ours).to_label("dog") == 0 and LabelMap(ours).to_label("owl") == 2


def test_a_source_may_have_fewer_classes_and_labels_beyond_them_are_refused():
    ours = dataset(["background", "bear", "cat"])
    assert order(ours, ["bear", "cat"]) == ["bear", "cat"]
    with pytest.raises(ValueError, match=r"found label 2, expected 0\.\.1"):
        LabelMap(ours, ["bear", "cat"]).to_label(2)


def test_a_misspelt_name_is_accepted_only_at_its_own_place():
    names = ["ant", "bee", "crab", "dog", "emu"]
    assert order(dataset(names), ["ant", "bee", "cra", "dog", "emu"]) == names
    with pytest.raises(ValueError, match="found a class 'cra' in the source"):
        LabelMap(dataset(names), ["cra", "ant", "bee", "dog", "emu"])


def test_unknown_names_are_taken_in_order_with_a_warning(caplog):
    assert order(dataset(["cat", "dog"]), ["Katze", "Hund"]) == ["cat", "dog"]
    assert "the source calls its classes Katze, ...: no name is known, so they are taken in order" in caplog.text
    with pytest.raises(ValueError, match="found 3 class names in the source, expected 2"):
        LabelMap(dataset(["cat", "dog"]), ["Katze", "Hund", "Maus"])


def test_equal_names_map_to_the_lowest_label():
    assert LabelMap(dataset(["owl", "missile", "missile"])).to_label("missile") == 1
    assert order(dataset(["owl", "missile", "missile"]), ["owl", "Missile", "missile"]) == ["owl", "missile", "missile"]
