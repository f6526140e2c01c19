"""A chat endpoint on this machine that answers well, badly or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(content: object) -> str:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


class Endpoint:
    """What it answers, and the requests it got: path, headers in lower case, body."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.body = completion("The node follows its neighbours.")
        self.kind = "application/json"
        self.headers: dict[str, str] = {}
        self.hangs = threading.Event()
        self.hangs.set()  # set: answers at once
        self.requests: list[tuple[str, dict[str, str], Any]] = []


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.requests.append((self.path, headers, json.loads(self.rfile.read(size))))
            found.hangs.wait(10)
            try:
                self.send_response(found.status)
                for name, value in {"content-type": found.kind, **found.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(found.body.encode())))
                self.end_headers()
                self.wfile.write(found.body.encode())
            except BrokenPipeError:
                pass  # the client has gone

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()
