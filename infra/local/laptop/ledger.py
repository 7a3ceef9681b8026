"""The books of a run, read back from the warehouse, and whether the warehouse keeps them."""

import json
from dataclasses import dataclass
from decimal import Decimal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

# Every target table has these; its own name is the contract's business.
_LINEAGE = ["_run_id", "_source_uri", "_source_offset", "_loaded_at"]


@dataclass(frozen=True)
class Ledger:
    row: dict

    @property
    def rows(self) -> dict[str, int]:
        return {kind: int(self.row[f"rows_{kind}"]) for kind in ("read", "loaded", "superseded", "quarantined")}

    @property
    def customers(self) -> dict[str, int]:
        return {kind: int(self.row[f"customers_{kind}"]) for kind in ("read", "kept", "superseded", "quarantined")}

    @property
    def matched(self) -> int:
        return int(self.row["rows_matched"])

    @property
    def unmatched(self) -> int:
        return int(self.row["rows_unmatched"])

    @property
    def quarantined_by_rule(self) -> dict[str, int]:
        return json.loads(self.row["quarantined_by_rule"])

    @property
    def sums(self) -> dict[str, dict[str, str]]:
        """Of the transactions' exact columns, as decimal text: clean = loaded + superseded."""
        return {column: {part: sums[part] for part in ("clean", "loaded", "superseded")} for column, sums in json.loads(self.row["sums"]).items()}


def read(connection: psycopg.Connection, run_id: str) -> Ledger | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        if cursor.execute("SELECT to_regclass('crosstally.ledger') AS ledger").fetchone()["ledger"] is None:
            return None
        row = cursor.execute("SELECT * FROM crosstally.ledger WHERE run_id = %s", [run_id]).fetchone()
    return Ledger(row) if row else None


def faults(connection: psycopg.Connection, run_id: str, ledger: Ledger) -> list[str]:
    """Where the law does not hold, in the ledger itself or between it and the tables; empty when it balances. For the last run: a later one replaces rows."""
    found = []

    def expect(what: str, left, right) -> None:
        if left != right:
            found.append(f"{what}: {left} is not {right}")

    rows, row = ledger.rows, ledger.row
    expect("rows read = loaded + superseded + quarantined", rows["read"], rows["loaded"] + rows["superseded"] + rows["quarantined"])
    expect("rows loaded = inserted + updated + unchanged", rows["loaded"], row["rows_inserted"] + row["rows_updated"] + row["rows_unchanged"])
    expect("rows loaded = matched + unmatched", rows["loaded"], ledger.matched + ledger.unmatched)
    expect("rows quarantined = the sum over the rules", rows["quarantined"], sum(ledger.quarantined_by_rule.values()))
    customers = ledger.customers
    expect("customers read = kept + superseded + quarantined", customers["read"], sum(customers.values()) - customers["read"])
    for column, sums in ledger.sums.items():
        expect(f"sum of {column}: clean = loaded + superseded", Decimal(sums["clean"]), Decimal(sums["loaded"]) + Decimal(sums["superseded"]))

    # The run's name stands at the rows it wrote: the new, the changed, and those that a newer source version says again.
    # An unchanged row may be written anew, for its lineage.
    table = _table_of(connection, run_id)
    name = ".".join(table) if table else "the target"
    books = json.loads(row["sums"])
    rows_in_table, sums_in_table = _written(connection, table, run_id, list(books)) if table else (0, dict.fromkeys(books, Decimal(0)))
    expect(f"rows of the run in {name} = written", rows_in_table, row["rows_written"])
    for column, total in sums_in_table.items():
        expect(f"sum of {column} of the run in {name} = written", total, Decimal(books[column]["written"]))
    set_aside = connection.execute("SELECT count(*) FROM crosstally.quarantine WHERE run_id = %s", [run_id]).fetchone()[0]
    expect("rows of the run in crosstally.quarantine = quarantined", set_aside, rows["quarantined"] + customers["quarantined"])
    return found


def _table_of(connection: psycopg.Connection, run_id: str) -> tuple[str, str] | None:
    """The target, if it holds rows that the run wrote. Another contract may have filled another table with the lineage columns."""
    query = """
        SELECT table_schema, table_name FROM information_schema.columns
        WHERE table_schema <> 'crosstally' AND column_name = ANY(%s)
        GROUP BY 1, 2 HAVING count(*) = %s ORDER BY 1, 2"""
    tables = connection.execute(query, [_LINEAGE, len(_LINEAGE)]).fetchall()
    holds = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE _run_id = %s)")
    return next((table for table in tables if connection.execute(holds.format(sql.Identifier(*table)), [run_id]).fetchone()[0]), None)


def _written(connection: psycopg.Connection, table: tuple[str, str], run_id: str, columns: list[str]) -> tuple[int, dict[str, Decimal]]:
    totals = sql.SQL(", ").join([sql.SQL("count(*)"), *(sql.SQL("coalesce(sum({}), 0)").format(sql.Identifier(column)) for column in columns)])
    query = sql.SQL("SELECT {} FROM {} WHERE _run_id = %s").format(totals, sql.Identifier(*table))
    count, *sums = connection.execute(query, [run_id]).fetchone()
    return count, dict(zip(columns, sums, strict=True))
