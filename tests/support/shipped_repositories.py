"""Small copies of the hub repositories of shipped data sets, with their class orders and mistakes.

Each function adds the repositories of one data set to the server and returns the settings of the data sets to load, by name.
"""

from pathlib import Path

from data_server import DataServer
from diffzero.config import load_dataset
from diffzero.data.sources.parquet import Hub
from diffzero.data.sources.webdataset import Webdataset
from source_files import parquet, shards

ROOT = Path(__file__).parents[2]
# The class orders of known sources.
FOOD_WDS = ("cheese plate", "cheesecake")  # 16 and 17 of torchvision's order
EUROSAT_OPENAI = [
    "forest",
    "permanent crop land",
    "residential buildings or homes or apartments",
    "river",
    "pasture land",
    "lake or sea",
]
TestSets = dict[str, dict]


def only(name: str, kind: type) -> dict:
    """Return a shipped data set with only its sources of one kind and without its test size."""
    dataset = load_dataset(name, ROOT)
    return dataset.model_copy(
        update={
            "source": None,
            "sources": [s for s in dataset.all_sources if isinstance(s, kind)],
            "test_size": None,
            "allow_empty": True,
        }
    ).model_dump(mode="json")


def whole(name: str, **changes: object) -> dict:
    """Return a shipped data set without its test size."""
    return {**load_dataset(name, ROOT).model_dump(mode="json"), "test_size": None, "allow_empty": True, **changes}


def repository(name: str, kind: type) -> str:
    return next(source.repo for source in load_dataset(name, ROOT).all_sources if isinstance(source, kind))


def serve_food101(server: DataServer) -> TestSets:
    food = load_dataset("food101", ROOT).classnames
    other = [*food[:16], *FOOD_WDS, *food[18:]]
    keys = [name.replace(" ", "_") for name in food]
    # Image k shows the class classnames[k]; the tar shards swap the labels 16 and 17.
    rows = [(k, k) for k in (3, 16, 17, 100)]
    server.repositories[repository("food101", Hub)] = {
        "data/train-00000-of-00001.parquet": parquet("image", "label", [(0, 0)], keys),
        "data/validation-00000-of-00002.parquet": parquet("image", "label", rows[:2], keys),
        "data/validation-00001-of-00002.parquet": parquet("image", "label", rows[2:], keys),
    }
    swapped = [(3, 3), (16, 17), (17, 16), (100, 100)]
    server.repositories[repository("food101", Webdataset)] = shards(other, swapped)
    return {"food-hub": only("food101", Hub), "food-shards": only("food101", Webdataset)}


def serve_cifar100(server: DataServer) -> TestSets:
    fine = [name.replace(" ", "_") for name in load_dataset("cifar100", ROOT).classnames]
    fine[26] = "cra"
    table = parquet("img", "fine_label", [(k, k) for k in (0, 26, 99)], fine, coarse_label=[9, 9, 9])
    server.repositories[repository("cifar100", Hub)] = {"cifar100/test-00000-of-00001.parquet": table}
    return {"cifar100": whole("cifar100")}


def serve_svhn(server: DataServer) -> TestSets:
    digits = [str(k) for k in range(10)]
    server.repositories[repository("svhn", Hub)] = {
        "cropped_digits/extra-00000-of-00001.parquet": parquet("image", "label", [(90, 9)], digits),
        "cropped_digits/test-00000-of-00001.parquet": parquet("image", "label", [(0, 0), (9, 9)], digits),
        "full_numbers/test-00000-of-00001.parquet": parquet("image", "label", [(91, 9)], digits),
    }
    mixed = {**only("svhn", Hub)["sources"][0], "subset": None}
    return {"svhn": whole("svhn"), "mixed": whole("svhn", sources=[], source=mixed)}


