"""The proxy under the driver that Spark uses: its own BEGIN and COMMIT, several statements in one write, prepared statements without a Parse."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from faults.proxy import Proxy
from faults.rules import Rule, bare, insert_into, sealed
from laptop.setup import machine
from py4j.java_gateway import GatewayParameters, JavaGateway
from py4j.protocol import Py4JJavaError

LABELLED = "/* crosstally insert_rows of run-1 */ INSERT INTO numbers VALUES (7)"
ROWS = 600  # of a batch: several times what the driver sends before it looks for answers
CONNECTION_LOST, SERIALIZATION_FAILURE = ("08006",), ("40001",)


@pytest.fixture(scope="module")
def jvm() -> Iterator[object]:
    """A bare JVM behind Spark's own gateway library; Spark itself would only be slower to start."""
    tools = machine.recall()
    jars = [tools["jdbc"], *map(str, (Path(pyspark.__file__).parent / "jars").glob("py4j-*.jar"))]
    command = [f"{tools['java']}/bin/java", "-cp", ":".join(jars), "py4j.GatewayServer", "--die-on-broken-pipe", "0"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        gateway = JavaGateway(gateway_parameters=GatewayParameters(port=int(process.stdout.readline()), auto_convert=True))
        yield gateway.jvm
        gateway.shutdown()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def java(jvm, warehouse, proxy: Proxy) -> Iterator[object]:
    """Opens JDBC connections through the proxy."""
    opened = []

    def connect(**options: str):
        properties = jvm.java.util.Properties()
        for name, value in ({"user": warehouse.user, "password": warehouse.password} | options).items():
            properties.setProperty(name, value)
        url = f"jdbc:postgresql://127.0.0.1:{proxy.port}/{warehouse.database}"
        opened.append(jvm.java.sql.DriverManager.getConnection(url, properties))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def run(connection, *statements: str) -> None:
    for sql in statements:
        handle = connection.createStatement()
        handle.execute(sql)
        handle.close()


def state_of(work) -> str:
    with pytest.raises(Py4JJavaError) as caught:
        work()
    return caught.value.java_exception.getSQLState()


def insert_batch(connection, numbers: range) -> None:
    """As Spark writes: a batch of one prepared INSERT."""
    statement = connection.prepareStatement('INSERT INTO numbers ("n","word") VALUES (?,?)')
    for n in numbers:
        statement.setInt(1, n)
        statement.setString(2, f"word {n}")
        statement.addBatch()
    statement.executeBatch()
    statement.close()


@pytest.mark.parametrize("rewrite", ["true", "false"])
def test_batches_pass(java, numbers, proxy, rewrite):
    connection = java(reWriteBatchedInserts=rewrite)
    connection.setAutoCommit(False)
    insert_batch(connection, range(ROWS))
    connection.commit()
    assert numbers() == list(range(ROWS))
    inserts = [text for text in proxy.statements() if text.startswith("INSERT")]
    assert len(inserts) < 100 if rewrite == "true" else len(inserts) == ROWS


def test_a_cursor_is_one_statement_however_often_it_fetches(java, numbers, proxy):
    connection = java()
    connection.setAutoCommit(False)
    run(connection, "INSERT INTO numbers SELECT n FROM generate_series(1, 1000) n")
    statement = connection.prepareStatement("SELECT n FROM numbers ORDER BY n")
    statement.setFetchSize(100)
    rows, total = statement.executeQuery(), 0
    while rows.next():
        total += rows.getInt(1)
    assert total == 500_500
    assert proxy.statements().count("SELECT n FROM numbers ORDER BY n") == 1


@pytest.mark.parametrize("do", ["drop", "call"])
@pytest.mark.parametrize(("when", "rows"), [("before", []), ("after", [1])])
def test_a_commit_is_lost(java, proxy, numbers, do, when, rows):
    seen = []
    proxy.script([Rule(bare("COMMIT"), do, when, call=(lambda: seen.append(numbers())) if do == "call" else None)])
    connection = java()
    connection.setAutoCommit(False)
    run(connection, "INSERT INTO numbers VALUES (1)")
    assert state_of(connection.commit) in CONNECTION_LOST
    assert proxy.fired() == [1]
    assert numbers() == rows
    assert seen == ([rows] if do == "call" else [])


def test_a_commit_that_is_prepared_already_is_lost(java, proxy, numbers):
    """The driver prepares its BEGIN and COMMIT; later transactions of a connection send no text of them."""
    proxy.script([Rule(bare("COMMIT"), "drop", "after", skip=9)])
    connection = java()
    connection.setAutoCommit(False)
    for n in range(9):
        run(connection, f"INSERT INTO numbers VALUES ({n})")
        connection.commit()
    run(connection, "INSERT INTO numbers VALUES (9)")
    assert state_of(connection.commit) in CONNECTION_LOST
    assert numbers() == list(range(10))
    assert proxy.statements().count("COMMIT") == proxy.statements().count("BEGIN") == 10


def test_a_begin_is_lost_with_the_statement_behind_it(java, proxy, numbers):
    for when in ("before", "after"):
        proxy.script([Rule(bare("BEGIN"), "drop", when)])
        connection = java()
        connection.setAutoCommit(False)
        assert state_of(lambda connection=connection: run(connection, LABELLED)) in CONNECTION_LOST
        assert proxy.fired() == [1]
        assert numbers() == []


@pytest.mark.parametrize(("when", "rows"), [("before", []), ("after", [7])])
def test_a_sealed_statement_is_lost(java, proxy, numbers, when, rows):
    proxy.script([Rule(sealed("insert_rows"), "drop", when)])
    connection = java()
    assert state_of(lambda: run(connection, LABELLED)) in CONNECTION_LOST
    assert numbers() == rows


@pytest.mark.parametrize("victim", ["BEGIN", "SET timezone TO 'UTC'", "LOCK TABLE numbers", "insert_rows", "SELECT COUNT(*) FROM numbers", "COMMIT"])
def test_a_transaction_that_the_server_aborts_passes_when_it_runs_again(java, proxy, numbers, victim):
    proxy.script([Rule(sealed(victim) if victim == "insert_rows" else bare(victim), "fail", times=2)])
    connection = java()
    connection.setAutoCommit(False)

    def transaction() -> None:
        run(connection, "SET timezone TO 'UTC'", "LOCK TABLE numbers", LABELLED, "SELECT COUNT(*) FROM numbers")
        connection.commit()

    for _ in range(2):
        assert state_of(transaction) in SERIALIZATION_FAILURE
        connection.rollback()
        assert numbers() == []
    transaction()
    assert numbers() == [7]
    assert proxy.fired() == [2]


def test_a_statement_is_rewritten(java, proxy, numbers):
    proxy.script([Rule(sealed("insert_rows"), "rewrite", to=lambda text: text.replace("7", "8"), times=None)])
    connection = java()
    statement = connection.prepareStatement(LABELLED)
    for _ in range(8):  # from the fifth on it is prepared in the server, under a name
        statement.execute()
    assert numbers() == [8] * 8
    assert proxy.fired() == [8]


@pytest.mark.parametrize(("when", "most"), [("before", 0), ("after", ROWS)])
def test_a_batch_is_lost(java, proxy, numbers, when, most):
    """Spark commits each task's rows once, so its lost batches leave nothing; without a transaction they would leave a part."""
    proxy.script([Rule(insert_into("numbers"), "drop", when)])
    connection = java(reWriteBatchedInserts="true")
    assert state_of(lambda: insert_batch(connection, range(ROWS))) in CONNECTION_LOST
    assert proxy.fired() == [1]
    assert len(numbers()) <= most
    connection = java(reWriteBatchedInserts="true")
    connection.setAutoCommit(False)
    proxy.script([Rule(insert_into("numbers"), "drop", when)])
    before = numbers()
    assert state_of(lambda: insert_batch(connection, range(ROWS))) in CONNECTION_LOST
    assert numbers() == before
