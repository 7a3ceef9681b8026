"""What one test of the job works with."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg
from laptop.postgres import Warehouse
from pyspark.sql import DataFrame, SparkSession

BUCKET = "crosstally-glue-tests"


@dataclass
class House:
    """One test's own run and Glue connection, and the warehouse, empty."""

    spark: SparkSession
    mirror: Path
    name: str
    database: psycopg.Connection
    warehouse: Warehouse

    def put_file(self, path: str, content: bytes) -> str:
        """Puts a file of this run where Spark reads it; returns its s3:// URI."""
        key = f"runs/{self.name}/{path}"
        (self.mirror / key).parent.mkdir(parents=True, exist_ok=True)
        (self.mirror / key).write_bytes(content)
        return f"s3://{BUCKET}/{key}"

    def seal(self, staging: list[dict], **statements: list[tuple[str, ...]]) -> list[str]:
        """Writes the manifest and returns the job's arguments."""
        plan = {part: [_statement(*words) for words in statements.get(part, [])] for part in ("prepare", "transaction", "cleanup")}
        load = {"staging": staging, "dialects": {"postgres": plan}}
        body = json.dumps({"format": "crosstally.manifest/2", "run_id": self.name, "load": load}).encode()
        key = f"runs/{self.name}/manifest.json"
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        arguments = {
            "JOB_NAME": "some-glue-argument",
            "run_id": self.name,
            "manifest": f"s3://{BUCKET}/{key}",
            "manifest_sha256": hashlib.sha256(body).hexdigest(),
            "connection_name": self.name,
        }
        return [part for name, value in arguments.items() for part in (f"--{name}", value)]

    def connect_glue(self, **changes: str) -> None:
        properties = {"JDBC_CONNECTION_URL": self.warehouse.jdbc_url, "SECRET_ID": self.name, "JDBC_ENFORCE_SSL": "false"} | changes
        given = {key: value for key, value in properties.items() if value}
        boto3.client("glue").create_connection(ConnectionInput={"Name": self.name, "ConnectionType": "JDBC", "ConnectionProperties": given})

    def rows(self, sql: str) -> list[tuple]:
        return self.database.execute(sql).fetchall()

    def tables(self, schema: str) -> set[str]:
        return {name for (name,) in self.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")}


def as_parquet(frame: DataFrame) -> bytes:
    """The frame as one file, as a writer that is not Spark would leave it."""
    with tempfile.TemporaryDirectory() as folder:
        frame.coalesce(1).write.parquet(f"{folder}/written")
        body = next(Path(folder).glob("written/part-*.parquet")).read_bytes()
    # Without these footer keys Spark takes types and calendar from Parquet alone.
    return body.replace(b"org.apache.spark.", b"org.apache.other.")


def _statement(name: str, sql: str, unless: str | None = None) -> dict[str, str]:
    return {"name": name, "sql": sql} | ({"unless": unless} if unless else {})
