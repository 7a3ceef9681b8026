"""The proxy between psycopg and Postgres: what passes unharmed, and what breaks where the script says."""

import os
import socket
import threading
import time

import psycopg
import pytest
from faults.proxy import Proxy
from faults.rules import Misuse, Rule, bare, sealed

LABELLED = "/* crosstally insert_rows of run-1 */ INSERT INTO numbers VALUES (7)"
ROWS = 10_000


def execute(connection: psycopg.Connection, sql: str, protocol: str) -> None:
    """By either protocol. psycopg takes the extended one only when there are parameters or a result in binary."""
    connection.cursor(binary=protocol == "extended").execute(sql)


def lost(work) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        work()
    assert caught.value.sqlstate is None, "the server said why, so the connection was not lost"


def test_both_protocols_are_what_these_tests_say(connect):
    connection = connect(autocommit=True)
    execute(connection, "SELECT 1; SELECT 2", "simple")
    with pytest.raises(psycopg.errors.SyntaxError, match="multiple commands into a prepared statement"):
        execute(connection, "SELECT 1; SELECT 2", "extended")


# What passes


def test_bulk_inserts_pass(connect, numbers):
    with connect() as connection:
        connection.cursor().executemany("INSERT INTO numbers VALUES (%s, %s)", ((n, f"word {n}" * 5) for n in range(ROWS)))  # in pipeline mode
    assert numbers() == list(range(ROWS))


def test_copy_passes_in_both_directions(connect, numbers, proxy):
    # A rule that would fire if data were searched for statements; and rows larger than what is read at once.
    proxy.script([Rule("DROP|COMMIT TRANSACTION", "drop")])
    words = ["Q\1\1\1\14DROP\1", "DROP TABLE numbers", "x" * 1_000_000]
    with connect() as connection:
        with connection.cursor().copy("COPY numbers FROM STDIN") as copy:
            for n in range(ROWS):
                copy.write_row((n, words[n % 2] if n % 1_000 else words[2]))
        with connection.cursor().copy("COPY (SELECT n, word FROM numbers ORDER BY n) TO STDOUT") as copy:
            rows = list(copy.rows())
        assert connection.execute("SELECT %s::int", (1,)).fetchone() == (1,)
    assert proxy.fired() == [0]
    assert numbers() == list(range(ROWS))
    assert [int(n) for n, _word in rows] == list(range(ROWS))
    assert sum(len(word) for _n, word in rows) > 10_000_000


def test_errors_notices_and_many_results_pass(connect):
    notices = []
    with connect(autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("DO $$BEGIN RAISE NOTICE 'hello'; END$$")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(500)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(500))
        big = connection.execute("SELECT repeat('x', 30000000)").fetchone()[0]
    assert notices == ["hello"]
    assert len(big) == 30_000_000


def test_a_statement_can_be_cancelled(connect):
    with connect() as connection:
        threading.Timer(0.3, connection.cancel_safe).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(30)")


def test_a_client_that_asks_for_encryption_is_told_there_is_none(connect):
    connect(sslmode="prefer").execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        connect(sslmode="require")


def test_a_server_that_is_not_there_is_a_lost_connection(warehouse):
    with Proxy("127.0.0.1", 9) as proxy, pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=proxy.port, user="x", dbname="x")


def test_the_server_notices_a_client_that_dies(connect, database):
    connection = connect()
    connection.execute("LOCK TABLE numbers")
    socket.socket(fileno=os.dup(connection.fileno())).shutdown(socket.SHUT_RDWR)  # as the kernel does for a killed process: no Terminate
    database.execute("SET lock_timeout TO '10s'")
    database.execute("INSERT INTO numbers VALUES (1)")


def test_connections_are_independent(connect, proxy, numbers):
    proxy.script([Rule("VALUES \\(1\\)", "drop")])
    connections = [connect(autocommit=True) for _ in range(4)]
    lost(lambda: connections[0].execute("INSERT INTO numbers VALUES (1)"))
    for connection in connections[1:]:
        connection.execute("INSERT INTO numbers VALUES (2)")
    assert numbers() == [2, 2, 2]


