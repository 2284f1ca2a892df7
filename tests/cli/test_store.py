"""The command line for score stores: what verify lists and what drop deletes."""

import numpy as np
import pandas as pd
import pytest

from diffzero.cli.store import main
from diffzero.scoring.chunk import SCORE_COLUMNS
from diffzero.scoring.store import Store
from diffzero.utils.result_files import digest_of
from diffzero.utils.row_files import write_rows

IDENTITY = {"weights": "a"}


def some(image: str, draws: int = 4) -> pd.DataFrame:
    values = [image, "p", np.arange(draws, dtype=np.int32), np.float32(1.5), np.float32(0.5)]
    return pd.DataFrame(dict(zip(SCORE_COLUMNS, values, strict=True)))


@pytest.fixture
def store(tmp_path):
    """Return a store with scores of two files of latents, and of an earlier version."""
    for k in (1, 2):
        write_rows([np.full((2, 3), k, np.float32)], 2, tmp_path / f"x{k}.npy")
        Store(tmp_path / "store", IDENTITY, {"x": digest_of(tmp_path / f"x{k}.npy"), "text": "f" * 64}).write(
            some(f"{k}")
        )
    Store(tmp_path / "store", IDENTITY).write(some("old", 7))
    return tmp_path / "store"


def images(store) -> set[str]:
    return set(Store(store, IDENTITY).read({"1", "2", "old"})["image"])


def test_an_intact_store_is_summed_up_by_the_files_its_scores_were_made_from(store, capsys):
    assert main(["verify", str(store)]) == 0
    said = capsys.readouterr().out
    assert f"4 scores made from x {digest_of(store.parent / 'x1.npy')}" in said
    assert f"8 scores made from text {'f' * 64}" in said and "7 scores made from all files unrecorded" in said
    assert said.endswith("3 intact chunks, 0 other files\n")


def test_damaged_and_foreign_files_are_listed(store, capsys):
    (context,) = store.iterdir()
    chunks = sorted(context.glob("*.parquet"))
    chunks[0].write_bytes(chunks[0].read_bytes()[:-1])
    (store / "notes.txt").write_text("mine")
    (context / "scores.parquet").symlink_to("nowhere")
    (context / "identity.json").write_text("{}")
    (store / ("0" * 32)).mkdir()
    assert main(["verify", str(store)]) == 1
    said = capsys.readouterr().out
    for path in (
        chunks[0],
        store / "notes.txt",
        context / "scores.parquet",
        context / "identity.json",
        store / ("0" * 32),
    ):
        assert f"{path}: " in said
    assert "2 intact chunks, 5 other files" in said


@pytest.mark.parametrize("by", ["file", "digest", "beginning"])
def test_scores_made_from_a_wrong_file_are_dropped_and_no_others(store, capsys, by):
    wrong = store.parent / "x1.npy"
    digest = {"file": str(wrong), "digest": digest_of(wrong), "beginning": digest_of(wrong)[:12]}[by]
    assert main(["drop", "--made-from", digest, "--dry-run", str(store)]) == 0
    assert images(store) == {"1", "2", "old"} and "would delete 1 chunks with 4 scores" in capsys.readouterr().out
    assert main(["drop", "--made-from", digest, str(store)]) == 0
    assert images(store) == {"2", "old"} and "rm -r results/RUN/scores" in capsys.readouterr().out
    assert main(["drop", "--made-from", "unrecorded", str(store)]) == 0
    assert images(store) == {"2"}


def test_a_flipped_bit_in_the_wrong_file_does_not_hide_what_was_made_from_it(store):
    wrong = store.parent / "x1.npy"
    data = bytearray(wrong.read_bytes())
    data[130] ^= 1
    wrong.write_bytes(data)
    main(["drop", "--made-from", str(wrong), str(store)])
    assert images(store) == {"2", "old"}


@pytest.mark.parametrize("arguments", [["verify", "nowhere"], ["drop", "--made-from", "x9.npy", "nowhere"]])
def test_missing_files_are_named(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^diffzero: (nowhere|x9.npy): no such file or folder. Type: .venv"):
        main(arguments)


@pytest.mark.parametrize("made_from", ["", ".", "0123", "weights/mini-sd.json", "unknown"])
def test_what_is_neither_a_file_of_inputs_nor_a_digest_is_refused(store, made_from):
    before = sorted(store.rglob("*"))
    with pytest.raises(SystemExit, match=r"diffzero: --made-from: found .* expected x.npy, text.safetensors") as error:
        main(["drop", "--made-from", made_from, str(store)])
    assert "rm" not in str(error.value) and sorted(store.rglob("*")) == before
