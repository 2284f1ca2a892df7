"""A local HTTP server with the paths of the model hub and injectable faults."""

import contextlib
import hashlib
import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """A fault in the response to one GET or HEAD of a file."""

    status: int | None = None
    cut: int | None = None  # close the connection after this many bytes
    stall: int | None = None  # send nothing after this many bytes
    drip: float | None = None  # seconds between single bytes
    body: bytes | None = None  # other content of the same length
    code: str | None = None  # X-Error-Code, as the hub sends it
    no_ranges: bool = False
    on: str = "GET"
    retry_after: str | None = None
    endless: bool = False  # a body without a length that never ends


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    host: str
    sent: int = 0


@dataclass
class FakeHub:
    """Repositories by (folder of the API, name), and the requests received."""

    repositories: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    seen: list[Request] = field(default_factory=list)
    url: str = ""
    cdn: str = ""
    endless: bool = False  # every page of a file list links to another one

    def sent(self, name: str) -> int:
        """Return the number of bytes of a file that were sent."""
        return sum(request.sent for request in self.seen if request.method == "GET" and request.path.endswith(name))

    def requests_for(self, name: str, method: str = "GET") -> list[Request]:
        return [request for request in self.seen if request.method == method and request.path.endswith(name)]

    def next_fault(self, name: str, method: str) -> Fault:
        """Return the next fault for a file, or one without effect. A fault with `code` or on HEAD is kept."""
        for known, waiting in self.faults.items():
            for fault in waiting:
                if name.endswith(known) and fault.on in (method, "both"):
                    if fault.on == "GET" and fault.code is None:
                        waiting.remove(fault)
                    return fault
        return Fault()


def git_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".parquet", ".bin"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *arguments) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client closed the connection early
            super().handle()

    def do_HEAD(self) -> None:
        self.answer("HEAD")

    def do_GET(self) -> None:
        self.answer("GET")

    def answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path).strip("/")
        headers = self.headers
        self.request_record = Request(
            method, path, headers["Range"], headers["Authorization"], headers["Host"].split(":")[0]
        )
        self.hub.seen.append(self.request_record)
        if path.startswith("api/"):
            return self.tree(path.split("/"))
        if path.startswith(("cdn/", "plain/")):
            named = path.partition("/")[2]
            data = self.hub.plain.get(named) if path.startswith("plain/") else self.find(named)[0]
            return self.content(named, data, {}, method) if data is not None else self.respond(404)
        if "/resolve/" in path:
            return self.resolve(path, method)
        return self.respond(404)

    def tree(self, parts: list[str]) -> None:
        """Answer /api/{models,datasets}/{owner}/{name}/tree/{revision}, in two pages if there are several files."""
        repo = "/".join(parts[2:4])
        fault = self.hub.next_fault(f"{repo}/tree", "GET")
        if fault.status:
            return self.respond_with_fault(fault)
        if fault.body is not None:
            return self.respond(200, None, fault.body)
        files = self.hub.repositories.get((parts[1], repo))
        if files is None:
            return self.respond(404, "RepoNotFound")
        if parts[5] != REVISION:
            return self.respond(404, "RevisionNotFound")
        entries = []
        for name, data in files.items():
            entry = {"type": "file", "path": name, "size": len(data), "oid": git_name(data)}
            if is_large(name):
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
            entries.append(entry)
        page = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        half = max(1, len(entries) // 2)
        body = json.dumps(entries[:half] if page == 0 else entries[half:]).encode()
        more = self.hub.endless or (page == 0 and len(entries) > half)
        next_page = f"{self.hub.url}/{'/'.join(parts)}?recursive=true&cursor={page + 1}"
        link = {"Link": f'<{next_page}>; rel="next"'} if more else {}
        self.respond(200, None, body, {"Content-Type": "application/json", **link})

    def respond_with_fault(self, fault: Fault) -> None:
        self.respond(fault.status, fault.code, None, {"Retry-After": fault.retry_after} if fault.retry_after else {})

    def send_endlessly(self, data: bytes) -> None:
        """Send the bytes repeatedly until the client closes the connection."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            self.wfile.write(data)

    def find(self, path: str) -> tuple[bytes | None, str]:
        """Return the content of `[datasets/]owner/name/resolve/revision/file` and the file's name."""
        kind, path = ("datasets", path.removeprefix("datasets/")) if path.startswith("datasets/") else ("models", path)
        repo, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        files = self.hub.repositories.get((kind, repo), {}) if revision == REVISION else {}
        return files.get(name), name

    def resolve(self, path: str, method: str) -> None:
        data, name = self.find(path)
        fault = self.hub.next_fault(name, "HEAD")
        if fault.status:
            return self.respond(fault.status, fault.code)
        if data is None:
            return self.respond(404, "EntryNotFound")
        common = {"X-Repo-Commit": REVISION}
        if is_large(name):
            digest = hashlib.sha256(data).hexdigest()
            common |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
            return self.respond(
                302, None, b"", {**common, "Location": f"{self.hub.cdn}/cdn/{path}?Signature=cdn-secret"}
            )
        return self.content(name, data, {**common, "ETag": f'"{git_name(data)}"'}, method)

    def content(self, name: str, data: bytes, headers: dict[str, str], method: str) -> None:
        fault = self.hub.next_fault(name, method) if method == "GET" else Fault()
        if fault.status:
            return self.respond_with_fault(fault)
        if fault.endless:
            return self.send_endlessly(data)
        data = data if fault.body is None else fault.body
        start = 0
        if self.headers["Range"] and not fault.no_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.respond(416)
        self.send_response(206 if start else 200)
        if start:
            headers = headers | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        for key, value in {**headers, "Content-Length": str(len(data) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if method == "GET":
            self.body(data[start:], fault)

    def body(self, data: bytes, fault: Fault) -> None:
        stop = next((limit for limit in (fault.cut, fault.stall) if limit is not None), len(data))
        try:
            if fault.drip:
                for k in range(stop):
                    self.wfile.write(data[k : k + 1])
                    self.request_record.sent += 1
                    time.sleep(fault.drip)
            else:
                self.wfile.write(data[:stop])
                self.request_record.sent += stop
            if fault.stall is not None:
                time.sleep(3)
            self.close_connection = stop < len(data)
        except OSError:  # the client closed the connection
            self.close_connection = True

    def respond(
        self, status: int, code: str | None = None, body: bytes | None = None, headers: dict | None = None
    ) -> None:
        # The answer repeats the token, as a careless server might.
        body = f"No: {self.headers['Authorization']}".encode() if body is None else body
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"No: {self.headers['Authorization']}")
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class Server:
    """`with Server() as hub` starts the server on a free port."""

    def __enter__(self) -> FakeHub:
        hub = FakeHub()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        hub.url, hub.cdn = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return hub

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
