"""A TCP proxy between clients and Postgres that lets everything pass, and breaks the statements that a script names.

    with Proxy("127.0.0.1", warehouse.port) as proxy:
        proxy.script([Rule(bare("COMMIT"), "drop", when="after")])
        ...  # a client connects to proxy.port, commits, and sees its connection lost; the server has committed
        assert proxy.fired() == [1]

One thread carries a connection's requests and one its answers. Requests travel in groups, up to the Sync that ends them, as a driver writes them:
pgjdbc puts its BEGIN and the statement behind it into one group. A group is held until it is whole and then looked through, so a statement that
is lost "before" has not even been parsed, and the rest of its group is lost with it. A statement is a Query, or a Bind: prepared statements are
known by their names when no Parse comes with them, and a cursor's later fetches are no new statement.
"""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from faults import wire
from faults.rules import Due, Misuse, Rule, Script
from faults.wire import Frames

CHUNK = 1 << 18
STATEMENTS_KEPT, TEXT_KEPT = 20_000, 500
PATIENCE = 30  # seconds for the server to answer what it was asked before, or to notice that its client is gone


class Proxy:
    """Listens on 127.0.0.1, at `port`, while the context is open. A misused script raises when it ends, and from fired()."""

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._script = Script()
        self._statements: deque[str] = deque(maxlen=STATEMENTS_KEPT)
        self._errors: list[BaseException] = []
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._acceptor = threading.Thread(target=self._accept, name="faults accept", daemon=True)
        self.port: int = self._listener.getsockname()[1]

    def script(self, rules: Sequence[Rule]) -> None:
        """From now on these rules, counted from 0. What the earlier ones have begun they finish."""
        self._script = Script(rules)

    def fired(self) -> list[int]:
        """How often each rule of the script has acted. A lost connection counts before its client can notice."""
        self._raise_errors()
        return [due.fired for due in self._script.rules]

    def statements(self) -> list[str]:
        """What clients have asked for, in order, each text's beginning; also what was lost, failed or rewritten."""
        return list(self._statements)

    def take(self, text: str) -> list[Due]:
        self._statements.append(text[:TEXT_KEPT])
        return self._script.take(text)

    def report(self, error: BaseException) -> None:
        self._errors.append(error)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        self._raise_errors()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream, timeout=PATIENCE)
            except OSError:
                client.close()  # the client sees what it would see without us: nobody is there
                continue
            server.settimeout(None)
            self._connections = [c for c in self._connections if c.is_open()]
            self._connections.append(_Connection(self, client, server))

    def _raise_errors(self) -> None:
        if self._errors:
            raise self._errors[0]


