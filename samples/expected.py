"""What a correct run over a customers.csv and a transactions.json must report, by the shipped contract.

    python3 samples/expected.py customers.csv transactions.json

A second, plain implementation of the cleaning rules, which shares nothing with the pipeline: tests compare the two. It is written for being read,
keeps every row in memory, and knows the columns of the shipped contract only.
"""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Rejected(Exception):
    """column.rule"""


def of_files(customers_path: Path, transactions_path: Path) -> dict[str, Any]:
    customers, customer_faults, customers_read = {}, Counter(), 0
    for record in read_customers(customers_path):
        customers_read += 1
        try:
            row = clean_customer(record)
            customers[row["customer_id"]] = row  # the last one wins
        except Rejected as fault:
            customer_faults[str(fault)] += 1

    loaded: dict[str, Row] = {}
    superseded: list[Row] = []
    faults, read = Counter(), 0
    for record in read_transactions(transactions_path):
        read += 1
        try:
            row = clean_transaction(record)
        except Rejected as fault:
            faults[str(fault)] += 1
            continue
        if row["transaction_id"] in loaded:
            superseded.append(loaded[row["transaction_id"]])
        loaded[row["transaction_id"]] = row

    matched = sum(row["customer_id"] in customers for row in loaded.values())
    return {
        "rows": {"read": read, "loaded": len(loaded), "superseded": len(superseded), "quarantined": faults.total()},
        "quarantined_by_rule": dict(sorted(faults.items())),
        "customers": {
            "read": customers_read,
            "kept": len(customers),
            "superseded": customers_read - len(customers) - customer_faults.total(),
            "quarantined": customer_faults.total(),
        },
        "customers_quarantined_by_rule": dict(sorted(customer_faults.items())),
        "sums": {column: sums(column, list(loaded.values()), superseded) for column in ("amount", "quantity")},
        "matched": matched,
        "unmatched": len(loaded) - matched,
    }


def sums(column: str, loaded: list[Row], superseded: list[Row]) -> dict[str, str]:
    def total(rows: list[Row]) -> Decimal | int:
        return sum(row[column] for row in rows if row[column] is not None)

    zero = Decimal("0.00") if column == "amount" else 0
    return {
        "clean": str(zero + total(loaded) + total(superseded)),
        "loaded": str(zero + total(loaded)),
        "superseded": str(zero + total(superseded)),
    }


def read_customers(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


def read_transactions(path: Path) -> Iterator[Row]:
    """The objects of a JSON array or of NDJSON, their numbers exact."""
    text = path.read_text(encoding="utf-8")
    decoder = json.JSONDecoder(parse_float=Decimal)
    between = re.compile(r"[\s,\[\]]*")
    position = between.match(text).end()
    while position < len(text):
        record, position = decoder.raw_decode(text, position)
        yield record
        position = between.match(text, position).end()


def clean_customer(record: dict[str, str]) -> Row:
    return {
        "customer_id": required(record, "customer_id", text),
        "signup_date": optional(record, "signup_date", day),
    }


def clean_transaction(record: Row) -> Row:
    """In the order of the contract: the first column at fault names the rule."""
    row = {
        "transaction_id": required(record, "transaction_id", text),
        "customer_id": required(record, "customer_id", text),
        "amount": required(record, "amount", money),
    }
    if row["amount"] < 0:
        raise Rejected("amount.minimum")
    row["currency"] = required(record, "currency", text).upper()
    row["product"] = optional(record, "product", text)
    row["quantity"] = optional(record, "quantity", integer)
    row["payment_method"] = optional(record, "payment_method", text)
    row["status"] = optional(record, "status", text)
    row["transaction_ts"] = required(record, "transaction_ts", moment)
    return row


def required(record: Row, column: str, read) -> Any:
    value = optional(record, column, read)
    if value is None:
        raise Rejected(f"{column}.required")
    return value


def optional(record: Row, column: str, read) -> Any:
    value = record.get(column)
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return None
    try:
        return read(value)
    except ValueError:
        raise Rejected(f"{column}.type") from None


def text(value: Any) -> str:
    return str(value)


def money(value: Any) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,16}(\.[0-9]{1,2}0*)?", str(value)):
        raise ValueError(value)
    return Decimal(str(value)).quantize(Decimal("0.01"))


def integer(value: Any) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", str(value)):
        raise ValueError(value)
    return int(str(value))


def day(value: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(value)
    return date.fromisoformat(value)


def moment(value: Any) -> datetime:
    seconds = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    if re.fullmatch(f"{seconds}(Z|[+-][0-9]{{2}}:[0-9]{{2}})", str(value)):
        return datetime.fromisoformat(value).astimezone(UTC)
    if re.fullmatch(seconds, str(value)):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    raise ValueError(value)


if __name__ == "__main__":
    print(json.dumps(of_files(Path(sys.argv[1]), Path(sys.argv[2])), indent=2))
