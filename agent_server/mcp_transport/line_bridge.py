"""Standard input and output to a desk that is running already: JSON-RPC lines over HTTP, nothing interpreted.

A client starts this process for every conversation, so it imports neither the desk nor the MCP library: it answers as
fast as the desk does. What the two eras do differently on the wire is all it knows: the older one has a session, a
stream for what the server sends by itself, and notices of cancellation; in the newer one every request stands alone and
is cancelled by hanging up.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR, socket
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlsplit

PATH: Final = "/mcp"
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose target the newer era repeats in a header, and where in the parameters it stands."""
READ_SECONDS: Final = 60.0
"""Longer than the pause between the desk's signs of life on a stream."""
END_SECONDS: Final = 2.0
"""How long answers may still come after the client has closed its side."""
AGAIN_SECONDS: Final = 0.5
MOST_WAITS: Final = 60
UNREACHABLE: Final = -32000
REFUSED: Final = -32001
SESSION_GONE: Final = 404
NOT_YET: Final = 503
ACCEPTED: Final = 202
PLAIN: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
SEALED: Final = re.compile(r"=\?base64\?.*\?=")

Message = dict[str, Any]


@dataclass(slots=True)
class Session:
    """What the older era remembers between requests."""

    session_id: str = ""
    version: str = ""
    opening: bytes = b""