class _Connection:
    """One client's connection and its own to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._texts: dict[bytes, str] = {}  # prepared statements
        self._replacements = 0
        # What the server has been asked and not yet answered: "ready" for each ReadyForQuery to come, and, between them, whose
        # ParseComplete comes next: the "client"'s or "ours", which the client must not see.
        self._awaited: deque[str] = deque()
        self._unanswered = 0  # of the awaited, those that are "ready"
        self._undelivered = 0  # the same, until the client has them
        self._progress = threading.Condition()
        self._in_extended_group = False  # the last group ended with a Sync
        self._ignored_syncs = 0
        self._after: Due | None = None  # waits for the last group's answer; there is no further group
        self._is_mute = False  # what the server still says goes nowhere
        self._is_over = False  # the server says no more
        self._answers = threading.Thread(target=self._guard, args=(self._carry_answers, self._end_answers), name="faults answers", daemon=True)
        self._requests = threading.Thread(target=self._guard, args=(self._carry_requests, self._end_requests), name="faults requests", daemon=True)
        self._requests.start()

    def is_open(self) -> bool:
        return self._requests.is_alive() or self._answers.is_alive()

    def close(self) -> None:
        for end in (self._client, self._server):
            _shut(end, socket.SHUT_RDWR)
        for thread in (self._requests, self._answers):
            if thread.is_alive():
                thread.join(PATIENCE)

    def _guard(self, carry: Callable[[], None], end: Callable[[], None]) -> None:
        try:
            carry()
        except OSError:
            pass  # a connection lost by itself
        except Exception as error:
            self._proxy.report(error)
            self._is_mute = True
        finally:
            end()

    # Requests

    def _carry_requests(self) -> None:
        if self._start_up():
            self._answers.start()
            self._carry_groups()

    def _end_requests(self) -> None:
        # As when the client's machine closes its socket: the server reads to the end of what was sent, and notices.
        _shut(self._server, socket.SHUT_WR)
        if self._answers.ident:
            self._answers.join()
        self._client.close()
        self._server.close()

    def _start_up(self) -> bool:
        """False if the connection is one that only cancels a statement of another."""
        while True:
            head = _receive(self._client, 8)
            length, code = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
            self._server.sendall(head + _receive(self._client, length - 8))
            if code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                answer = _receive(self._server, 1)
                if answer != b"N":
                    raise Misuse(f"the server answers {answer!r} to a request for encryption, through which the proxy could not see: switch it off")
                self._client.sendall(answer)
            elif code == wire.CANCEL_REQUEST:
                while chunk := self._server.recv(CHUNK):
                    self._client.sendall(chunk)
                return False
            else:
                self._await(["ready"])
                return True

    def _carry_groups(self) -> None:
        frames, group, passed = Frames(), [], bytearray()
        while chunk := self._client.recv(CHUNK):
            for letter, frame in frames.feed(chunk):
                if letter == wire.SYNC and self._ignored_syncs:
                    self._ignored_syncs -= 1
                    passed += frame
                elif letter in (wire.PARSE, wire.BIND, wire.DESCRIBE, wire.EXECUTE, wire.CLOSE):
                    group.append((letter, frame))
                elif letter in (wire.SYNC, wire.FLUSH, wire.QUERY, wire.FUNCTION_CALL):
                    group.append((letter, frame))
                    self._server.sendall(passed)
                    passed.clear()
                    if self._after or not self._forward(group):
                        self._answers.join()  # it ends with the connection
                        return
                    group = []
                else:  # passwords, COPY data, Terminate
                    passed += frame
            self._server.sendall(passed)
            passed.clear()
        # The client is gone in the middle of a group. What it has sent the server would have read.
        self._server.sendall(b"".join(frame for _letter, frame in group) + frames.rest())

    def _forward(self, group: list[tuple[int, bytes]]) -> bool:
        """False if the connection was lost instead."""
        out, awaited, replaced, after = bytearray(), [], [], None
        for letter, frame in group:
            if letter == wire.PARSE:
                name, text = wire.name_and_text(frame)
                self._texts[name] = text.decode(errors="replace")
                awaited.append("client")
            elif letter == wire.CLOSE:
                self._texts.pop(wire.closed_statement(frame), None)
            elif letter in (wire.BIND, wire.QUERY):
                text = wire.text_of_query(frame).decode(errors="replace") if letter == wire.QUERY else self._texts.get(wire.statement_of(frame), "")
                substitute = text
                for due in self._proxy.take(text):
                    if due.rule.replaces:
                        substitute = due.rule.replacement(substitute)
                        replaced.append(due)
                    elif due.rule.when == "before":
                        self._lose_before(due)
                        return False
                    else:
                        after = after or due
                if substitute != text:
                    frame = self._substitute(letter, frame, substitute.encode(), out, awaited)
            out += frame
        ending = group[-1][0]
        if ending != wire.FLUSH:
            awaited.append("ready")
            self._in_extended_group = ending == wire.SYNC
        elif after:
            raise Misuse("a group that ends in Flush has no end to act after; let the client end it with a Sync")
        self._await(awaited)
        self._after = after
        for due in replaced:
            due.done()
        self._server.sendall(out)  # last, since the answer may be there at once
        return True

    def _substitute(self, letter: int, frame: bytes, text: bytes, out: bytearray, awaited: list[str]) -> bytes:
        """The request that runs the text in the statement's place. A prepared statement keeps its name and its text, for its next use."""
        if letter == wire.QUERY:
            return wire.query(text)
        if wire.parameters_of(frame):
            raise Misuse(f"a statement with parameters cannot be replaced by {text[:200]!r}")
        self._replacements += 1
        name = b"faults_%d" % self._replacements
        out += wire.parse(name, text)
        awaited.append("ours")
        return wire.bind_another(frame, name)

    def _await(self, awaited: list[str]) -> None:
        with self._progress:
            self._awaited += awaited
            self._unanswered += awaited.count("ready")
            self._undelivered += awaited.count("ready")

    def _lose_before(self, due: Due) -> None:
        with self._progress:  # so that the client has the answers to what came before
            if not self._progress.wait_for(lambda: not self._undelivered or self._is_over, PATIENCE):
                raise Misuse(f"the server did not answer what came before {due.rule.match!r}")
        self._lose(due)

    # Answers

    def _carry_answers(self) -> None:
        frames, passed = Frames(), bytearray()
        while chunk := self._server.recv(CHUNK):
            for letter, frame in frames.feed(chunk):
                if self._passes(letter):
                    passed += frame
                if letter == wire.READY and self._after and not self._unanswered:
                    self._deliver(passed)
                    self._lose(self._after)
            self._deliver(passed)

    def _passes(self, letter: int) -> bool:
        """Whether the client sees this answer: all but those to our own requests and to the statement after which it loses the connection."""
        is_held = self._after is not None and self._unanswered == 1
        if letter == wire.READY:
            with self._progress:
                while self._awaited.popleft() != "ready":
                    pass  # an error has skipped it
                self._unanswered -= 1
        elif letter == wire.PARSE_COMPLETE:
            return self._awaited.popleft() == "client" and not is_held
        elif letter in (wire.COPY_IN, wire.COPY_BOTH):
            # A server that takes COPY data ignores the Sync of the group that began it; the one behind the data ends it.
            self._ignored_syncs += self._in_extended_group
            return True  # or the data would never come
        return not is_held

    def _deliver(self, passed: bytearray) -> None:
        if not self._is_mute:
            try:
                self._client.sendall(passed)
            except OSError:
                self._is_mute = True  # the client is gone; the server is to notice by itself
        passed.clear()
        with self._progress:
            self._undelivered = self._unanswered
            self._progress.notify_all()

    def _end_answers(self) -> None:
        with self._progress:
            self._is_over = True
            self._progress.notify_all()
        _shut(self._server, socket.SHUT_RDWR)
        _shut(self._client, socket.SHUT_RDWR)

    # Both

    def _lose(self, due: Due) -> None:
        """The server goes first, so that its transaction has ended when the client notices."""
        self._is_mute = True
        if due.rule.call:
            try:
                due.rule.call()
            except Exception as error:
                self._proxy.report(error)
        due.done()
        _shut(self._server, socket.SHUT_WR)


def _receive(end: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = end.recv(size - len(received))
        if not chunk:
            raise ConnectionError("closed while it started up")
        received += chunk
    return received


def _shut(end: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(how)
