"""The job in pandas.

NDJSON is read in chunks, which is faster than as a whole and bounds the memory; an array pandas can only read as a whole. `precise_float`, or 3.78 is
read as 3.7800000000000002.
"""

from collections.abc import Iterator
from decimal import Decimal

import job
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_AT_ONCE = 50_000

options = job.arguments()
pa.set_cpu_count(options.threads)
pa.set_io_thread_count(options.threads)


def clean(values: pd.Series) -> pd.Series:
    text = values.astype("str").str.strip()
    return text.mask(text == "")


def matches(text: pd.Series, pattern: str) -> pd.Series:
    return text.str.fullmatch(pattern).fillna(False).astype(bool)


def exact(values: pa.Array, kind: pa.DataType, index: pd.Index) -> pd.Series:
    return pd.Series(values.cast(kind), dtype=pd.ArrowDtype(kind), index=index)


def read_customers() -> pd.DataFrame:
    read = pd.read_csv(options.customers, dtype="str", keep_default_na=False).apply(clean)
    read["email"] = read["email"].str.lower()
    read["country"] = read["country"].str.upper()
    days = pd.to_datetime(read["signup_date"], format="%Y-%m-%d", errors="coerce")
    broken = {"customer_id.required": read["customer_id"].isna(), "signup_date.type": read["signup_date"].notna() & days.isna()}
    rule = np.select(list(broken.values()), list(broken), "")
    rejected = read[rule != ""].assign(rule=rule[rule != ""])
    rejected.to_parquet(options.out / "quarantine_customers.parquet", compression="zstd", compression_level=job.ZSTD_LEVEL, index=False)
    read["signup_date"] = exact(pa.Array.from_pandas(days), pa.date32(), read.index)
    # By index, whose hash table is made once for all chunks.
    return read[rule == ""].drop_duplicates("customer_id", keep="last").set_index("customer_id").assign(customer_matched=True)


def read_transactions() -> Iterator[pd.DataFrame]:
    if options.form == "array":
        yield pd.read_json(options.transactions, dtype=False, precise_float=True)
    else:
        yield from pd.read_json(options.transactions, lines=True, chunksize=ROWS_AT_ONCE, dtype=False, precise_float=True)


def check(text: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows with their types, and the first rule each breaks or nothing."""
    is_amount, is_integer = matches(text["amount"], job.AMOUNT), matches(text["quantity"], job.INTEGER)
    times = pd.to_datetime(text["transaction_ts"], format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    typed = text.assign(
        amount=exact(pa.Array.from_pandas(text["amount"].where(is_amount)).cast(pa.string()), pa.decimal128(18, 2), text.index),
        quantity=pd.to_numeric(text["quantity"].where(is_integer)).astype("Int32"),
        transaction_ts=times,
    )
    broken = {
        "transaction_id.required": text["transaction_id"].isna(),
        "customer_id.required": text["customer_id"].isna(),
        "amount.required": text["amount"].isna(),
        "amount.type": ~is_amount,
        "amount.minimum": text["amount"].str.startswith("-").fillna(False).astype(bool),
        "currency.required": text["currency"].isna(),
        "quantity.type": text["quantity"].notna() & ~is_integer,
        "transaction_ts.required": text["transaction_ts"].isna(),
        "transaction_ts.type": times.isna(),
    }
    return typed, np.select(list(broken.values()), list(broken), "")


class Output:
    """One Parquet file, chunk by chunk."""

    def __init__(self, name: str) -> None:
        self.path = options.out / name
        self.writer = None

    def write(self, rows: pd.DataFrame) -> None:
        schema = self.writer.schema if self.writer else None
        table = pa.Table.from_pandas(rows, schema, preserve_index=False)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="zstd", compression_level=job.ZSTD_LEVEL)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer:
            self.writer.close()


customers = read_customers()
clean_file, quarantine_file = Output("clean.parquet"), Output("quarantine.parquet")
totals = {"read": 0, "clean": 0, "quarantined": 0, "amount": Decimal("0.00"), "quantity": 0, "matched": 0}
for raw in read_transactions():
    text = pd.DataFrame({column: clean(raw[column]) for column in job.TRANSACTION_COLUMNS})
    del raw
    text["currency"] = text["currency"].str.upper()
    typed, rule = check(text)
    is_bad = rule != ""
    quarantine_file.write(text[is_bad].assign(rule=rule[is_bad]))
    good = typed[~is_bad].join(customers, on="customer_id")
    good["customer_matched"] = good["customer_matched"].notna()
    clean_file.write(good)
    totals["read"] += len(text)
    totals["clean"] += len(good)
    totals["quarantined"] += int(is_bad.sum())
    totals["amount"] += good["amount"].sum()
    totals["quantity"] += int(good["quantity"].sum())
    totals["matched"] += int(good["customer_matched"].sum())
clean_file.close()
quarantine_file.close()
job.report(**totals)
