"""A Hugging Face hub on 127.0.0.1: as much of its download protocol as huggingface_hub needs for large files.

``/{repo}/resolve/main/{file}`` answers with the file's metadata in headers and a redirect to a storage host (the
same server under its other name, ``localhost``), which serves the bytes and understands ``Range``.
"""

import contextlib
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

COMMIT = "1234567890abcdef1234567890abcdef12345678"
NO_PROXY = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str | None


@dataclass
class HubServer:
    """Serves ``files`` ("repo/file" -> content) and records ``requests``; the other fields are its faults.

    ``cuts``: the next answers with content break off after so many bytes. ``refusal``: status and
    ``X-Error-Code`` of every answer. ``corrupt``: one bit of the content is wrong. ``drips``: answers start and
    never end. ``is_hub``: without it, the headers that only a hub sends are missing.
    """

    files: dict[str, bytes]
    requests: list[Request] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    refusal: tuple[int, str] | None = None
    corrupt: bool = False
    drips: bool = False
    is_hub: bool = True

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.closing = threading.Event()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """From now on the port refuses connections."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def connect(monkeypatch: pytest.MonkeyPatch, endpoint: str, cache: Path) -> None:
    """Point huggingface_hub, which read its environment on import, at ``endpoint`` and a cache of its own."""
    from huggingface_hub import constants

    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_PROXY", NO_PROXY)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        hub = self.server.hub
        hub.requests.append(Request(self.command, self.path, self.headers["Range"]))
        if hub.drips:
            self._drip()
        elif hub.refusal:
            self._send(hub.refusal[0], {"X-Error-Code": hub.refusal[1]})
        elif self.path.startswith("/storage/"):
            self._serve(hub.files[self.path.removeprefix("/storage/")])
        else:
            self._resolve()

    def _drip(self) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
            while not self.server.hub.closing.wait(0.05):
                self.wfile.write(b".")

    def _resolve(self) -> None:
        name = self.path.removeprefix("/").replace("/resolve/main/", "/")
        content = self.server.hub.files.get(name)
        if content is None:
            self._send(404, {"X-Error-Code": "EntryNotFound"})
        elif not self.server.hub.is_hub:
            self._send(200, {})
        else:
            self._send(
                302,
                {
                    "Location": f"http://localhost:{self.server.server_port}/storage/{name}",
                    "X-Repo-Commit": COMMIT,
                    "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                    "X-Linked-Size": str(len(content)),
                },
            )

    def _serve(self, content: bytes) -> None:
        hub = self.server.hub
        if hub.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        part = content[start:]
        span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self._send(206 if start else 200, span, part, cut=hub.cuts.pop(0) if hub.cuts else None)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            if self.command == "GET":
                self.wfile.write(body[:cut])
        self.close_connection = cut is not None
