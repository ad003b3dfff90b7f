"""A provider of models on loopback that speaks OpenAI's Responses API and answers by a rule, for real servers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evals.wire import WireFormat, WireTurn, event_stream

Rule = Callable[[list[dict[str, Any]]], WireTurn]
"""From the input of a request, the newest item last, to the model's answer."""


@contextmanager
def model_server(rule: Rule, *, pause: float = 0.0) -> Iterator[dict[str, str]]:
    """Run the provider; yield the settings of a desk that uses it. `pause` is between two events of a stream."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for event in event_stream(rule(body["input"]), WireFormat.OPENAI).split(b"\n\n"):
                try:
                    self.wfile.write(event + b"\n\n")
                except OSError:
                    return  # the desk went away, as it should when a turn is stopped
                time.sleep(pause)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield {
            "DINGPAN_MODEL": "openai-responses:rule",
            "DINGPAN_OPENAI_BASE_URL": address,
            "DINGPAN_OPENAI_API_KEY": "sk-test",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
