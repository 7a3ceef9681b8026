"""Whether two tools made the same of the same input: the line each ended with, and the rows in its files."""

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

CLEAN_COLUMNS = """
    transaction_id, customer_id, amount::DECIMAL(18, 2) AS amount, currency, product, quantity::INTEGER AS quantity, payment_method, status,
    epoch_us(transaction_ts) AS transaction_ts, customer_matched, first_name, last_name, email, phone, country, city, signup_date::DATE AS signup_date
"""


def of_reports(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The keys that differ, with both values; numbers are compared as numbers, exactly."""
    differences = []
    for key in ("read", "clean", "quarantined", "matched", "amount", "quantity"):
        values = [report.get("sums", {}).get(key) if key in ("amount", "quantity") else report.get(key) for report in (one, other)]
        if _number(values[0]) is None or _number(values[0]) != _number(values[1]):
            differences.append(f"{key}: {values[0]} and {values[1]}")
    return differences


def of_files(one: Path, other: Path) -> list[str]:
    """What one folder has and the other has not: clean rows, and (source, rule, id) of the quarantine, as bags."""
    import duckdb  # here, because the runner itself has no packages and stays small

    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    # Where a spill would go must be writable; the folders of the two are.
    database.execute(f"SET temp_directory = '{one}/spill'")
    differences = []
    for what, query in (("clean rows", _clean), ("quarantined rows", _quarantined)):
        for here, there in ((one, other), (other, one)):
            only = f"SELECT * FROM ({query(database, here)}) EXCEPT ALL SELECT * FROM ({query(database, there)})"
            count, example = database.execute(f"SELECT count(*), any_value(to_json(only_here)) FROM ({only}) AS only_here").fetchone()
            if count:
                differences.append(f"{count} {what} of {here.name} are not in {there.name}, such as {example}")
    return differences


def _clean(_database: Any, folder: Path) -> str:
    return f"SELECT {CLEAN_COLUMNS} FROM read_parquet('{folder}/clean.parquet')"


def _quarantined(database: Any, folder: Path) -> str:
    """The engine keeps each record's own text, of both sources in one file; the peers keep their columns, and a file a source."""
    file = f"read_parquet('{folder}/quarantine.parquet')"
    columns = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {file}").fetchall()}
    if "record" not in columns:
        return f"""
            SELECT 'transactions' AS source, rule, transaction_id AS id FROM {file}
            UNION ALL SELECT 'customers', rule, customer_id FROM read_parquet('{folder}/quarantine_customers.parquet')
        """
    # No id in the data has a quote or a comma.
    transaction_id = "CASE WHEN source = 'transactions' THEN json_extract_string(record, '$.transaction_id') ELSE split_part(record, ',', 1) END"
    return f"SELECT source, concat_ws('.', column_name, rule) AS rule, nullif(trim({transaction_id}), '') AS id FROM {file}"


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


if __name__ == "__main__":
    found = of_files(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found))
    sys.exit(bool(found))