@dataclass(slots=True)
class LineBridge:
    """Carries lines both ways until the client closes its side. `address` has no path; `preset` may be empty."""

    address: str
    token: str
    preset: str
    source: BinaryIO
    target: BinaryIO
    _session: Session = field(default_factory=Session)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _reopening: threading.Lock = field(default_factory=threading.Lock)
    _running: dict[str, socket] = field(default_factory=dict)
    _cancelled: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Carry lines until the client closes its side, then end the session at the desk."""
        for line in self.source:
            if line.strip():
                self._take(line)
        for thread in self._threads:
            thread.join(END_SECONDS)
        self._ended.set()
        if self._session.session_id:
            self._end_session()

    def _take(self, line: bytes) -> None:
        """Send one line of the client; only what opens a session is waited for."""
        try:
            message = json.loads(line)
        except ValueError:
            self._write({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}})
            return
        if not isinstance(message, dict):
            self._write({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid Request"}})
            return
        method = message.get("method")
        if method == "notifications/cancelled" and self._hang_up(message):
            return
        if method in {"initialize", "notifications/initialized"}:
            self._carry(message, line)
            if method == "notifications/initialized":
                self._start(self._listen)
            return
        self._start(self._carry, message, line)

    def _carry(self, message: Message, line: bytes) -> None:
        """Send one message and write what comes back; a failure is told to a request as its error."""
        try:
            if not self._send(message, line):
                self._fail(message, UNREACHABLE, "The desk ended the answer before it was whole.")
        except (OSError, HTTPException) as error:
            self._fail(message, UNREACHABLE, f"The desk at {self.address} does not answer: {error}. Is it running?")
        finally:
            self._cancelled.discard(_key(message))

    def _send(self, message: Message, line: bytes, *, may_reopen: bool = True) -> bool:
        """Send one message and pass on the answer, waiting for a desk that starts; return whether a request got one."""
        for _ in range(MOST_WAITS):
            found = self._send_once(message, line, may_reopen=may_reopen)
            if found is not None:
                return found
            self._ended.wait(AGAIN_SECONDS)
        self._fail(message, UNREACHABLE, f"The desk at {self.address} is still starting. Try again later.")
        return True

    def _send_once(self, message: Message, line: bytes, *, may_reopen: bool) -> bool | None:
        """As `_send`; None when the desk has not looked at the message because it is starting."""
        connection = self._connect()
        connection.connect()
        key = _key(message)
        if key:
            self._running[key] = connection.sock
        try:
            response = self._post(connection, line, self._headers(message))
            if response.status == SESSION_GONE and self._session.session_id and may_reopen and _version(message) == "":
                response.read()
                self._reopen(self._session.session_id)
                return self._send(message, line, may_reopen=False)
            if response.status == NOT_YET and response.headers.get("Retry-After"):
                return None
            return self._answer(message, response)
        finally:
            if key:
                self._running.pop(key, None)
            connection.close()

    def _answer(self, message: Message, response: HTTPResponse) -> bool:
        if message.get("method") == "initialize":
            self._session.session_id = response.headers.get("Mcp-Session-Id", "")
            self._session.opening = json.dumps(message).encode()
        if response.headers.get_content_type() == "text/event-stream":
            return any(self._pass_on(message, event) for event in events(response)) or not _key(message)
        body = response.read()
        if response.status == ACCEPTED or (not body and response.status < 400):
            return not _key(message)
        answer = _object(body)
        if "jsonrpc" in answer:
            if answer.get("id") is None and "method" not in answer:
                answer["id"] = message.get("id")
            self._pass_on(message, json.dumps(answer).encode())
        elif response.status >= 400:
            self._fail(message, REFUSED, f"The desk refused ({response.status}): {_reason(answer, body)}")
        return True

    def _pass_on(self, message: Message, text: bytes) -> bool:
        """Write one message of the desk; return whether it is the answer to this one."""
        answer = _object(text)
        is_answer = "method" not in answer and answer.get("id") == message.get("id")
        if is_answer and message.get("method") == "initialize":
            result = answer.get("result")
            self._session.version = str(result.get("protocolVersion", "")) if isinstance(result, dict) else ""
        self._write(text)
        return is_answer

    def _listen(self) -> None:
        """Pass on what the desk sends by itself in the older era, for as long as the session lives."""
        while not self._ended.is_set():
            connection = self._connect()
            try:
                headers = self._headers({}) | {"Accept": "text/event-stream"}
                connection.request("GET", self._target(), headers=headers)
                response = connection.getresponse()
                if response.headers.get_content_type() != "text/event-stream":
                    return
                for event in events(response):
                    self._write(event)
            except (OSError, HTTPException):
                pass
            finally:
                connection.close()
            self._ended.wait(AGAIN_SECONDS)

    def _reopen(self, lost: str) -> None:
        """Open a new session in place of one that the desk no longer knows, as after a restart of the desk."""
        with self._reopening:
            if self._session.session_id != lost:
                return
            connection = self._connect()
            try:
                opening = {"method": "initialize"}
                self._session.session_id = ""
                response = self._post(connection, self._session.opening, self._headers(opening))
                self._session.session_id = response.headers.get("Mcp-Session-Id", "")
                response.read()
            finally:
                connection.close()
            started = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            self._send({"method": "notifications/initialized"}, started, may_reopen=False)

    def _hang_up(self, message: Message) -> bool:
        """Cancel a request of the newer era, which is done by closing its stream; False in the older era."""
        if self._session.session_id:
            return False
        params = message.get("params")
        key = json.dumps(params.get("requestId")) if isinstance(params, dict) else ""
        line = self._running.get(key)
        if line is not None:
            self._cancelled.add(key)
            with suppress(OSError):
                line.shutdown(SHUT_RDWR)
        return True

    def _end_session(self) -> None:
        connection = self._connect()
        try:
            connection.request("DELETE", self._target(), headers=self._headers({}))
            connection.getresponse().read()
        except (OSError, HTTPException):
            return
        finally:
            connection.close()

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "dingpan mcp",
        }
        version = _version(message)
        if version:
            return headers | {"MCP-Protocol-Version": version} | _routing(message)
        if self._session.session_id and message.get("method") != "initialize":
            headers["Mcp-Session-Id"] = self._session.session_id
            headers["MCP-Protocol-Version"] = self._session.version
        return headers

    def _post(self, connection: HTTPConnection, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        connection.request("POST", self._target(), body=body, headers=headers)
        return connection.getresponse()

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self.address)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=READ_SECONDS)

    def _target(self) -> str:
        return PATH + (f"?preset={quote(self.preset)}" if self.preset else "")

    def _fail(self, message: Message, code: int, text: str) -> None:
        if _key(message) and _key(message) not in self._cancelled:
            self._write({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}})

    def _write(self, message: Message | bytes) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        with self._writing:
            self.target.write(b" ".join(line.split(b"\n")).strip() + b"\n")  # between tokens only: texts escape it
            self.target.flush()

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()]
        if work != self._listen:
            self._threads.append(thread)
        thread.start()


def events(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the data of each server-sent event; comments and events without data are signs of life."""
    data: list[bytes] = []
    while line := response.readline():
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data.append(text[5:].removeprefix(b" "))
        elif not text and data:
            joined, data = b"\n".join(data), []
            if joined.strip():
                yield joined


def header_text(value: str) -> str:
    """Return a value as a header can carry it: plain, or in base64 where it is not."""
    if PLAIN.fullmatch(value) and not SEALED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def _routing(message: Message) -> dict[str, str]:
    method, params = str(message.get("method", "")), message.get("params")
    found = {"Mcp-Method": method}
    named = params.get(NAMED[method]) if method in NAMED and isinstance(params, dict) else None
    return found | ({"Mcp-Name": header_text(named)} if isinstance(named, str) else {})


def _version(message: Message) -> str:
    """Return the protocol version that a message of the newer era carries itself; empty for the older era."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else ""


def _key(message: Message) -> str:
    """Return what a running request is known by; empty for notifications and answers."""
    return json.dumps(message["id"]) if "method" in message and message.get("id") is not None else ""


def _object(body: bytes) -> Message:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _reason(answer: Message, body: bytes) -> str:
    told = answer.get("message") or answer.get("error_description") or body[:200].decode("utf-8", "replace")
    return str(told)
