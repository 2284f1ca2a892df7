"""Downloads from a local HTTP server with the paths of the hub and injected faults."""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from diffzero.download import http
from diffzero.download import hub as hub_module
from diffzero.download.errors import (
    AccessDeniedError,
    DiskFullError,
    DownloadError,
    HashMismatchError,
    OfflineError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    redact_url,
)
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo, cache_dir, missing_parts
from diffzero.download.url import download_url, url_cache_path
from hub_server import REVISION, FakeHub, Fault

NAME, TOKEN = "owner/weights", "hf_SecretSecretSecret"
REPO, DATA = HubRepo(NAME, REVISION, "model"), HubRepo(NAME, REVISION, "dataset")
BIG = bytes(range(256)) * 12000  # 3 MB
QUICK = RetryPolicy(timeout=0.5, max_attempts=4, pause=0.01, min_bytes_per_second=1000, window=0.4)
LARGE, SMALL = "unet/model.safetensors", "model_index.json"


@pytest.fixture
def hub(fake_hub):
    fake_hub.repositories["models", NAME] = {SMALL: b'{"a": 1}', LARGE: BIG, "notes.txt": b"hello"}
    return fake_hub


def get(name: str = LARGE, retry_policy: RetryPolicy = QUICK) -> Path:
    return REPO.download_file(name, retry_policy)


def test_a_file_is_in_the_hubs_own_cache_and_is_requested_once(hub, monkeypatch):
    path = get()
    assert path.read_bytes() == BIG and path.is_relative_to(constants.HF_HUB_CACHE)
    assert path.parts[-4:] == ("snapshots", REVISION, "unet", "model.safetensors")
    asked = len(hub.seen)
    assert get() == path and len(hub.seen) == asked
    assert get(SMALL).read_bytes() == b'{"a": 1}'


def test_the_list_of_files_is_requested_once_page_by_page(hub):
    names = REPO.file_sizes()
    assert list(names) == sorted([SMALL, LARGE, "notes.txt"])
    asked = len(hub.seen)
    assert REPO.file_sizes() == names and len(hub.seen) == asked == 2


@pytest.mark.parametrize("cuts", [[1_000_000], [1_000_000, 1_234_567], [0, 700_001, 10, 1]])
def test_a_cut_transfer_resumes_and_no_byte_is_sent_twice(hub, cuts):
    hub.faults["model.safetensors"] = [Fault(cut=cut) for cut in cuts]
    assert get(retry_policy=RetryPolicy(timeout=1, max_attempts=6, pause=0.01)).read_bytes() == BIG
    assert hub.sent("model.safetensors") == len(BIG)
    starts = [seen.range for seen in hub.requests_for("model.safetensors") if "cdn" in seen.path][1:]
    assert starts == [f"bytes={start}-" if start else None for start in [sum(cuts[: k + 1]) for k in range(len(cuts))]]


def test_the_next_process_resumes_the_transfer_of_a_killed_one(hub):
    hub.faults["model.safetensors"] = [Fault(cut=500_000)] + [Fault(status=503)] * 9
    with pytest.raises(TransientDownloadError, match="HTTP 503; given up after 4 attempts in a row"):
        get()
    hub.faults.clear()
    assert get().read_bytes() == BIG and hub.sent("model.safetensors") == len(BIG)


def test_a_server_without_ranges_sends_the_file_from_the_start(hub):
    hub.faults["model.safetensors"] = [Fault(cut=900_000), Fault(no_ranges=True)]
    assert get().read_bytes() == BIG
    assert hub.sent("model.safetensors") == len(BIG) + 900_000


def test_a_stalled_transfer_times_out_and_resumes(hub, caplog):
    hub.faults["model.safetensors"] = [Fault(stall=400_000)]
    with caplog.at_level(logging.WARNING):
        assert get().read_bytes() == BIG
    assert "no byte for 0.5 seconds; attempt 2 of 4 in 0.01 s" in caplog.text
    assert hub.sent("model.safetensors") == len(BIG)


