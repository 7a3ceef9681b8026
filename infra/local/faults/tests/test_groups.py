"""Several groups under way at once, names that outlive a fault, and streams cut where nobody expects it: what takes libpq itself, or a raw socket."""

import select
import socket
import struct
import threading

import psycopg
import pytest
from faults.proxy import Proxy
from faults.rules import Misuse, Rule
from faults.wire import frame, query
from psycopg.pq import ExecStatus


def result(connection: psycopg.Connection) -> psycopg.pq.abc.PGresult | None:
    """Waits as psycopg itself does: libpq's own waiting would hold the GIL, and the proxy lives in this process."""
    while connection.pgconn.flush() or connection.pgconn.is_busy():
        select.select([connection], [], [], 0.1)
        connection.pgconn.consume_input()
    return connection.pgconn.get_result()


def results(connection: psycopg.Connection) -> list[ExecStatus]:
    """Up to the loss of the connection, or the end of the pipeline."""
    found, ends = [], 0
    while ends < 2:
        try:
            answer = result(connection)
        except psycopg.OperationalError:
            return found
        ends = 0 if answer else ends + 1
        if answer:
            found.append(answer.status)
    return found


def test_the_extended_protocol_may_copy_too(connect, numbers, proxy):
    """libpq then sends two Syncs of which the server answers one; a proxy that counts both hangs, or loses the wrong answer."""
    with connect(autocommit=True) as connection:
        for n in (1, 2):
            connection.pgconn.send_query_params(b"COPY numbers FROM STDIN", None)
            assert result(connection).status == psycopg.pq.ExecStatus.COPY_IN
            connection.pgconn.put_copy_data(b"%d\tword\n" % n)
            connection.pgconn.put_copy_end()
            assert result(connection).status == psycopg.pq.ExecStatus.COMMAND_OK
            assert result(connection) is None
        proxy.script([Rule("VALUES", "drop", "after")])
        with pytest.raises(psycopg.OperationalError):
            connection.execute("INSERT INTO numbers VALUES (%s)", (3,))
        assert proxy.fired() == [1]
    assert numbers() == [1, 2, 3]


@pytest.mark.parametrize(("when", "rows"), [("before", [2]), ("after", [2, 3])])
def test_the_answers_before_a_lost_statement_arrive(connect, proxy, numbers, when, rows):
    """As a batch of the JDBC driver may have them under way; the server is still at the first when the last is sent."""
    proxy.script([Rule(r"VALUES \(3\)", "drop", when)])
    connection = connect(autocommit=True)
    connection.pgconn.enter_pipeline_mode()
    for sql in (b"SELECT pg_sleep(0.3)", b"INSERT INTO numbers VALUES (2)", b"INSERT INTO numbers VALUES (3)", b"INSERT INTO numbers VALUES (4)"):
        connection.pgconn.send_query_params(sql, None)
        connection.pgconn.pipeline_sync()
    found = [status for status in results(connection) if status != ExecStatus.FATAL_ERROR]
    assert found == [ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC, ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_SYNC]
    assert proxy.fired() == [1]
    assert numbers() == rows


def test_the_unnamed_statement_outlives_a_fault_at_another(connect, proxy, numbers):
    connection = connect(autocommit=True)
    for name, n in ((b"", 1), (b"named", 2)):
        connection.pgconn.send_prepare(name, b"INSERT INTO numbers VALUES (%d)" % n)
        assert results(connection) == [ExecStatus.COMMAND_OK]
    proxy.script([Rule(r"VALUES \(2\)", "fail")])
    for name, status in ((b"named", ExecStatus.FATAL_ERROR), (b"", ExecStatus.COMMAND_OK), (b"named", ExecStatus.COMMAND_OK)):
        connection.pgconn.send_query_prepared(name, None)
        assert results(connection) == [status]
    assert numbers() == [1, 2]


def test_a_fault_after_a_flush_is_refused(warehouse):
    """Its answer has no end to wait for."""
    with pytest.raises(Misuse, match="Flush"), Proxy("127.0.0.1", warehouse.port) as proxy:
        proxy.script([Rule("SELECT", "drop", "after")])
        login = {"dbname": warehouse.database, "user": warehouse.user, "password": warehouse.password}
        connection = psycopg.connect(host="127.0.0.1", port=proxy.port, **login)
        connection.pgconn.enter_pipeline_mode()
        connection.pgconn.send_query_params(b"SELECT 1", None)
        connection.pgconn.send_flush_request()
        results(connection)


STARTUP = struct.pack("!II", 8, 3 << 16)
READY = frame(ord("Z"), b"I")
DONE = frame(ord("C"), b"SELECT 1\0")


def talk(proxied_rules: list[Rule], requests: bytes, answers: bytes, piece: int, expected: int) -> tuple[bytes, bytes]:
    """A client and a server that send all they have at once, or in small pieces; what reached the server and what the client."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Proxy(*listener.getsockname()) as proxy:
        proxy.script(proxied_rules)
        arrived = bytearray()

        def serve() -> None:
            server, _address = listener.accept()
            with server:
                server.sendall(frame(ord("R"), bytes(4)) + READY)
                while len(arrived) < expected and (chunk := server.recv(1 << 16)):
                    arrived.extend(chunk)
                send(server, answers)
                while chunk := server.recv(1 << 16):
                    arrived.extend(chunk)

        def send(end: socket.socket, data: bytes) -> None:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), piece):
                end.sendall(data[start : start + piece])

        thread = threading.Thread(target=serve)
        thread.start()
        seen = bytearray()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            send(client, STARTUP + requests)
            client.settimeout(20)
            if not proxied_rules:
                client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(1 << 16):
                seen.extend(chunk)
        thread.join(20)
        return bytes(arrived), bytes(seen)


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_streams_pass_however_they_are_cut(piece):
    requests = query(b"SELECT 1") + query("SELECT 'ü'".encode()) + frame(ord("d"), bytes(1_000)) + query(b"") + frame(ord("X"), b"")
    answers = DONE + READY + frame(ord("D"), b"Z\0\0\0\5I" * 100) + DONE + READY + frame(ord("I"), b"") + READY
    arrived, seen = talk([], requests, answers, piece, len(STARTUP + requests))
    assert arrived == STARTUP + requests
    assert seen == frame(ord("R"), bytes(4)) + READY + answers


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_answers_that_arrive_together_are_told_apart(piece):
    """The first statement's answer reaches the client, of the second's not a byte."""
    requests = query(b"SELECT 1") + query(b"SELECT 2")
    arrived, seen = talk([Rule("2", "drop", "after")], requests, (DONE + READY) * 2, piece, len(STARTUP + requests))
    assert arrived == STARTUP + requests
    assert seen == frame(ord("R"), bytes(4)) + READY + DONE + READY
