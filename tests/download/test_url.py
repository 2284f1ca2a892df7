"""Files from plain URLs of a local server."""

import pytest
from huggingface_hub import constants

from diffzero.download.errors import (
    AccessDeniedError,
    HashMismatchError,
    OfflineError,
    RemoteFileNotFoundError,
)
from diffzero.download.hub import cache_dir
from diffzero.download.url import download_url, url_cache_path
from hub_files import BIG, QUICK, digest_of
from hub_server import Fault


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_plain_file_is_resumed_verified_and_kept(hub, kind):
    hub.plain["images.zip"] = BIG
    hub.faults["images.zip"] = [Fault(cut=1_500_000), Fault(stall=100), Fault(status=502)]
    url = f"{hub.url}/plain/images.zip"
    path = download_url(url, "images.zip", digest_of(BIG, kind), retry_policy=QUICK)
    assert path.read_bytes() == BIG and path.name == "images.zip" and path.is_relative_to(cache_dir())
    assert hub.sent("images.zip") == len(BIG)
    n_requests = len(hub.seen)
    assert download_url(url, "images.zip", digest_of(BIG, kind)) == path and len(hub.seen) == n_requests


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
    file_dir = url_cache_path(f"{hub.url}/plain/images.zip", "images.zip", digest_of(BIG)).parent
    assert "proxy's error page" in str(error.value) and not (file_dir / "images.zip").exists()
    assert [p.read_bytes() for p in file_dir.glob("images.zip.wrong-digest-*")] == [b"<html>Please log in.</html>"]


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


def test_offline_a_broken_plain_file_is_named_without_a_request(hub, monkeypatch):
    hub.plain["images.zip"] = BIG
    url, digest = f"{hub.url}/plain/images.zip", digest_of(BIG)
    path = download_url(url, "images.zip", digest, retry_policy=QUICK)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download_url(url, "images.zip", digest) == path
    path.write_bytes(BIG[:100])
    n_requests = len(hub.seen)
    with pytest.raises(OfflineError, match="found another file than expected in the cache"):
        download_url(url, "images.zip", digest)
    assert len(hub.seen) == n_requests
