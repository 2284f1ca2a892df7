"""HTTP transfers from a local server with injected faults: resuming, retries, limits, secrets."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from diffzero.download import http
from diffzero.download.errors import (
    DownloadError,
    DownloadSpaceError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    redact_url,
)
from diffzero.download.http import RetryPolicy
from diffzero.download.url import download_url
from hub_files import BIG, LARGE, NAME, QUICK, REPO, SMALL, TOKEN, get
from hub_server import REVISION, Fault


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


def test_too_little_disk_space_is_reported_before_anything_is_downloaded(hub, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(http.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadSpaceError, match=r"found 1.0 MB free, expected 3.1 MB.*HF_HOME.*DIFFZERO_CACHE"):
        REPO.download_files(lambda name: True, QUICK)
    with pytest.raises(DownloadSpaceError, match=rf"{LARGE}: .*hub.*expected 3.1 MB"):
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
    assert (
        done.stdout.startswith("DownloadSpaceError") and str(disk) in done.stdout and "the disk is full" in done.stdout
    ), done
    assert len(kept) == 1 and 1_500_000 < kept[0] <= 2 << 20


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
