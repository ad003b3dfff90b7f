"""The bridge from standard input and output to a running desk, against a small server that says what tests want."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agent_server.mcp_transport import line_bridge
from agent_server.mcp_transport.line_bridge import LineBridge, header_text

Answer = Callable[["Seen", Any], None]
VERSION = "io.modelcontextprotocol/protocolVersion"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeDesk:
    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    address: str = ""


@contextmanager
def fake_desk(answer: Answer) -> Iterator[FakeDesk]:
    desk = FakeDesk(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen = Seen(self.command, self.path, dict(self.headers), json.loads(body) if body else None)
            desk.seen.append(seen)
            desk.answer(seen, self)

        do_GET = do_DELETE = do_POST  # noqa: N815 - the names are the library's

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    desk.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: Any, body: Any = None, *, status: int = 200, **headers: str) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def stream(handler: Any, *events: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    for event in events:
        handler.wfile.write(event.encode())


def carry(desk: FakeDesk, *messages: Any, preset: str = "") -> list[Any]:
    """Send the lines, close the client's side, and return what came back."""
    source = io.BytesIO(b"".join((m if isinstance(m, bytes) else json.dumps(m).encode()) + b"\n" for m in messages))
    target = io.BytesIO()
    LineBridge(desk.address, "lgatk_x", preset, source, target).run()
    return [json.loads(line) for line in target.getvalue().splitlines()]


def modern(method: str, number: int = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params | {"_meta": {VERSION: "2026-07-28"}}}


def done(seen: Seen, handler: Any) -> None:
    send(handler, {"jsonrpc": "2.0", "id": seen.body["id"], "result": {}})


def test_a_request_of_the_newer_era_carries_its_headers() -> None:
    with fake_desk(done) as desk:
        answers = carry(desk, modern("tools/call", name="市场", arguments={}), preset="read data")
    assert answers == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    seen = desk.seen[0]
    assert seen.path == "/mcp?preset=read%20data"
    assert seen.headers["Authorization"] == "Bearer lgatk_x"
    assert seen.headers["MCP-Protocol-Version"] == "2026-07-28"
    assert seen.headers["Mcp-Method"] == "tools/call"
    assert seen.headers["Mcp-Name"] == "=?base64?5biC5Zy6?="


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("market_quote_get", "market_quote_get"),
        (" x", "=?base64?IHg=?="),
        ("", "=?base64??="),
        ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
    ],
)
def test_header_values(plain: str, written: str) -> None:
    assert header_text(plain) == written


def test_the_older_era_has_a_session() -> None:
    def answer(seen: Seen, handler: Any) -> None:
        method = (seen.body or {}).get("method")
        if seen.method == "GET":
            stream(handler, ': ping\n\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n')
        elif seen.method == "DELETE":
            send(handler)
        elif method == "initialize":
            result = {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}}
            send(handler, result, Mcp_Session_Id="s1")
        elif method == "notifications/initialized":
            send(handler, status=202)
        else:
            note = '{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'
            stream(
                handler,
                f"data: {note}\n\n",
                f'data: {{"jsonrpc":"2.0","id":{seen.body["id"]},\r\ndata: "result":7}}\r\n\r\n',
            )

    opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    started = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    with fake_desk(answer) as desk:
        answers = carry(desk, opening, started, {"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answers[0]["result"] == {"protocolVersion": "2025-11-25"}
    assert {"jsonrpc": "2.0", "id": 1, "result": 7} in answers
    assert {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}} in answers
    ping = next(seen for seen in desk.seen if (seen.body or {}).get("method") == "ping")
    assert (ping.headers["Mcp-Session-Id"], ping.headers["MCP-Protocol-Version"]) == ("s1", "2025-11-25")
    assert "Mcp-Method" not in ping.headers
    assert desk.seen[-1].method == "DELETE" or any(seen.method == "DELETE" for seen in desk.seen)


def test_a_session_that_the_desk_has_forgotten_is_opened_again() -> None:
    sessions = iter(["s1", "s2"])
    live: set[str] = set()

    def answer(seen: Seen, handler: Any) -> None:
        method = (seen.body or {}).get("method")
        if method == "initialize":
            live.clear()
            live.add(session := next(sessions))
            send(
                handler,
                {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}},
                Mcp_Session_Id=session,
            )
            if session == "s1":
                live.clear()
        elif seen.headers.get("Mcp-Session-Id") not in live:
            send(handler, {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}}, status=404)
        elif method is None or method == "notifications/initialized":
            send(handler, status=202)
        else:
            done(seen, handler)

    opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
    with fake_desk(answer) as desk:
        answers = carry(desk, opening, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert answers == [
        {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (401, {"error": "invalid_token", "error_description": "Authentication required"}, -32001, "Authentication"),
        (503, {"success": False, "code": "starting", "message": "The desk is starting."}, -32001, "is starting"),
        (400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": "bad"}}, -32602, "bad"),
        (500, None, -32001, "500"),
    ],
)
def test_a_refusal_is_the_answer_to_the_request(status: int, body: Any, code: int, words: str) -> None:
    with fake_desk(lambda _, handler: send(handler, body, status=status)) as desk:
        answers = carry(desk, modern("tools/list", 5))
    assert len(answers) == 1
    assert answers[0]["id"] == 5
    assert answers[0]["error"]["code"] == code
    assert words in answers[0]["error"]["message"]


def test_a_desk_that_is_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_bridge, "AGAIN_SECONDS", 0.01)
    starts = iter([True, True, False])

    def answer(seen: Seen, handler: Any) -> None:
        if next(starts):
            send(handler, {"code": "starting"}, status=503, Retry_After="1")
        else:
            done(seen, handler)

    with fake_desk(answer) as desk:
        assert carry(desk, modern("tools/list", 1)) == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    assert len(desk.seen) == 3


def test_a_desk_that_is_gone_is_told() -> None:
    with fake_desk(done) as desk:
        pass
    answers = carry(desk, modern("tools/list", 1), {"jsonrpc": "2.0", "method": "notifications/x"})
    assert [answer["id"] for answer in answers] == [1]
    assert "does not answer" in answers[0]["error"]["message"]


def test_an_answer_that_breaks_off_is_told() -> None:
    with fake_desk(lambda _, handler: stream(handler, ": alive\n\n", 'data: {"jsonrpc"')) as desk:
        answers = carry(desk, modern("tools/call", name="x"))
    assert answers[0]["error"]["message"] == "The desk ended the answer before it was whole."


def test_a_cancelled_request_of_the_newer_era_hangs_up_and_says_nothing() -> None:
    arrived, gone = threading.Event(), threading.Event()

    def answer(_: Seen, handler: Any) -> None:
        stream(handler, ": alive\n\n")
        arrived.set()
        handler.connection.settimeout(5)
        if handler.connection.recv(1) == b"":
            gone.set()

    class Lines(io.BytesIO):
        def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
            yield json.dumps(modern("tools/call", 9, name="x")).encode()
            assert arrived.wait(5)
            yield b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}'

    target = io.BytesIO()
    with fake_desk(answer) as desk:
        LineBridge(desk.address, "t", "", Lines(), target).run()
        assert gone.wait(5)
    assert target.getvalue() == b""


def test_lines_that_are_no_messages_are_told() -> None:
    with fake_desk(done) as desk:
        answers = carry(desk, b"{", b"[]", b"  ")
    assert [answer["error"]["code"] for answer in answers] == [-32700, -32600]
    assert desk.seen == []