# What breaks


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("do", ["drop", "call"])
@pytest.mark.parametrize(("when", "rows"), [("before", []), ("after", [7])])
def test_a_connection_is_lost_around_a_statement(connect, proxy, numbers, protocol, do, when, rows):
    seen = []
    proxy.script([Rule(sealed("insert_rows"), do, when, call=(lambda: seen.append(numbers())) if do == "call" else None)])
    connection = connect(autocommit=True)
    execute(connection, "INSERT INTO numbers VALUES (1)", protocol)
    lost(lambda: execute(connection, LABELLED, protocol))
    assert proxy.fired() == [1]
    assert numbers() == [1, *rows]
    assert seen == ([[1, *rows]] if do == "call" else [])  # when it is called, the server has done it, or has not


@pytest.mark.parametrize(("when", "rows"), [("before", []), ("after", [1])])
def test_a_lost_commit_is_committed_if_its_reply_was_lost(connect, proxy, numbers, when, rows):
    proxy.script([Rule(bare("COMMIT"), "drop", when)])
    connection = connect()
    connection.execute("INSERT INTO numbers VALUES (1)")
    lost(connection.commit)
    assert numbers() == rows


def test_the_statement_waits_while_the_callback_runs(connect, proxy, numbers):
    held, released = threading.Event(), threading.Event()
    proxy.script([Rule("VALUES", "call", call=lambda: held.set() or released.wait(30))])
    connection = connect(autocommit=True)
    client = threading.Thread(target=lambda: lost(lambda: connection.execute("INSERT INTO numbers VALUES (1)")))
    client.start()
    assert held.wait(30)
    time.sleep(0.2)
    assert client.is_alive()
    assert proxy.fired() == [0]
    released.set()
    client.join(30)
    assert not client.is_alive()
    assert proxy.fired() == [1]


def test_the_transaction_has_ended_when_the_client_notices(connect, proxy, database):
    database.execute("SET lock_timeout TO '1ms'")
    for when in ("before", "after"):
        proxy.script([Rule("INSERT", "drop", when)])
        connection = connect()
        connection.execute("LOCK TABLE numbers")
        lost(lambda connection=connection: connection.execute("INSERT INTO numbers VALUES (1)"))
        database.execute("TRUNCATE numbers")


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("victim", ["LOCK TABLE numbers", LABELLED, "SELECT COUNT(*) FROM numbers", "CREATE TEMP TABLE t AS SELECT 1", "COMMIT"])
def test_the_server_itself_raises_the_failure(connect, proxy, numbers, protocol, victim):
    proxy.script([Rule(bare(victim) if victim != LABELLED else sealed("insert_rows", "run-1"), "fail")])
    connection = connect(autocommit=True)

    def transaction() -> None:
        for sql in ["BEGIN", "INSERT INTO numbers VALUES (1)", "LOCK TABLE numbers", LABELLED, "SELECT COUNT(*) FROM numbers"]:
            execute(connection, sql, protocol)
        execute(connection, "CREATE TEMP TABLE t AS SELECT 1", protocol)
        execute(connection, "COMMIT", protocol)

    with pytest.raises(psycopg.errors.SerializationFailure):
        transaction()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    execute(connection, "ROLLBACK", protocol)
    assert numbers() == []
    transaction()  # once was enough
    assert numbers() == [1, 7]
    assert proxy.fired() == [1]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "53200", "XX000"])
def test_any_sqlstate_can_be_raised(connect, proxy, sqlstate):
    proxy.script([Rule("SELECT", "fail", sqlstate=sqlstate)])
    with pytest.raises(psycopg.Error) as caught:
        connect(autocommit=True).execute("SELECT 1")
    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_statement_is_rewritten(connect, proxy, numbers, protocol):
    proxy.script([Rule("INSERT", "rewrite", to=lambda text: text.replace("(7)", "(8), (9), (10), (11)"), times=None)])
    connection = connect(autocommit=True)
    for _ in range(3):
        execute(connection, LABELLED, protocol)
    execute(connection, "SELECT 1", protocol)
    assert numbers() == sorted([8, 9, 10, 11] * 3)
    assert proxy.fired() == [3]


