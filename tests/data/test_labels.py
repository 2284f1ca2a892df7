"""Matching of a source's labels and class names to those of a data set."""

import math
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


NAMES = st.lists(st.text("abcé-+_ 1C", min_size=1).filter(lambda name: name == name.strip()), min_size=2, unique=True)


@given(NAMES, st.randoms())
def test_a_name_matches_itself_alone_in_any_order_and_normal_form(names, random):
    ours, theirs = dataset(names), [unicodedata.normalize("NFD", name) for name in names]
    random.shuffle(theirs)
    assert order(ours, theirs) == [unicodedata.normalize("NFC", name) for name in theirs]
    assert [LabelMap(ours).find(name) for name in names] == list(range(len(names)))


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (["-1", "2"], "1"), (["C++", "D"], "C"), (["3.5 mm", "5 mm"], "35 mm"), (["golden retriever", "pug"], "Golden_Retriever"),
        (["golden retriever", "pug"], "golden retriever "), (["owl", "emu"], "Owl"), (["St. Bernard", "pug"], "St Bernard"),
        (["crab", "bee"], "cra"), (["2", "3"], "²"), (["file", "pug"], "ﬁle"), (["a b", "pug"], "a\u00a0b"), (["strasse", "pug"], "straße"),
    ],
)  # fmt: skip
def test_a_name_that_differs_in_anything_is_no_match_and_the_message_suggests_the_key(known, found):
    label_map = LabelMap(dataset(known))
    assert label_map.find(found) is None and not label_map.contains(found)
    with pytest.raises(ValueError, match="expected a class name") as error:
        label_map.to_label(found)
    assert "source_classnames: [" in str(error.value)
    with pytest.raises(ValueError, match="source_classnames: "):
        LabelMap(dataset(known), [found, known[1]])


def test_the_message_names_the_near_class_and_the_whole_key():
    with pytest.raises(ValueError, match="found a class 'Golden_Retriever' in the source") as error:
        LabelMap(dataset(["pug", "golden retriever", "no"]), ["Golden_Retriever", "no", "pug"], "shard.parquet")
    message = str(error.value)
    assert message.startswith("shard.parquet: ")
    assert "Did you mean 'Golden_Retriever' for class 'golden retriever'?" in message
    assert message.endswith('source_classnames: ["pug", "Golden_Retriever", "no"]')


def test_names_that_differ_only_in_punctuation_are_different():
    ours = dataset(["C", "C++", "+", "-"])
    assert order(ours, ["-", "C++", "C", "+"]) == ["-", "C++", "C", "+"]
    assert [LabelMap(ours).to_label(name) for name in ("C++", "+", "C", "-")] == [1, 2, 0, 3]
    with pytest.raises(ValueError, match="found label 'c', expected a class name"):
        LabelMap(ours).to_label("c")


def test_with_source_classnames_the_classnames_play_no_part():
    ours = dataset(["cat", "dog", "owl", "emu"], keys=["dog", "cat", "n3", "n4"])
    assert order(ours, ["dog", "cat", "n3", "n4"]) == ["cat", "dog", "owl", "emu"]
    assert LabelMap(ours).to_label("dog") == 0 and LabelMap(ours).find("owl") is None
    with pytest.raises(ValueError, match="found a class 'owl' in the source"):
        LabelMap(ours, ["cat", "dog", "owl", "emu"])


def test_a_source_may_have_names_of_its_own():
    values = dataset(["cat", "dog"], keys=["n1", "n2"]).model_dump()
    sources = [
        {"kind": "digits"},
        {"kind": "digits", "uses_classnames": True},
        {"kind": "digits", "source_classnames": ["Katze", "Hund"]},
    ]
    ours = Dataset.model_validate({**values, "source": None, "sources": sources})
    found = [LabelMap(ours.for_source(source)).names for source in ours.all_sources]
    assert found == [["n1", "n2"], ["cat", "dog"], ["Katze", "Hund"]]
    with pytest.raises(ValueError, match="found 1 different 'source_classnames', expected one for each of the 2"):
        Dataset.model_validate({**values, "source": {"kind": "digits", "source_classnames": ["Katze"]}})
    with pytest.raises(ValueError, match="found 'source_classnames' and 'uses_classnames: true', expected one"):
        Dataset.model_validate({**values, "source": {**sources[2], "uses_classnames": True}})


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (["ant", "crab", "dog", "emu"], "found 4 class names in the source, expected 5; not there: bee"),
        (["ant", "bee", "cra", "dog", "emu"], "found a class 'cra' in the source"),
        (["ant", "bee", "crab", "lion", "tiger"], "found a class 'lion' in the source (2 of its 5 names are unknown)"),
        (["ant", "bee", "crab", "dog", "emu", "lion"], "found a class 'lion' in the source (1 of its 6"),
        (["ant", "bee", "crab", "dog", "dog"], "found the class name 'dog' 2 times in the source"),
        (["Ameise", "Biene", "Krabbe", "Hund", "Strauß"], 'source_classnames: ["Ameise", "Biene", "Krabbe", "Hund", "Strauß"]'),
        (["ant", "bee", "crab", "dog", ""], "found a class '' in the source"),
    ],
)  # fmt: skip
def test_names_that_are_not_those_of_the_data_set_are_refused_never_taken_in_order(theirs, message):
    with pytest.raises(ValueError) as error:
        LabelMap(dataset(["ant", "bee", "crab", "dog", "emu"]), theirs)
    assert message in str(error.value)


