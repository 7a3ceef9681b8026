"""What is read from real tables, with the types of the product's DDL, is in the model's terms."""

from collections.abc import Iterator

import psycopg
import pytest
from faults import warehouse as actual
from faults.model import Damage, books, damage, table
from faults.sources import versions

V1, V2, V3 = VERSIONS = [source.version for source in versions()]
TABLES = """
DROP SCHEMA IF EXISTS analytics CASCADE; DROP SCHEMA IF EXISTS crosstally CASCADE; CREATE SCHEMA analytics; CREATE SCHEMA crosstally;
CREATE TABLE analytics.customer_transactions (
  transaction_id VARCHAR(64), customer_id VARCHAR(64), amount DECIMAL(18,2), currency VARCHAR(16), product VARCHAR(512), quantity INTEGER,
  payment_method VARCHAR(64), status VARCHAR(64), transaction_ts TIMESTAMPTZ, customer_matched BOOLEAN, first_name VARCHAR(256),
  last_name VARCHAR(256), email VARCHAR(320), phone VARCHAR(64), country VARCHAR(64), city VARCHAR(256), signup_date DATE,
  _run_id VARCHAR(128), _loaded_at TIMESTAMPTZ);
CREATE TABLE crosstally.ledger (run_id VARCHAR(128), rows_read BIGINT, rows_loaded BIGINT, rows_superseded BIGINT, rows_quarantined BIGINT);
CREATE TABLE crosstally.quarantine (run_id VARCHAR(128), source VARCHAR(128), source_offset BIGINT, rule VARCHAR(64), column_name VARCHAR(128), record TEXT);
"""


@pytest.fixture
def loaded(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """As two good runs leave the warehouse."""
    database.execute(TABLES)
    for key, values in table([V1, V2]).items():
        columns = ", ".join(["transaction_id", *values, "_run_id", "_loaded_at"])
        marks = ", ".join(["%s"] * (len(values) + 2))
        database.execute(f"INSERT INTO analytics.customer_transactions ({columns}) VALUES ({marks}, now())", [key, *values.values(), "run-2"])
    for run_id, version in (("run-1", V1), ("run-2", V2)):
        counts = version.rows_read, len(table([version])), len(version.records) - len(table([version])), len(version.rejections)
        database.execute("INSERT INTO crosstally.ledger VALUES (%s, %s, %s, %s, %s)", (run_id, *counts))
        for r in version.rejections + version.customers:
            database.execute("INSERT INTO crosstally.quarantine VALUES (%s, %s, %s, %s, %s, '{}')", (run_id, r.source, r.offset, r.rule, r.column))
    database.execute("SET timezone TO 'America/New_York'; SET datestyle TO German")  # what is read must not depend on the session
    yield database
    database.execute("DROP SCHEMA analytics CASCADE; DROP SCHEMA crosstally CASCADE")


def found(database: psycopg.Connection) -> Damage:
    contents = actual.read(database)
    return damage(table([V1, V2]), contents.table) + books({"run-1": V1, "run-2": V2}, contents.ledger, contents.quarantine)


def test_a_good_warehouse_has_no_damage(loaded):
    assert not found(loaded), found(loaded)
    assert sum(len(rows) for rows in actual.read(loaded).table.values()) == len(table([V1, V2]))


def test_an_empty_warehouse_has_lost_everything(database):
    database.execute("DROP SCHEMA IF EXISTS analytics CASCADE; DROP SCHEMA IF EXISTS crosstally CASCADE")
    assert actual.read(database) == actual.Contents({}, {}, {})
    assert len(found(database).lost) == len(table([V1, V2])) + 2 + 2 * 4


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        ("DELETE FROM analytics.customer_transactions WHERE transaction_id = 'T0005'", "lost"),
        ("INSERT INTO analytics.customer_transactions SELECT * FROM analytics.customer_transactions WHERE transaction_id = 'T0005'", "duplicated"),
        ("UPDATE analytics.customer_transactions SET amount = amount - 0.01 WHERE transaction_id = 'T0005'", "altered"),
        ("UPDATE analytics.customer_transactions SET transaction_ts = transaction_ts + interval '1us' WHERE transaction_id = 'T0005'", "altered"),
        ("UPDATE analytics.customer_transactions SET product = '' WHERE transaction_id = (SELECT MIN(transaction_id)"
         " FROM analytics.customer_transactions WHERE product IS NULL)", "altered"),
        ("UPDATE analytics.customer_transactions SET transaction_id = 'T9999' WHERE transaction_id = 'T0005'", "lost altered"),
        ("DELETE FROM crosstally.ledger WHERE run_id = 'run-1'", "lost"),
        ("INSERT INTO crosstally.ledger SELECT * FROM crosstally.ledger WHERE run_id = 'run-1'", "duplicated"),
        ("UPDATE crosstally.ledger SET rows_loaded = rows_loaded - 1 WHERE run_id = 'run-1'", "altered"),
        ("DELETE FROM crosstally.quarantine WHERE run_id = 'run-1' AND rule = 'type'", "lost"),
        ("INSERT INTO crosstally.quarantine SELECT * FROM crosstally.quarantine WHERE run_id = 'run-1' AND rule = 'type'", "duplicated"),
        ("INSERT INTO crosstally.quarantine VALUES ('run-3', 'transactions', 1, 'type', 'amount', '')", "altered"),
    ],
)  # fmt: skip
def test_each_harm_is_seen_as_what_it_is(loaded, harm, kind):
    assert loaded.execute(harm).rowcount == 1
    assert [name for name, things in vars(found(loaded)).items() if things] == kind.split()
