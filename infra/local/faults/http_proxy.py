"""A proxy between an HTTP client and one server (Azurite, the emulated S3) that lets everything pass, and breaks the requests that a script names.

    with HttpProxy("127.0.0.1", azure_port) as proxy:
        proxy.script([HttpRule(reading("transactions.json", 8 << 20), "reset", at=1000)])
        ...  # a client reads the blob by way of proxy.port, and loses the connection in the middle of the second range
        assert proxy.fired() == [1]

Each connection has a thread of its own. Requests and answers are held whole, so this is for bodies of some MiB. What passed, and what came of it, is kept.
"""

import contextlib
import http.client
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from faults.http_rules import Answer, HttpRule
from faults.rules import Due, Misuse, Script

PATIENCE = 60  # seconds for the server to answer
# Of the connection, not of the message; and what is said anew of a body that was read whole.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "proxy-connection"}


@dataclass(frozen=True)
class Exchange:
    """A request, and what came of it."""

    began: float  # by time.monotonic()
    method: str
    path: str  # as it was sent, with its query
    range: str  # as `bytes=0-99`, or empty
    headers: Mapping[str, str]  # names in lower case
    body_bytes: int  # of the request
    status: int | None  # what the client was told; nothing when the connection was lost
    fault: str  # what the script did to it, if anything but hold it

    @property
    def line(self) -> str:
        return f"{self.method} {self.path} {self.range}".rstrip()


class HttpProxy:
    """Listens on 127.0.0.1, at `port`, while the context is open. A misused script or a callback that failed raises once: from fired(), from the next
    script(), or when it ends."""

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._script: Script[HttpRule] = Script()
        self._exchanges: list[Exchange] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._acceptor = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="faults http", daemon=True)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, rules: Sequence[HttpRule]) -> None:
        """From now on these rules, counted from 0, and a new record of what passes. What the earlier ones have begun they finish."""
        self._raise_errors()
        with self._lock:
            self._script, self._exchanges = Script(rules), []

    def fired(self) -> list[int]:
        """How often each rule of the script has acted."""
        self._raise_errors()
        return [due.fired for due in self._script.rules]

    def exchanges(self, match: str = "") -> list[Exchange]:
        """What has passed since the script was given, in the order in which it was answered; those whose line `match` finds."""
        with self._lock:
            exchanges = list(self._exchanges)
        return [exchange for exchange in exchanges if re.search(match, exchange.line)]

    def take(self, line: str) -> list[Due[HttpRule]]:
        return self._script.take(line)

    def keep(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)

    def report(self, error: BaseException) -> None:
        self._errors.append(error)

    def forward(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Asks the server. For whoever needs a store that minds more than the server does, this is the place."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            if body or method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.lose_all()
        self._raise_errors()

    def _raise_errors(self) -> None:
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: HttpProxy) -> None:
        self.proxy = proxy
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def lose_all(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: socket.socket, client_address: object) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # a client that is gone is no error of ours
            self.proxy.report(error)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _unkept: Exchange | None = None  # what is not in the record yet

    def do_GET(self) -> None:
        began, body = time.monotonic(), self._body()
        asked = self.headers.get("x-ms-range") or self.headers.get("Range") or ""
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(began, self.command, self.path, asked, headers, len(body), None, "")
        fault = None
        for due in self.server.proxy.take(exchange.line):
            if due.rule.do == "hold":
                self._hold(due)
            else:
                fault = due
        self._unkept = replace(exchange, fault=fault.rule.do if fault else "")
        try:
            self._answer(fault, body)
        except (OSError, http.client.HTTPException):
            self._lose()  # the server is not there, or the client is gone: the client sees what it would see without us

    do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_GET

    def _hold(self, due: Due[HttpRule]) -> None:
        try:
            time.sleep(due.rule.seconds)
            if due.rule.call:
                due.rule.call()
        except Exception as error:
            self.server.proxy.report(error)
        due.done()

    def _answer(self, due: Due[HttpRule] | None, body: bytes) -> None:
        rule = due.rule if due else None
        if rule and rule.do == "drop" and rule.when == "before":
            due.done()
            return self._lose()
        if rule and rule.answer:
            due.done()
            return self._send(rule.answer)
        answered = self.server.proxy.forward(self.command, self.path, list(self.headers.items()), body)
        if rule is None:
            return self._send(answered)
        due.done()
        if rule.do == "drop":
            return self._lose()
        if rule.at >= len(answered.body):
            raise Misuse(f"{rule.do} at byte {rule.at}, and the answer to {self.command} {self.path} has {len(answered.body)}, status {answered.status}")
        if rule.do == "flip":
            flipped = bytearray(answered.body)
            flipped[rule.at] ^= 1
            return self._send(replace(answered, body=bytes(flipped)))
        kept = answered.body[: rule.at]
        if rule.do == "shorten":
            return self._send(replace(answered, body=kept))
        self._keep(None)
        self._send(answered, sent=kept)
        return self._lose(reset=rule.do == "reset")

    def _send(self, answered: Answer, sent: bytes | None = None) -> None:
        """The whole body, or `sent` alone behind headers that promise the whole."""
        self._keep(answered.status)
        self.send_response_only(answered.status)
        length = str(len(answered.body))
        for name, value in answered.headers.items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value  # of the body that a GET would have
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if answered.status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answered.body if sent is None else sent)

    def _keep(self, status: int | None) -> None:
        """Before the client can notice, so that whoever has its answer finds it in the record."""
        if self._unkept:
            self.server.proxy.keep(replace(self._unkept, status=status))
        self._unkept = None

    def _lose(self, reset: bool = True) -> None:
        self._keep(None)
        self.close_connection = True
        with contextlib.suppress(OSError):
            if reset:
                # A socket that does not linger is closed by a reset: the client gets ECONNRESET, and not the end of a stream.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def log_message(self, *_: object) -> None:
        """What passes is in the record."""
