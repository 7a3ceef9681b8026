"""Real clients and a real Postgres; only the wire between them is ours."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[4] / "samples")]

from faults.proxy import Proxy  # noqa: E402  (found by the line above)
from laptop import postgres  # noqa: E402


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Warehouse]:
    component, warehouse = postgres.start(tmp_path_factory.mktemp("postgres-logs"), tmp_path_factory.mktemp("postgres") / "warehouse")
    try:
        yield warehouse
    finally:
        component.stop()
        shutil.rmtree(warehouse.folder)


@pytest.fixture
def database(warehouse: postgres.Warehouse) -> Iterator[psycopg.Connection]:
    """Straight to the server, with one empty table."""
    with warehouse.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS numbers; CREATE TABLE numbers (n INTEGER, word TEXT)")
        yield connection


@pytest.fixture
def proxy(warehouse: postgres.Warehouse) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", warehouse.port) as proxy:
        yield proxy


@pytest.fixture
def connect(warehouse: postgres.Warehouse, proxy: Proxy) -> Iterator[Callable[..., psycopg.Connection]]:
    """Opens connections through the proxy."""
    opened = []

    def connect(**options) -> psycopg.Connection:
        login = {"dbname": warehouse.database, "user": warehouse.user, "password": warehouse.password}
        opened.append(psycopg.connect(host="127.0.0.1", port=proxy.port, **login, **options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def numbers(database: psycopg.Connection) -> Callable[[], list[int]]:
    """What is committed."""
    return lambda: [n for (n,) in database.execute("SELECT n FROM numbers ORDER BY n")]
