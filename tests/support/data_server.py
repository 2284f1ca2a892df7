"""A local HTTP server with the paths of the data set hub, at any commit, and plain files."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class DataServer:
    """`with DataServer() as server` serves `server.repositories[owner/name][path]` and `server.plain[path]`."""

    def __enter__(self) -> "DataServer":
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.plain: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"files": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: DataServer

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        if path.startswith("api/datasets/") and "/tree/" in path:
            repo = path.removeprefix("api/datasets/").partition("/tree/")[0]
            found = self.files.repositories.get(repo)
            entries = [
                {"type": "file", "path": n, "size": len(d), "oid": _git_name(d)} for n, d in (found or {}).items()
            ]
            return self._send(json.dumps(entries).encode() if found else None, {"Content-Type": "application/json"})
        if path.startswith("datasets/") and "/resolve/" in path:
            repo, _, rest = path.removeprefix("datasets/").partition("/resolve/")
            commit, _, name = rest.partition("/")
            data = self.files.repositories.get(repo, {}).get(name)
            return self._send(
                data, {"X-Repo-Commit": commit, "ETag": f'"{_git_name(data)}"'} if data is not None else {}
            )
        return self._send(self.files.plain.get(path), {})

    def _send(self, data: bytes | None, headers: dict[str, str]) -> None:
        self.send_response(200 if data is not None else 404)
        if data is None:
            headers = {"X-Error-Code": "EntryNotFound"}
        for key, value in {**headers, "Content-Length": str(len(data or b""))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data or b"")


def _git_name(data: bytes) -> str:
    """Return the digest by which the hub identifies a small file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
