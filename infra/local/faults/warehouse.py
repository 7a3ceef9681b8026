"""The actual table and books, in the model's terms."""

from collections import defaultdict
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from faults.model import Rejection, Values

TARGET, KEY = ("analytics", "customer_transactions"), "transaction_id"


@dataclass(frozen=True)
class Contents:
    """What one snapshot of the warehouse holds; of a table that no run has made yet, nothing."""

    table: dict[str, list[Values]]  # all rows of a key, without the loader's own columns
    ledger: dict[str, list[Values]]  # by run
    quarantine: dict[str, list[Rejection]]  # by run


def read(database: psycopg.Connection) -> Contents:
    """Needs a connection in autocommit or between transactions."""
    with database.transaction():
        # One snapshot, so that a load that commits meanwhile is in all three or in none.
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        database.execute("SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO ISO")
        table, ledger, quarantine = defaultdict(list), defaultdict(list), defaultdict(list)
        for row in _rows(database, *TARGET):
            table[row.pop(KEY)].append({column: value for column, value in row.items() if not column.startswith("_")})
        for row in _rows(database, "crosstally", "ledger"):
            ledger[row.pop("run_id")].append(row)
        for row in _rows(database, "crosstally", "quarantine"):
            rejection = Rejection(row["source"], int(row["source_offset"]), row["rule"], row["column_name"])
            quarantine[row["run_id"]].append(rejection)
    return Contents(dict(table), dict(ledger), dict(quarantine))


def _rows(database: psycopg.Connection, schema: str, name: str) -> list[dict[str, str | None]]:
    """All columns as text."""
    listed = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    columns = [sql.Identifier(column) for (column,) in database.execute(listed, (schema, name))]
    if not columns:
        return []
    texts = sql.SQL(", ").join(sql.SQL("CAST({0} AS TEXT) AS {0}").format(column) for column in columns)
    query = sql.SQL("SELECT {} FROM {}").format(texts, sql.Identifier(schema, name))
    return database.cursor(row_factory=dict_row).execute(query).fetchall()
