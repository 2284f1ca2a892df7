"""Repositories of a local hub: lists of files, digests, access, use without a network, incomplete caches."""

import hashlib
import json
import logging
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from diffzero.download import hub as hub_module
from diffzero.download.cache_folder import missing_parts
from diffzero.download.errors import (
    AccessDeniedError,
    DownloadError,
    HashMismatchError,
    OfflineError,
    RemoteFileNotFoundError,
    TransientDownloadError,
)
from diffzero.download.hub import HubRepo, cache_dir
from diffzero.download.url import download_url
from hub_files import BIG, DATA, LARGE, NAME, QUICK, REPO, SMALL, TOKEN, get
from hub_server import REVISION, FakeHub, Fault


def test_a_file_is_in_the_hubs_own_cache_and_is_requested_once(hub, monkeypatch):
    path = get()
    assert path.read_bytes() == BIG and path.is_relative_to(constants.HF_HUB_CACHE)
    assert path.parts[-4:] == ("snapshots", REVISION, "unet", "model.safetensors")
    n_requests = len(hub.seen)
    assert get() == path and len(hub.seen) == n_requests
    assert get(SMALL).read_bytes() == b'{"a": 1}'


def test_the_list_of_files_is_requested_once_page_by_page(hub):
    names = REPO.file_sizes()
    assert list(names) == sorted([SMALL, LARGE, "notes.txt"])
    n_requests = len(hub.seen)
    assert REPO.file_sizes() == names and len(hub.seen) == n_requests == 2


@pytest.mark.parametrize("wrong", [BIG[:-1] + b"x", BIG[:-1]], ids=["other bytes", "too short"])
def test_wrong_bytes_are_moved_aside_and_never_used(hub, wrong):
    hub.faults["model.safetensors"] = [Fault(body=wrong)] * 9
    with pytest.raises(DownloadError) as error:
        get()
    if len(wrong) < len(BIG):
        assert isinstance(error.value, TransientDownloadError) and "given up after 4 attempts in a row" in str(
            error.value
        )
    else:
        kept = next(Path(constants.HF_HUB_CACHE).rglob("*wrong-digest-*"))
        assert (
            isinstance(error.value, HashMismatchError) and str(kept) in str(error.value) and kept.read_bytes() == wrong
        )
        assert kept.name == f"unet--model.safetensors.wrong-digest-{hashlib.sha256(wrong).hexdigest()[:12]}"
        assert hashlib.sha256(BIG).hexdigest() in str(error.value)
    assert not list(Path(constants.HF_HUB_CACHE).rglob("snapshots/*/*/*"))
    hub.faults.clear()
    assert get().read_bytes() == BIG


def test_the_digest_of_a_small_file_is_compared(hub):
    hub.faults["model_index.json"] = [Fault(body=b'{"a": 2}')]
    with pytest.raises(HashMismatchError, match="found git:"):
        get(SMALL)


def test_http_404_names_the_repository_the_commit_and_the_file(hub):
    with pytest.raises(RemoteFileNotFoundError, match=rf"{hub.url}/{NAME} at 0123456789ab, gone.json: HTTP 404"):
        get("gone.json")
    with pytest.raises(RemoteFileNotFoundError, match=f"{hub.url}/datasets/no/body at 0123456789ab: HTTP 404"):
        HubRepo("no/body", REVISION, "dataset").file_sizes()


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(("status", "code"), [(401, "GatedRepo"), (403, "GatedRepo"), (401, None), (403, None)])
def test_the_error_of_a_gated_repository_names_licence_page_and_variable_but_not_the_token(
    hub, monkeypatch, caplog, capsys, token, status, code
):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.faults[LARGE] = [Fault(status=status, code=code, on="both")]
    hub.faults[f"{NAME}/tree"] = [Fault(status=status, code=code or "GatedRepo")]
    with caplog.at_level(logging.INFO):
        for ask in (get, lambda: REPO.file_sizes()):
            with pytest.raises(AccessDeniedError) as error:
                ask()
            text = str(error.value)
            assert f"{hub.url}/{NAME}" in text and "HF_TOKEN" in text and f"HTTP {status}" in text
            assert ("has no access" if token else "No token was sent") in text
            chain = [
                error.value,
                error.value.__cause__,
                None if error.value.__suppress_context__ else error.value.__context__,
            ]
            assert not any(TOKEN in repr(one) for one in chain)
    assert TOKEN not in caplog.text and TOKEN not in "".join(capsys.readouterr())
    if token:
        assert any(seen.authorization == f"Bearer {TOKEN}" for seen in hub.seen)


def test_offline_cached_files_are_used_and_all_missing_files_are_named(hub, monkeypatch):
    get(SMALL)
    REPO.file_sizes()
    n_requests = len(hub.seen)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert get(SMALL).is_file()
    with pytest.raises(
        OfflineError, match=r"2 of 3 files \(3.1 MB\).*notes.txt, unet/model.safetensors.*snakemake --cores 1 check"
    ):
        REPO.download_files(lambda name: True)
    with pytest.raises(OfflineError, match="HF_HUB_OFFLINE"):
        download_url(f"{hub.url}/plain/x", "x", "md5:" + "0" * 32)
    with pytest.raises(OfflineError, match="list of files"):
        HubRepo("other/repo", REVISION, "dataset").file_sizes()
    assert len(hub.seen) == n_requests


