"""COPY from Parquet through the Data API: exact values go in by position, and what Redshift would refuse leaves nothing but its reason."""

import io
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from laptop.gateway.redshift_serverless import DEFAULT_ROLE
from laptop.stack import Stack
from world import DataApi

ROLE = f"'{DEFAULT_ROLE}'"


@dataclass(frozen=True)
class Copier:
    s3: object
    data_api: DataApi
    bucket: str
    folder: str

    def put(self, rows: pa.Table | bytes, name: str = "rows.parquet", **options) -> dict:
        """Puts a file in place; returns its entry in a manifest."""
        if isinstance(rows, pa.Table):
            file = io.BytesIO()
            pq.write_table(rows, file, **options)
            rows = file.getvalue()
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.folder}/{name}", Body=rows)
        return {"url": self.url(name), "mandatory": True, "meta": {"content_length": len(rows)}}

    def manifest(self, content: object) -> str:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.folder}/manifest.json", Body=body)
        return self.url("manifest.json")

    def url(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.folder}/{name}"

    def statement(self, table: str, *entries: dict) -> str:
        return f"/* load */ COPY {table} FROM '{self.manifest({'entries': list(entries)})}' IAM_ROLE {ROLE} FORMAT AS PARQUET MANIFEST"

    def error(self, described: dict) -> dict[str, str]:
        """The row of sys_load_error_detail that a failed statement left."""
        names = ["user_id", "query_id", "transaction_id", "session_id", "database_name", "table_id", "start_time", "file_name", "line_number", "column_name"]
        names += ["column_type", "column_length", "position", "error_code", "error_message"]
        columns = ", ".join(f"TRIM(CAST({name} AS VARCHAR))" for name in names)
        rows = self.data_api.rows(f"SELECT {columns} FROM sys_load_error_detail WHERE session_id = :pid", parameters={"pid": str(described["RedshiftPid"])})
        assert len(rows) == 1, rows
        return {name: field["stringValue"] for name, field in zip(names, rows[0], strict=True)}


@pytest.fixture(scope="module")
def bucket(stack: Stack) -> str:
    stack.client("s3").create_bucket(Bucket="copy-tests")
    return "copy-tests"


@pytest.fixture
def copier(stack: Stack, data_api: DataApi, bucket: str) -> Copier:
    return Copier(stack.client("s3"), data_api, bucket, uuid.uuid4().hex)


@pytest.fixture
def table(data_api: DataApi):
    """Makes a table; returns its name."""
    made = []

    def make(columns: str) -> str:
        name = f"copy_{uuid.uuid4().hex[:8]}"
        assert data_api.run(f"CREATE TABLE {name} ({columns})")["Status"] == "FINISHED"
        made.append(name)
        return name

    yield make
    for name in made:
        data_api.run(f"DROP TABLE {name}")


def one(values: list, kind: pa.DataType) -> pa.Table:
    return pa.table({"value": pa.array(values, kind)})