def test_a_slow_transfer_is_replaced_by_a_new_connection(hub, caplog):
    hub.faults["model.safetensors"] = [Fault(drip=0.02)]
    with caplog.at_level(logging.WARNING):
        assert get().read_bytes() == BIG
    assert "bytes per second, expected at least 1000" in caplog.text


def test_pauses_double_and_attempts_are_bounded(hub, monkeypatch):
    pauses = []
    monkeypatch.setattr(http.time, "sleep", pauses.append)
    hub.faults["model.safetensors"] = [Fault(status=500)] * 20
    with pytest.raises(TransientDownloadError, match="HTTP 500"):
        get(retry_policy=RetryPolicy(max_attempts=4, pause=2))
    assert (
        pauses == [2, 4, 8] and len(hub.requests_for("model.safetensors")) == 8
    )  # per attempt: the redirect of the hub, then the storage server


def test_a_request_to_a_server_that_is_briefly_unavailable_is_repeated(hub):
    hub.faults["model_index.json"] = [Fault(status=503)]
    assert get(SMALL).is_file()


def test_a_server_that_does_not_exist_is_named(hub, monkeypatch):
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(
        TransientDownloadError, match=r"owner/weights at 0123456789ab.*no connection.*4 attempts in a row"
    ):
        get()


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