def test_only_names_that_the_user_wrote_may_lack_classes():
    ours = dataset(["ant", "bee", "crab"])
    label_map = LabelMap(ours, ["crab", "ant"], partial=True)
    assert [label_map.to_label(k) for k in range(2)] == [2, 0]
    with pytest.raises(ValueError, match=r"found label 2, expected 0\.\.1"):
        label_map.to_label(2)
    with pytest.raises(ValueError, match="found 2 class names in the source, expected 3"):
        LabelMap(ours.model_copy(update={"allow_empty": True}), ["crab", "ant"])


def test_equal_names_map_to_the_lowest_label_and_only_in_the_order_of_the_data_set():
    ours = dataset(["owl", "missile", "missile"])
    assert LabelMap(ours).to_label("missile") == 1
    assert order(ours, ["owl", "missile", "missile"]) == ["owl", "missile", "missile"]
    assert LabelMap(ours, ["owl", "missile", "missile"]).to_label(2) == 2
    with pytest.raises(ValueError, match="found the class name 'missile' 2 times"):
        LabelMap(ours, ["missile", "owl", "missile"])
    with pytest.raises(ValueError, match="found 2 class names in the source, expected 3"):
        LabelMap(ours, ["missile", "owl"])


@pytest.mark.parametrize("number", [1, 1.0, np.int64(1), np.uint8(1), np.float32(1)])
def test_whole_numbers_of_any_type_are_labels(number):
    assert LabelMap(dataset(["ant", "bee"])).to_label(number) == 1


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (math.nan, "found label nan, expected 0..1 or a class name. The image has no label"),
        (None, "found label None, expected 0..1 or a class name. The image has no label"),
        (-1, "found label -1, expected 0..1. A negative label usually marks an image without a label"),
        (2, "found label 2, expected 0..1, the labels of 2 classes"),
        (np.int8(-7), "found label -7, expected 0..1. A negative"),
        (0.5, "found label 0.5, expected 0..1 or a class name, found float"),
        (math.inf, "found label inf"),
        (True, "found label True, expected 0..1 or a class name, found bool"),
        (np.bool_(False), "found label False"),
        (b"ant", "found label b'ant', expected 0..1 or a class name, found bytes"),
        ([0], "found label [0]"),
        ({"label": 0}, "found label {'label': 0}"),
        ("0", "found label '0', expected a class name"),
    ],
)
def test_a_label_without_a_class_names_its_place_and_the_advice_fits(label, message):
    label_map = LabelMap(dataset(["ant", "bee"]))
    with pytest.raises(ValueError) as error:
        label_map.to_labels([0, label], lambda k: f"a.parquet, row {k}")
    assert str(error.value).startswith(f"a.parquet, row 1: Things: {message}")


def test_labels_that_count_from_1_are_refused_not_shifted():
    label_map = LabelMap(dataset(["ant", "bee", "cat"]))
    with pytest.raises(
        ValueError, match=r"row 2: Things: found label 3, expected 0\.\.2\. The labels are 1\.\.3: they count from 1"
    ):
        label_map.to_labels([1, 2, 3, 3], lambda k: f"row {k}")
    with pytest.raises(ValueError, match=r"row 1: Things: found label 3, expected 0\.\.2, the labels of 3 classes"):
        label_map.to_labels([0, 3], lambda k: f"row {k}")
    assert label_map.to_labels([1, 2], str) == [1, 2]
    assert label_map.to_labels([], str) == []


def test_the_message_on_a_text_label_has_the_whole_key():
    label_map = LabelMap(dataset(["ant", "bee", "truck"]))
    with pytest.raises(ValueError, match="row 2: Things: found label 'lion'") as error:
        label_map.to_labels(["bee", "ant", "lion"], lambda k: f"row {k}")
    assert str(error.value).endswith('source_classnames: ["ant", "bee", "?"]')


@pytest.mark.parametrize(
    ("names", "labels", "first"),
    [
        (["2", "1", "0"], [1, 0, 2], 1),
        (["1", "2", "3"], [1.0, 2.0], 0),
        (["-1", "1"], [1, -1], 1),
        (["1", "0"], [0], 0),
    ],
)
def test_numbers_that_are_the_names_of_other_classes_are_refused(names, labels, first):
    with pytest.raises(
        ValueError, match=f"row {first}: Things: found label {int(labels[first])}, which is the name of class"
    ):
        LabelMap(dataset(names)).to_labels(labels, lambda k: f"row {k}")


def test_numbers_stay_labels_where_the_source_names_its_classes_or_names_are_no_such_numbers():
    place = "row {}".format
    assert LabelMap(dataset(["2", "1", "0"]), ["2", "1", "0"]).to_labels([1, 0, 2], place) == [1, 0, 2]
    assert LabelMap(dataset(["0", "1", "2"])).to_labels([1, 0, 2], place) == [1, 0, 2]
    assert LabelMap(dataset(["2019", "2020", "1"])).to_labels([1, 0, 2], place) == [1, 0, 2]


@pytest.mark.parametrize("name", ["ｃａｔ", "cat\u200b", "CAT", "c-a-t"])
def test_a_name_that_looks_like_that_of_a_class_is_suggested(name):
    with pytest.raises(ValueError, match=re.escape(f"Did you mean {name!r} for class 'cat'")):
        LabelMap(dataset(["cat", "dog"])).to_label(name)
