"""`make trace`: from a row of the target table back to the bytes that it was read from, on the laptop's stack or on one in AWS."""

import csv
import json
import re
import sys
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from laptop import deployed, raw_record
from laptop.data_api import DataApi
from laptop.deployed import Client
from laptop.failure import Failure
from laptop.screen import paint, say

_MENTIONED = 5  # rejections that are listed for a key without a row

# As the run's own statement has it. Names in statements are lower-case letters, digits and _.
_CREATE_TARGET = re.compile(r'CREATE TABLE IF NOT EXISTS "(\w+)"\."(\w+)" \(.*\n  PRIMARY KEY \(([^)]*)\)', re.DOTALL)


def main(client: Client, stack: str, key: str) -> int:
    """Puts the record, and nothing else, on the standard output; all that is said about it goes to the error output."""
    try:
        found = find(of_stack(client, stack), key)
    except (BotoCoreError, ClientError) as error:
        raise Failure("StackUnavailable", f"the stack {stack} cannot be read: {error}") from error
    found.show()
    return 0


@dataclass(frozen=True)
class Deployed:
    """Where a stack keeps its data."""

    bucket: str
    s3: Any
    warehouse: DataApi

    def json(self, run_id: str, name: str) -> dict:
        key = f"runs/{run_id}/{name}"
        try:
            return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            raise Failure(
                "RunExpired",
                f"s3://{self.bucket}/{key} is not there any more, so where the run {run_id} read its rows is not known: "
                "the bucket forgets runs after a time (forget-runs in template.yaml)",
            ) from None

    def record(self, key: str, offset: int, uri: str, version: str) -> bytes:
        try:
            return raw_record.read(self.s3, self.bucket, key, offset)
        except self.s3.exceptions.NoSuchKey:
            raise Failure(
                "RawExpired",
                f"s3://{self.bucket}/{key} is not there any more: the bucket forgets raw objects after a time (forget-raw in template.yaml). "
                f"The record began at byte {offset:,} of {uri}, version {version}; look for it there",
            ) from None


@dataclass(frozen=True)
class Target:
    """The table that a run loads, and what tells its rows apart."""

    schema: str
    table: str
    key: list[str]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"

    @classmethod
    def of(cls, manifest: dict) -> "Target":
        statements = manifest["load"]["dialects"]["redshift"]["transaction"]
        create = next(statement["sql"] for statement in statements if statement["name"] == "create_target")
        schema, table, key = _CREATE_TARGET.search(create).groups()
        return cls(schema, table, re.findall(r"\w+", key))

    def values_of(self, key: str) -> list[str]:
        """One value for each column of the key; several come as a line of CSV."""
        values = [key] if len(self.key) == 1 else next(csv.reader([key]))
        if len(values) != len(self.key):
            shape = ",".join(f"<{column}>" for column in self.key)
            raise Failure("KeyIncomplete", f"KEY={key}: the key of {self.name} has the columns {', '.join(self.key)}; give KEY={shape}")
        return values

    def row(self, warehouse: DataApi, values: list[str]) -> dict[str, str | None] | None:
        condition = " AND ".join(f'"{column}" = :key_{n}' for n, column in enumerate(self.key))
        rows = warehouse.rows(f'SELECT * FROM "{self.schema}"."{self.table}" WHERE {condition}', **_numbered(values))
        if len(rows) > 1:
            raise Failure("KeyAmbiguous", f"{self.name} has {len(rows)} rows of the key {','.join(values)}, where no key may come twice")
        return rows[0] if rows else None


@dataclass(frozen=True)
class Found:
    target: Target
    row: dict[str, str | None]
    run: dict[str, str | None]
    bucket: str
    raw_key: str
    record: bytes

    def show(self) -> None:
        row, run = self.row, self.run
        _head(f"{self.target.name}, " + ", ".join(f"{column} {row[column]}" for column in self.target.key))
        _line("run", row["_run_id"], f"replays {run['replay_of']}" if run["replay_of"] else "")
        _line("committed", run["committed_at"])
        _line("contract", run["contract_version"], f"sha256 {run['contract_sha256']}")
        _line("source", row["_source_uri"])
        _line("source version", run["source_version"], f"of {run['source_modified_at']}")
        _line("raw object", f"s3://{self.bucket}/{self.raw_key}")
        _line("offset", f"{int(row['_source_offset']):,}")
        _line("length", f"{len(self.record):,}")
        _head("the record, byte for byte")
        sys.stdout.buffer.write(self.record)
        sys.stdout.flush()
        say(file=sys.stderr)
        _head("the row now")
        for column, value in row.items():
            _line(column, "NULL" if value is None else value)


def of_stack(client: Client, name: str) -> Deployed:
    variables = deployed.variables(client, name, deployed.LOADS)
    return Deployed(variables["DATA_BUCKET"], client("s3"), deployed.warehouse(client, variables))


def find(stack: Deployed, key: str) -> Found:
    warehouse = stack.warehouse
    if not warehouse.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'crosstally' AND table_name = 'ledger'"):
        raise Failure("NothingLoaded", "the warehouse has no crosstally.ledger: start a run first")
    last = warehouse.rows("SELECT run_id FROM crosstally.ledger ORDER BY commit_order DESC LIMIT 1")
    if not last:
        raise Failure("NothingLoaded", "crosstally.ledger is empty: start a run first")
    # The last run's contract says which table it is.
    target = Target.of(stack.json(last[0]["run_id"], "manifest.json"))
    values = target.values_of(key)
    row = target.row(warehouse, values)
    if row is None:
        _mention_rejections(warehouse, values)
        raise Failure("RowMissing", f"{target.name} has no row with {', '.join(f'{c} {v}' for c, v in zip(target.key, values, strict=True))}")
    run_id, offset = row["_run_id"], int(row["_source_offset"])
    (run,) = warehouse.rows("SELECT * FROM crosstally.ledger WHERE run_id = :run_id", run_id=run_id)
    transactions = stack.json(run_id, "manifest.json")["transactions"]
    # What a replay reads is an excerpt; offsets are places in the whole.
    raw_key = (transactions.get("replay") or {}).get("source_key", transactions["raw_key"])
    record = stack.record(raw_key, offset, row["_source_uri"], run["source_version"])
    return Found(target, row, run, stack.bucket, raw_key, record)


def _mention_rejections(warehouse: DataApi, values: list[str]) -> None:
    """The key as it stands in the source may differ from what cleaning makes of it; what contains it is worth a look all the same."""
    condition = " AND ".join(f"STRPOS(record, :key_{n}) > 0" for n in range(len(values)))
    rejections = warehouse.rows(
        "SELECT run_id, source, source_offset, rule, column_name FROM crosstally.quarantine "
        f"WHERE {condition} ORDER BY quarantined_at DESC, source, source_offset, rule LIMIT {_MENTIONED}",
        **_numbered(values),
    )
    if not rejections:
        return
    _head(f"quarantined, with {' and '.join(values)} in the record")
    for rejection in rejections:
        rule = f"{rejection['column_name']}.{rejection['rule']}" if rejection["column_name"] else rejection["rule"]
        say(f"  {rejection['run_id']}   {rejection['source']}, offset {int(rejection['source_offset']):,}   {rule}", sys.stderr)


def _numbered(values: list[str]) -> dict[str, str]:
    return {f"key_{n}": value for n, value in enumerate(values)}


def _head(text: str) -> None:
    say(paint(text, "bold"), sys.stderr)


def _line(name: str, value: str, remark: str = "") -> None:
    say(f"  {name:<34} {value}{'   ' + paint(remark, 'grey') if remark else ''}", sys.stderr)