def serve_eurosat(server: DataServer) -> TestSets:
    eurosat = load_dataset("eurosat", ROOT)
    order = [*EUROSAT_OPENAI, *(name for name in eurosat.classnames if name not in EUROSAT_OPENAI)]
    rows = [(eurosat.classnames.index(name), k) for k, name in enumerate(order)]
    server.repositories[repository("eurosat", Webdataset)] = shards(order, rows)
    table = parquet("image", "label", [(k, k) for k in range(10)], eurosat.source_classnames)
    server.repositories[repository("eurosat", Hub)] = {"data/test-00000-of-00001.parquet": table}
    return {"eurosat-shards": only("eurosat", Webdataset), "eurosat-hub": only("eurosat", Hub)}


def serve_pets(server: DataServer) -> TestSets:
    pets = load_dataset("pets", ROOT).classnames
    # Title Case, as in CLIP_benchmark; OpenAI's order, cats first
    cats_first = sorted(
        (name.title() for name in pets),
        key=lambda name: (name.lower() not in {p.lower() for p in pets if p[0].isupper()}, name),
    )
    at = {name.lower(): k for k, name in enumerate(pets)}
    rows = [(at[name.lower()], k) for k, name in enumerate(cats_first)]
    server.repositories[repository("pets", Webdataset)] = shards(cats_first, rows, kind="jpg")
    return {"pets": whole("pets")}


def serve_caltech101(server: DataServer) -> TestSets:
    caltech = load_dataset("caltech101", ROOT).classnames
    upper = ["background", "off-center face", "centered face", "leopard", "motorbike"]  # codespell:ignore
    ascii_order = [*upper, *(name for name in caltech if name not in upper)]
    rows = [(caltech.index(name), k) for k, name in enumerate(ascii_order)]
    server.repositories[repository("caltech101", Webdataset)] = shards(ascii_order, rows[:50], rows[50:])
    return {"caltech101": whole("caltech101")}


def serve_camelyon(server: DataServer) -> TestSets:
    """Add the second source; the first answers 404."""
    camelyon = load_dataset("camelyon", ROOT)
    server.repositories[camelyon.all_sources[1].repo] = shards(camelyon.classnames, [(0, 0), (1, 1)])
    return {"camelyon": whole("camelyon", test_size=1), "part": whole("camelyon", test_size=3)}


def serve_imagenet(server: DataServer) -> TestSets:
    imagenet = load_dataset("imagenet", ROOT).classnames
    rows = [(k % 256, k) for k in (0, 657, 744, 999)]
    server.repositories[repository("imagenet", Webdataset)] = shards(imagenet, rows, kind="jpg")
    return {"imagenet": whole("imagenet")}


def serve_stl10(server: DataServer) -> TestSets:
    """Add two sources, of which the first has an unknown class, and three broken repositories of the same classes."""
    names = load_dataset("stl10", ROOT).classnames
    table = parquet("image", "label", [(0, 0)], ["house", *names[:9]])
    server.repositories[repository("stl10", Hub)] = {"data/test-00000-of-00001.parquet": table}
    server.repositories[repository("stl10", Webdataset)] = shards(names, [(4, 4)], kind="png")
    server.repositories["owner/broken"] = shards(names, [(0, 0)], [(1, 1)])
    server.repositories["owner/short"] = {**shards(names, [(0, 0)]), "test/nshards.txt": b"2"}
    server.repositories["owner/beyond"] = shards(names, [(0, 10)])
    broken = {"kind": "webdataset", "repo": "owner/broken", "revision": "0" * 40}
    digests = {"test/1.tar": f"sha256:{'0' * 64}"}
    return {
        "stl10": whole("stl10"),
        "digest": whole("stl10", sources=[], source={**broken, "digests": digests}),
        "short": whole("stl10", sources=[], source={**broken, "repo": "owner/short"}),
        "beyond": whole("stl10", sources=[], source={**broken, "repo": "owner/beyond"}),
    }


def serve_all(server: DataServer) -> TestSets:
    """Add all repositories. Those of Stanford Cars do not exist."""
    test_sets = {"nothing": whole("cars")}
    for serve in (
        serve_food101,
        serve_cifar100,
        serve_svhn,
        serve_eurosat,
        serve_pets,
        serve_caltech101,
        serve_camelyon,
        serve_imagenet,
        serve_stl10,
    ):
        test_sets |= serve(server)
    return test_sets
