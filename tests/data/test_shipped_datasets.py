"""Label order, prompts and sources of the shipped data sets. Wrong ones give chance accuracy without an error."""

from pathlib import Path

import pytest

from diffzero.config import load_dataset
from diffzero.data.sources.archive import Archive
from diffzero.data.sources.parquet import Hub
from diffzero.data.sources.webdataset import Webdataset

ROOT = Path(__file__).parents[2]
PAPER = [
    "cifar10", "cifar100", "stl10", "mnist", "dtd", "camelyon", "svhn", "eurosat", "cars", "imagenet", "caltech101", "pets", "food101",
]  # fmt: skip
# Test images and the template that the paper used (SVHN: not known).
FACTS = {
    "cifar10": (10000, "a photo of a {}."),
    "cifar100": (10000, "a photo of a {}."),
    "stl10": (8000, "a photo of a {}."),
    "mnist": (10000, 'a photo of the number: "{}".'),
    "dtd": (1880, "a photo of a {} texture."),
    "camelyon": (32768, "this is a photo of {}"),
    "eurosat": (5400, "a centered satellite photo of {}."),  # codespell:ignore centered
    "cars": (8041, "a photo of a {}."),
    "imagenet": (50000, "A bad photo of a {}."),
    "caltech101": (6084, "a photo of a {}."),
    "pets": (3669, "a photo of a {}, a type of pet."),
    "food101": (25250, "a photo of {}, a type of food."),
}
# (label, source class name, class name) for which OpenAI's list or another source has another order
ORDER = {
    "eurosat": [
        (0, "AnnualCrop", "annual crop land"),
        (2, "HerbaceousVegetation", "brushland or shrubland"),
        (3, "Highway", "highway or road"),
        (5, "Pasture", "pasture land"),
        (6, "PermanentCrop", "permanent crop land"),
        (9, "SeaLake", "lake or sea"),
    ],
    "caltech101": [(0, "accordion", "accordion"), (1, "airplanes", "airplane"), (4, "background_google", "background")],
    "imagenet": [(0, "n01440764", "tench"), (657, "n03773504", "missile"), (744, "n04008634", "missile")],
    "camelyon": [(1, "1", "lymph node containing metastatic tumor tissue")],
    "svhn": [(0, "0", "zero"), (9, "9", "nine")],
}


@pytest.mark.parametrize("name", PAPER)
def test_template_and_size_are_those_of_the_paper(name):
    dataset = load_dataset(name, ROOT)
    if name == "svhn":
        assert dataset.paper_prompt_template is None and dataset.test_size == 26032
        return
    assert dataset.paper_prompt_template == dataset.prompt_template
    assert (dataset.test_size, dataset.prompt_templates[dataset.prompt_template]) == FACTS[name]


@pytest.mark.parametrize("name", ORDER)
def test_names_are_in_the_order_of_the_labels(name):
    dataset = load_dataset(name, ROOT)
    for label, key, classname in ORDER[name]:
        assert (dataset.source_classnames[label], dataset.classnames[label]) == (key, classname)


def test_both_svhn_data_sets_have_the_same_images():
    words, digits = load_dataset("svhn", ROOT), load_dataset("svhn_digits", ROOT)
    assert digits.all_sources == words.all_sources and digits.test_size == words.test_size
    assert digits.classnames == words.source_classnames and digits.paper_prompt_template is None
    assert digits.prompt_templates == ['a street sign of the number: "{}".', 'a photo of the number: "{}".']


def test_pets_are_in_the_order_of_their_class_ids_not_cats_first():
    names = load_dataset("pets", ROOT).classnames
    assert names[:6] == [
        "Abyssinian",
        "american bulldog",
        "american pit bull terrier",
        "basset hound",
        "beagle",
        "Bengal",
    ]
    assert names == sorted(names, key=str.lower)


@pytest.mark.parametrize("name", [*PAPER, "cue_conflict"])
def test_every_remote_source_is_pinned(name):
    dataset = load_dataset(name, ROOT)
    assert dataset.licence and any(isinstance(source, Hub | Webdataset | Archive) for source in dataset.all_sources)
    for source in dataset.all_sources:
        if isinstance(source, Archive) and name != "cue_conflict":  # its release has no published digest
            assert all(file.digest for file in source.files)


def test_no_repository_of_tar_shards_is_read_as_parquet():
    for name in PAPER:
        assert not [s for s in load_dataset(name, ROOT).all_sources if isinstance(s, Hub) and "wds_" in s.repo]