@pytest.mark.parametrize(
    ("column", "kind", "values", "stored"),
    [
        ("SMALLINT", pa.int16(), [-32768, None], ["-32768", None]),
        ("INTEGER", pa.int32(), [2**31 - 1, None], ["2147483647", None]),
        ("BIGINT", pa.int64(), [-(2**63)], ["-9223372036854775808"]),
        ("DOUBLE PRECISION", pa.float64(), [0.1, 1 / 3, 5e-324, None], ["0.1", "0.3333333333333333", "5e-324", None]),
        ("BOOLEAN", pa.bool_(), [True, False, None], ["true", "false", None]),
        ("DATE", pa.date32(), [date(2026, 2, 28), date(1, 1, 1), None], ["2026-02-28", "0001-01-01", None]),
        ("TIMESTAMP", pa.timestamp("us", "UTC"), [datetime(2026, 1, 1, 23, 59, 59, 1, UTC)], ["2026-01-01 23:59:59.000001"]),
        ("TIMESTAMP", pa.timestamp("us"), [datetime(1969, 12, 31, 1), None], ["1969-12-31 01:00:00", None]),
        ("DECIMAL(5,2)", pa.decimal128(5, 2), [Decimal("-999.99"), Decimal("0.10"), None], ["-999.99", "0.10", None]),
        ("DECIMAL(18,2)", pa.decimal128(18, 2), [Decimal("1234567890123456.78")], ["1234567890123456.78"]),
        ("DECIMAL(38,10)", pa.decimal128(38, 10), [Decimal("-1234567890123456789012345678.0123456789")], ["-1234567890123456789012345678.0123456789"]),
        ("VARCHAR(8)", pa.string(), ["", "\\N", "a\tb\nc\r", "\\.", "ééee", "\n\\.\n", None], ["", "\\N", "a\tb\nc\r", "\\.", "ééee", "\n\\.\n", None]),
        ("CHAR(3)", pa.string(), ["abc", "a", None], ["abc", "a", None]),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_values_go_in_exactly(copier: Copier, table, column: str, kind: pa.DataType, values: list, stored: list) -> None:
    name = table(f"place INTEGER NOT NULL, value {column}")
    rows = pa.table({"other": pa.array(range(len(values)), pa.int32()), "names": pa.array(values, kind)})  # by position, whatever they are called
    done = copier.data_api.run(copier.statement(name, copier.put(rows)))
    assert (done["Status"], done["ResultRows"], done["HasResultSet"]) == ("FINISHED", len(values), False), done
    rows = copier.data_api.rows(f"SELECT CAST(value AS VARCHAR) FROM {name} ORDER BY place")
    assert [field.get("stringValue") for (field,) in rows] == stored


@pytest.mark.parametrize(
    ("column", "kind", "values", "code", "line", "column_type", "column_length", "words"),
    [
        ("VARCHAR(3)", pa.string(), ["abc", "éé"], 15001, 2, "varchar", "3", "longer than the length defined in the table. Table: 3, Data: 4"),
        ("CHAR(2)", pa.string(), ["ab", "abc"], 15001, 2, "char", "2", "Table: 2, Data: 3"),
        ("CHAR(4)", pa.string(), ["é"], 1220, 1, "char", "4", "Multibyte character not supported for CHAR"),
        ("INTEGER NOT NULL", pa.int32(), [1, 2, None], 1213, 3, "int4", "", "Missing data for not-null field"),
        ("VARCHAR(8) NOT NULL", pa.string(), ["", None], 1213, 2, "varchar", "8", "Missing data for not-null field"),
        ("INTEGER", pa.int64(), [1], 15007, 0, "int4", "", "incompatible Parquet schema"),
        ("BIGINT", pa.int32(), [1], 15007, 0, "int8", "", "incompatible Parquet schema"),
        ("SMALLINT", pa.int32(), [1], 15007, 0, "int2", "", "incompatible Parquet schema"),
        ("DOUBLE PRECISION", pa.float32(), [1], 15007, 0, "float8", "", "incompatible Parquet schema"),
        ("DECIMAL(18,2)", pa.decimal128(18, 3), [1], 15007, 0, "numeric", "18,2", "Column type: NUMERIC(18,2)"),
        ("DECIMAL(18,2)", pa.decimal128(17, 2), [1], 15007, 0, "numeric", "18,2", "incompatible Parquet schema"),
        ("DECIMAL(18,2)", pa.float64(), [1], 15007, 0, "numeric", "18,2", "incompatible Parquet schema"),
        ("VARCHAR(10)", pa.date32(), [1], 15007, 0, "varchar", "10", "incompatible Parquet schema"),
        ("DATE", pa.timestamp("us"), [1], 15007, 0, "date", "", "incompatible Parquet schema"),
        ("TIMESTAMP", pa.timestamp("ms"), [1], 15007, 0, "timestamp", "", "incompatible Parquet schema"),
        ("TIMESTAMPTZ", pa.timestamp("us", "UTC"), [1], 15007, 0, "timestampt", "", "incompatible Parquet schema"),
        ("SUPER", pa.string(), ["{}"], 15007, 0, "jsonb", "", "incompatible Parquet schema"),
        ("VARCHAR(9)", pa.list_(pa.string()), [["a"]], 15007, 0, "varchar", "9", "incompatible Parquet schema"),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_what_does_not_fit_leaves_its_reason_and_no_rows(
    copier: Copier, table, column: str, kind: pa.DataType, values: list, code: int, line: int, column_type: str, column_length: str, words: str
) -> None:
    name = table(f"value {column}")
    entry = copier.put(one(values, kind))
    failed = copier.data_api.run(copier.statement(name, entry))
    assert failed["Status"] == "FAILED"
    assert failed["Error"] == f"ERROR: Load into table '{name}' failed. Check 'sys_load_error_detail' system table for details."
    error = copier.error(failed)
    found = [error[key] for key in ("file_name", "line_number", "column_name", "column_type", "column_length", "error_code")]
    assert found == [entry["url"], str(line), "value", column_type, column_length, str(code)]
    assert words in error["error_message"]
    assert error["query_id"] == str(failed["RedshiftQueryId"])
    assert error["database_name"] == copier.data_api.login["Database"]
    assert copier.data_api.rows(f"SELECT COUNT(*), CAST('{name}'::regclass::oid AS VARCHAR) FROM {name}") == [
        [{"longValue": 0}, {"stringValue": error["table_id"]}]
    ]


def test_the_value_that_does_not_fit_is_in_the_message(copier: Copier, table) -> None:
    failed = copier.data_api.run(copier.statement(table("value VARCHAR(3)"), copier.put(one(["it's\n{too} long"], pa.string()))))
    assert copier.error(failed)["error_message"].endswith("""Value: "it's\\n{too} long\"""")


def test_the_counts_of_columns_must_be_equal(copier: Copier, table) -> None:
    failed = copier.data_api.run(copier.statement(table("a INTEGER, b INTEGER"), copier.put(one([1], pa.int32()))))
    assert "Unmatched number of columns between table and file. Table columns: 2, Data columns: 1" in copier.error(failed)["error_message"]


def test_many_files_and_row_groups_go_in_at_once_or_not_at_all(copier: Copier, table) -> None:
    name = table("value BIGINT")
    good = copier.put(one(list(range(5000)), pa.int64()), "good.parquet", row_group_size=700)
    more = copier.put(one(list(range(5000, 7000)), pa.int64()), "more.parquet")
    bad = copier.put(one([1], pa.int32()), "bad.parquet")
    assert copier.data_api.run(copier.statement(name, good, bad))["Status"] == "FAILED"
    assert copier.data_api.rows(f"SELECT COUNT(*) FROM {name}") == [[{"longValue": 0}]]
    assert copier.data_api.run(copier.statement(name, good, more))["ResultRows"] == 7000
    assert copier.data_api.rows(f"SELECT COUNT(DISTINCT value), SUM(value)::bigint FROM {name}") == [[{"longValue": 7000}, {"longValue": 6999 * 3500}]]


def test_the_line_counts_on_through_the_file(copier: Copier, table) -> None:
    values = ["x"] * 3000 + ["xyz"] + ["x"] * 10
    failed = copier.data_api.run(copier.statement(table("value VARCHAR(2)"), copier.put(one(values, pa.string()), row_group_size=800)))
    assert copier.error(failed)["line_number"] == "3001"


def test_a_batch_loads_into_its_own_temporary_table(copier: Copier, data_api: DataApi, table) -> None:
    name = table("value INTEGER")
    entry = copier.put(one([1, 2, 2], pa.int32()))
    batch = [
        'CREATE TEMP TABLE "staging_X" (value INTEGER NOT NULL)',
        copier.statement('"staging_X"', entry),
        f'INSERT INTO {name} SELECT DISTINCT value FROM "staging_X"',
    ]
    done = data_api.run(batch)
    assert done["Status"] == "FINISHED", done.get("Error")
    assert [sub["ResultRows"] for sub in done["SubStatements"]] == [0, 3, 2]
    assert data_api.rows(f"SELECT COUNT(*) FROM {name}") == [[{"longValue": 2}]]


def test_the_reason_outlives_the_rollback_of_the_batch(copier: Copier, data_api: DataApi, table) -> None:
    name = table("value VARCHAR(1)")
    failed = data_api.run([f"INSERT INTO {name} VALUES ('a')", copier.statement(f"public.{name}", copier.put(one(["ab"], pa.string())))])
    assert [sub["Status"] for sub in failed["SubStatements"]] == ["ABORTED", "FAILED"]
    assert failed["Error"].startswith(f"ERROR: Load into table '{name}' failed.")
    error = copier.error(failed)
    assert error["query_id"] == str(failed["SubStatements"][1]["RedshiftQueryId"])
    assert data_api.rows(f"SELECT COUNT(*) FROM {name}") == [[{"longValue": 0}]]


@pytest.mark.parametrize(
    ("manifest", "code", "words"),
    [
        (lambda entry: {"entries": [entry | {"meta": {"content_length": entry["meta"]["content_length"] + 1}}]}, 15003, "content_length"),
        (lambda entry: {"entries": [{"url": entry["url"], "mandatory": True}]}, 15003, "File entry does not have 'meta' key."),
        (lambda entry: {"entries": [entry | {"meta": {}}]}, 15003, "does not have 'content_length' key."),
        (lambda entry: {"entries": [entry, entry | {"url": f"{entry['url']}x"}]}, 8001, "NoSuchKey"),
        (lambda entry: {"entries": [entry | {"url": f"{entry['url']}x", "mandatory": False}]}, 8001, "No file that the manifest names was found"),
        (lambda entry: {"entries": []}, 8001, "No file that the manifest names was found"),
        (lambda entry: {"files": [entry]}, 8001, "Problem reading manifest file"),
        (lambda entry: b"not JSON", 8001, "Problem reading manifest file"),
    ],
    ids=["another length", "no meta", "no length", "missing file", "missing files", "no files", "no entries", "no JSON"],
)
def test_a_manifest_is_kept_to(copier: Copier, data_api: DataApi, table, manifest, code: int, words: str) -> None:
    name = table("value INTEGER")
    url = copier.manifest(manifest(copier.put(one([1], pa.int32()))))
    failed = data_api.run(f"COPY {name} FROM '{url}' IAM_ROLE default FORMAT AS PARQUET MANIFEST;")
    assert failed["Status"] == "FAILED"
    error = copier.error(failed)
    assert error["error_code"] == str(code)
    assert words in error["error_message"]
    assert data_api.rows(f"SELECT COUNT(*) FROM {name}") == [[{"longValue": 0}]]


def test_a_file_that_is_not_mandatory_may_be_missing(copier: Copier, table) -> None:
    entry = copier.put(one([1], pa.int32()))
    missing = {"url": copier.url("missing.parquet"), "meta": {"content_length": 1}}
    assert copier.data_api.run(copier.statement(table("value INTEGER"), missing, entry))["ResultRows"] == 1


def test_a_file_that_is_no_parquet_is_refused(copier: Copier, table) -> None:
    failed = copier.data_api.run(copier.statement(table("value INTEGER"), copier.put(b"PAR1 is not enough PAR1")))
    assert "cannot be read as Parquet" in copier.error(failed)["error_message"]


def test_a_file_without_rows_is_loaded(copier: Copier, table) -> None:
    done = copier.data_api.run(copier.statement(table("value INTEGER"), copier.put(one([], pa.int32()))))
    assert (done["Status"], done["ResultRows"]) == ("FINISHED", 0)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("COPY t FROM '{m}' IAM_ROLE default FORMAT AS PARQUET", "needs IAM_ROLE, FORMAT AS PARQUET and MANIFEST"),
        ("COPY t FROM '{m}' IAM_ROLE default FORMAT AS CSV MANIFEST", 'syntax error at or near "CSV"'),
        ("COPY t FROM '{m}' IAM_ROLE default FORMAT AS PARQUET MANIFEST MAXERROR 3", 'syntax error at or near "MAXERROR"'),
        ("COPY t FROM '{m}' FORMAT AS PARQUET MANIFEST MANIFEST", "redundant options"),
        ("COPY t FROM STDIN", 'syntax error at or near "STDIN"'),
        ("COPY t", "syntax error at end of input"),
        ("COPY no_such_table FROM '{m}' IAM_ROLE default FORMAT AS PARQUET MANIFEST", "Cannot COPY into nonexistent table no_such_table"),
        (
            "COPY t FROM '{m}' IAM_ROLE 'arn:aws:iam::000000000000:role/other' FORMAT AS PARQUET MANIFEST",
            "Not authorized to get credentials of role arn:aws:iam::000000000000:role/other",
        ),
    ],
    ids=lambda text: text[-28:],
)
def test_what_is_no_copy_of_parquet_is_refused(copier: Copier, data_api: DataApi, statement: str, words: str) -> None:
    failed = data_api.run(statement.replace("{m}", copier.manifest({"entries": []})))
    assert failed["Status"] == "FAILED"
    assert words in failed["Error"]