def test_the_log_of_a_script_redacts_the_token_even_in_messages_of_libraries(tmp_path):
    code = (
        "import logging, os; from diffzero.utils.logging import configure_logging\n"
        "configure_logging('x.log'); logging.getLogger().setLevel(10)\n"
        "logging.getLogger('httpcore2').debug('headers %r', {'authorization': 'Bearer ' + os.environ['HF_TOKEN']})\n"
        "logging.getLogger('diffzero').warning('sent %s', os.environ['HF_TOKEN'])\n"
        "raise ValueError(os.environ['HF_TOKEN'])"
    )
    environment = {**os.environ, "HF_TOKEN": TOKEN, "PYTHONPATH": str(Path("src").resolve())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    log = (tmp_path / "x.log").read_text()
    assert TOKEN not in done.stdout + done.stderr + log
    assert "sent ***" in done.stderr and "ValueError: ***" in done.stderr and log.count("***") >= 3


def test_the_token_is_sent_to_the_hub_and_not_to_the_storage_server(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    get()
    by_host = {seen.host: {s.authorization for s in hub.seen if s.host == seen.host} for seen in hub.seen}
    assert by_host == {"127.0.0.1": {f"Bearer {TOKEN}"}, "localhost": {None}}


def test_the_signature_of_a_url_is_not_logged(hub, caplog):
    hub.faults["model.safetensors"] = [Fault(cut=10)]
    with caplog.at_level(logging.WARNING):
        get()
    assert "cdn-secret" not in caplog.text and "model.safetensors" in caplog.text
    assert redact_url("https://me:pass@host:8/a/b?Signature=s") == "https://host:8/a/b"


def test_offline_cached_files_are_used_and_all_missing_files_are_named(hub, monkeypatch):
    get(SMALL)
    REPO.file_sizes()
    asked = len(hub.seen)
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
    assert len(hub.seen) == asked


@pytest.mark.parametrize("how", ["offline", "no network"])
def test_without_a_network_files_that_another_program_cached_are_used(hub, monkeypatch, how):
    folder = REPO.download_files(lambda name: True)
    shutil.rmtree(cache_dir())
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "offline")
    assert REPO.download_files(lambda name: True, QUICK) == folder
    with pytest.raises(OfflineError if how == "offline" else TransientDownloadError):
        HubRepo("other/repo", REVISION, "dataset").file_sizes(retry_policy=QUICK)


def test_download_files_returns_the_folder_of_the_wanted_files(hub):
    folder = REPO.download_files(lambda name: not name.endswith(".txt"))
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == [SMALL, LARGE]
    with pytest.raises(RemoteFileNotFoundError, match="none of the wanted files among 3"):
        REPO.download_files(lambda name: False)


def digest_of(data: bytes, kind: str = "sha256") -> str:
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_plain_file_is_resumed_verified_and_kept(hub, kind):
    hub.plain["images.zip"] = BIG
    hub.faults["images.zip"] = [Fault(cut=1_500_000), Fault(stall=100), Fault(status=502)]
    url = f"{hub.url}/plain/images.zip"
    path = download_url(url, "images.zip", digest_of(BIG, kind), retry_policy=QUICK)
    assert path.read_bytes() == BIG and path.name == "images.zip" and path.is_relative_to(cache_dir())
    assert hub.sent("images.zip") == len(BIG)
    asked = len(hub.seen)
    assert download_url(url, "images.zip", digest_of(BIG, kind)) == path and len(hub.seen) == asked


def test_a_plain_file_without_a_known_digest_is_used_and_its_digest_is_logged(hub, caplog):
    hub.plain["a.zip"] = hub.plain["b/a.zip"] = b"whatever"
    one, other = (
        download_url(f"{hub.url}/plain/{where}a.zip", "a.zip", None, retry_policy=QUICK) for where in ("", "b/")
    )
    assert one.read_bytes() == b"whatever" and one != other
    assert f"no digest is known; found {digest_of(b'whatever')}" in caplog.text


def test_a_plain_file_with_a_wrong_digest_is_moved_aside(hub):
    hub.plain["images.zip"] = b"<html>Please log in.</html>"
    with pytest.raises(
        HashMismatchError, match=r"found sha256:\w+, expected sha256:.*kept as .*images.zip.wrong-digest-"
    ) as error:
        download_url(f"{hub.url}/plain/images.zip", "images.zip", digest_of(BIG), retry_policy=QUICK)
    folder = url_cache_path(f"{hub.url}/plain/images.zip", "images.zip", digest_of(BIG)).parent
    assert "proxy's error page" in str(error.value) and not (folder / "images.zip").exists()
    assert [p.read_bytes() for p in folder.glob("images.zip.wrong-digest-*")] == [b"<html>Please log in.</html>"]


@pytest.mark.parametrize(("status", "kind"), [(404, RemoteFileNotFoundError), (403, AccessDeniedError)])
def test_the_error_of_a_plain_file_says_where_to_put_a_manual_download(hub, status, kind):
    hub.faults["images.zip"], hub.plain["images.zip"] = [Fault(status=status)], b""
    with pytest.raises(
        kind, match=rf"plain/images.zip: HTTP {status}. Download images.zip by hand and put it at .*images.zip"
    ):
        download_url(f"{hub.url}/plain/images.zip", "images.zip", digest_of(BIG), retry_policy=QUICK)


@pytest.mark.parametrize(("name", "digest"), [("../x", "md5:0"), ("x", "crc:0"), ("a/b", "sha256:0")])
def test_an_invalid_name_or_digest_is_refused(name, digest):
    with pytest.raises(ValueError, match="expected a name without folder"):
        download_url("http://127.0.0.1:9/x", name, digest)


def test_too_little_disk_space_is_reported_before_anything_is_downloaded(hub, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(http.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFullError, match=r"needs 3.1 MB, found 1.0 MB free.*HF_HOME.*DIFFZERO_CACHE"):
        REPO.download_files(lambda name: True, QUICK)
    with pytest.raises(DiskFullError, match=rf"{LARGE}: .*hub.*needs 3.1 MB"):
        get()
    assert hub.sent("model.safetensors") == 0


def test_a_disk_that_fills_up_is_named_and_received_bytes_are_kept(hub, tmp_path):
    """The writes fail on a small tmpfs or, if it cannot be mounted, under a limit on file sizes."""
    disk = tmp_path / "hub"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode == 0
    )
    # A separate process, because a limit on file sizes cannot be removed. disk_usage is patched to report free space.
    code = f"""
import resource, shutil, sys
if not {mounted}: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
usage = shutil.disk_usage("/")
shutil.disk_usage = lambda path: usage
from diffzero.download.errors import DownloadError
from diffzero.download.hub import HubRepo
try:
    HubRepo({NAME!r}, {REVISION!r}, 'model').download_file({LARGE!r})
except DownloadError as error:
    print(type(error).__name__, error)
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(disk),
        "PYTHONPATH": str(Path("src").resolve()),
    }
    try:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        kept = [path.stat().st_size for path in disk.rglob("*.incomplete")]
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)
    assert done.stdout.startswith("DiskFullError") and str(disk) in done.stdout and "the disk is full" in done.stdout, (
        done
    )
    assert len(kept) == 1 and 1_500_000 < kept[0] <= 2 << 20


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


# Incomplete caches


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
    folder = REPO.download_files(lambda name: name not in (parts[0], "vae/other.safetensors"))
    assert missing_parts(files, folder) == []
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


# Servers that are not a hub


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


def test_a_body_that_is_longer_than_announced_does_not_fill_the_disk(hub):
    hub.faults["model.safetensors"] = [Fault(endless=True)]
    with pytest.raises(DownloadError, match=rf"{LARGE}: found more than {len(BIG)} bytes") as error:
        get()
    assert not isinstance(error.value, TransientDownloadError)
    assert all(path.stat().st_size == 0 for path in Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


@pytest.mark.parametrize("where", ["listing", "file", "plain"])
def test_retry_after_is_respected_within_bounds(hub, monkeypatch, where):
    pauses = []
    monkeypatch.setattr(http.time, "sleep", pauses.append)
    hub.plain["a.zip"] = b"a"
    busy = [Fault(status=429, retry_after=value) for value in ("7", "Wed, 21 Oct 2099 07:28:00 GMT", "soon")]
    hub.faults[{"listing": f"{NAME}/tree", "file": "model.safetensors", "plain": "a.zip"}[where]] = busy
    ask = {
        "listing": lambda: REPO.file_sizes(retry_policy=QUICK),
        "file": get,
        "plain": lambda: download_url(f"{hub.url}/plain/a.zip", "a.zip", None, retry_policy=QUICK),
    }
    ask[where]()
    assert pauses == [7, http.MAX_PAUSE, pytest.approx(0.04)]


@pytest.mark.parametrize("status", [410, 451])
def test_every_http_error_names_what_was_requested(hub, status):
    hub.plain["a.zip"] = b"a"
    hub.faults[f"{NAME}/tree"] = [Fault(status=status)]
    hub.faults["a.zip"] = [Fault(status=status)]
    hub.faults[LARGE] = [Fault(status=status, on="HEAD")]
    kind = RemoteFileNotFoundError if status == 410 else DownloadError
    with pytest.raises(kind, match=rf"{NAME} at 0123456789ab: HTTP {status}"):
        REPO.file_sizes(retry_policy=QUICK)
    with pytest.raises(kind, match=rf"{NAME} at 0123456789ab, {LARGE}: HTTP {status}"):
        get()
    with pytest.raises(kind, match=rf"plain/a.zip: HTTP {status}"):
        download_url(f"{hub.url}/plain/a.zip", "a.zip", None, retry_policy=QUICK)


def test_offline_a_broken_plain_file_is_named_without_a_request(hub, monkeypatch):
    hub.plain["images.zip"] = BIG
    url, digest = f"{hub.url}/plain/images.zip", digest_of(BIG)
    path = download_url(url, "images.zip", digest, retry_policy=QUICK)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download_url(url, "images.zip", digest) == path
    path.write_bytes(BIG[:100])
    asked = len(hub.seen)
    with pytest.raises(OfflineError, match="found another file than expected in the cache"):
        download_url(url, "images.zip", digest)
    assert len(hub.seen) == asked