@pytest.mark.parametrize("how", ["offline", "no network"])
def test_without_a_network_files_that_another_program_cached_are_used(hub, monkeypatch, how):
    snapshot_dir = REPO.download_files(lambda name: True)
    shutil.rmtree(cache_dir())
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "offline")
    assert REPO.download_files(lambda name: True, QUICK) == snapshot_dir
    with pytest.raises(OfflineError if how == "offline" else TransientDownloadError):
        HubRepo("other/repo", REVISION, "dataset").file_sizes(retry_policy=QUICK)


def test_download_files_returns_the_folder_of_the_wanted_files(hub):
    snapshot_dir = REPO.download_files(lambda name: not name.endswith(".txt"))
    assert sorted(p.relative_to(snapshot_dir).as_posix() for p in snapshot_dir.rglob("*.*")) == [SMALL, LARGE]
    with pytest.raises(RemoteFileNotFoundError, match="none of the wanted files among 3"):
        REPO.download_files(lambda name: False)


def test_an_answer_with_another_commit_is_refused(hub, monkeypatch):
    monkeypatch.setattr("hub_server.REVISION", "f" * 40)
    with pytest.raises(DownloadError):
        get(SMALL)


def test_the_cached_list_of_files_is_json_with_sizes(hub):
    sizes = REPO.file_sizes()
    (path,) = cache_dir().rglob("*.json")
    assert json.loads(path.read_text()) == sizes == {SMALL: 8, "notes.txt": 5, LARGE: len(BIG)}


def test_the_fake_hub_counts_sent_bytes(hub):
    assert isinstance(hub, FakeHub) and hub.sent(LARGE) == 0


def without_listing(monkeypatch, how: str) -> None:
    """Remove the cached list of files and the connection to the hub, as if another program had filled the cache."""
    shutil.rmtree(cache_dir())
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "offline")


@pytest.mark.parametrize("how", ["offline", "no network"])
def test_a_partly_cached_split_is_refused(hub, monkeypatch, how):
    parts = [f"data/test-{k:05d}-of-00003.parquet" for k in range(3)]
    hub.repositories["datasets", NAME] = dict.fromkeys([*parts, "data/train-00000-of-00002.parquet"], BIG)
    DATA.download_files(lambda name: name != parts[1])
    without_listing(monkeypatch, how)
    with pytest.raises(OfflineError, match=rf"1 files are missing: {parts[1]}"):
        DATA.file_sizes(lambda name: "test" in name, QUICK)
    with pytest.raises(OfflineError, match="train-00001-of-00002"):
        DATA.file_sizes(retry_policy=QUICK)


def test_partly_cached_sharded_weights_are_refused(hub, monkeypatch):
    parts = [f"unet/model-{k:05d}-of-00002.safetensors" for k in (1, 2)]
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "other.safetensors"}}).encode()
    files = dict.fromkeys([*parts, "vae/model.safetensors", "vae/other.safetensors"], BIG)
    hub.repositories["models", NAME] = files | {"vae/model.safetensors.index.json": index}
    snapshot_dir = REPO.download_files(lambda name: name not in (parts[0], "vae/other.safetensors"))
    assert missing_parts(files, snapshot_dir) == []
    without_listing(monkeypatch, "offline")
    with pytest.raises(OfflineError, match=rf"2 files are missing: {parts[0]}, vae/other.safetensors"):
        REPO.download_files(lambda name: True)


def test_a_cached_file_that_is_shorter_than_listed_is_completed(hub, caplog):
    path = REPO.download_files(lambda name: True) / LARGE
    blob = path.resolve()
    blob.write_bytes(BIG[:1_000_000])
    before = hub.sent("model.safetensors")
    assert not REPO.cached_file(LARGE)
    assert (REPO.download_files(lambda name: True) / LARGE).read_bytes() == BIG
    assert hub.sent("model.safetensors") - before == len(BIG) - 1_000_000 and "completing it" in caplog.text


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"error": "no"}', b"[1, 2]", b'[{"type": "file", "path": "a"}]', b"null"]
)
def test_an_invalid_list_of_files_is_refused_without_retries(hub, body):
    hub.faults[f"{NAME}/tree"] = [Fault(body=body)]
    with pytest.raises(
        DownloadError, match=r"owner/weights at 0123456789ab: its list of files cannot be read"
    ) as error:
        REPO.file_sizes(retry_policy=QUICK)
    assert not isinstance(error.value, TransientDownloadError) and len(hub.seen) == 1


def test_an_endless_list_of_files_is_refused(hub, monkeypatch):
    monkeypatch.setattr(hub_module, "MAX_PAGES", 5)
    hub.endless = True
    with pytest.raises(DownloadError, match="no end after 5 pages"):
        REPO.file_sizes(retry_policy=QUICK)
    hub.endless = False