def test_a_rewritten_statement_returns_its_own_columns(connect, proxy):
    proxy.script([Rule("SELECT 1", "rewrite", to=lambda _text: "SELECT 2, 'two'")])
    assert connect().cursor(binary=True).execute("SELECT 1").fetchone() == (2, "two")


def test_a_guard_is_off_while_the_load_breaks(connect, proxy, numbers):
    proxy.script([Rule("INSERT", "rewrite", to=lambda text: text.replace("7", "8")), Rule("INSERT", "drop", "after")])
    lost(lambda: connect(autocommit=True).execute(LABELLED))
    assert numbers() == [8]
    assert proxy.fired() == [1, 1]


def test_statements_that_are_prepared_are_known_by_their_names(connect, proxy, numbers):
    """The Parse came long before, when no rule waited."""
    connection = connect(autocommit=True)
    connection.prepare_threshold = 0
    for _ in range(2):
        connection.execute(LABELLED, binary=True)
    proxy.script([Rule(sealed("insert_rows"), "fail"), Rule(sealed("insert_rows"), "drop", "after", skip=1)])
    with pytest.raises(psycopg.errors.SerializationFailure):
        connection.execute(LABELLED, binary=True)
    connection.execute(LABELLED, binary=True)  # the name still means the client's text
    lost(lambda: connection.execute(LABELLED, binary=True))
    assert numbers() == [7] * 4
    assert proxy.fired() == [1, 1]


def test_rules_skip_and_repeat_and_take_turns(connect, proxy):
    proxy.script([Rule("SELECT", "fail", skip=1, times=2), Rule("SELECT", "fail", sqlstate="40P01", times=1)])
    connection = connect(autocommit=True)
    states = []
    for _ in range(5):
        try:
            connection.execute("SELECT 1")
            states.append(None)
        except psycopg.Error as error:
            states.append(error.sqlstate)
    # The first rule lets one pass, which the second one takes; then the first takes two.
    assert states == ["40P01", "40001", "40001", None, None]
    assert proxy.fired() == [2, 1]
    proxy.script([])
    assert proxy.fired() == []


def test_what_is_asked_is_listed(connect, proxy):
    with connect() as connection:
        connection.execute("SELECT 1")
        connection.execute("SELECT %s::int", (2,))
    assert proxy.statements() == ["BEGIN", "SELECT 1", "SELECT $1::int", "COMMIT"]


# What the proxy refuses


def test_a_statement_with_parameters_is_not_replaced(warehouse):
    with pytest.raises(Misuse, match="with parameters"), Proxy("127.0.0.1", warehouse.port) as proxy:
        proxy.script([Rule("SELECT", "fail")])
        login = {"dbname": warehouse.database, "user": warehouse.user, "password": warehouse.password}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=proxy.port, **login).execute("SELECT %t::int", ("1",))


def test_a_rewriting_that_finds_nothing_is_told(warehouse):
    with pytest.raises(Misuse, match="changed nothing"), Proxy("127.0.0.1", warehouse.port) as proxy:
        proxy.script([Rule("SELECT", "rewrite", to=lambda text: text.replace("guard", ""))])
        login = {"dbname": warehouse.database, "user": warehouse.user, "password": warehouse.password}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=proxy.port, **login).execute("SELECT 1")


def test_a_callback_that_fails_is_told(warehouse):
    with pytest.raises(ZeroDivisionError), Proxy("127.0.0.1", warehouse.port) as proxy:
        proxy.script([Rule("SELECT", "call", call=lambda: 1 / 0)])
        login = {"dbname": warehouse.database, "user": warehouse.user, "password": warehouse.password}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=proxy.port, **login).execute("SELECT 1")


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "explode"},
        {"do": "drop", "when": "during"},
        {"do": "call"},
        {"do": "drop", "call": print},
        {"do": "rewrite"},
        {"do": "fail", "when": "after"},
        {"do": "fail", "sqlstate": "4000"},
        {"do": "fail", "sqlstate": "00000"},
        {"do": "fail", "sqlstate": "57P01"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule):
    with pytest.raises(Misuse):
        Rule("SELECT", **rule)
