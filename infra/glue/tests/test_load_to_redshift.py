import json
import logging
import os
import subprocess
import sys
from decimal import Decimal
from functools import cache

import boto3
import load_to_redshift
import pytest
from house import BUCKET, House, as_parquet
from load_to_redshift import ConfigInvalid, ConnectionLost, LedgerMismatch, LoadFailed, SecretInvalid, SecretMissing, main
from pyspark.sql import SparkSession

STAGING = "crosstally.staging_ab12"
REJECTS = "crosstally.staging_ab12_quarantine"
PREPARE = [
    ("create schemas", "CREATE SCHEMA IF NOT EXISTS crosstally; CREATE SCHEMA IF NOT EXISTS analytics"),
    (
        "create target",
        "CREATE TABLE IF NOT EXISTS analytics.orders (id VARCHAR(20), amount DECIMAL(18,2), many BIGINT, few INTEGER, good BOOLEAN, day DATE,"
        " at TIMESTAMPTZ, local_at TIMESTAMPTZ)",
    ),
    ("create ledger", "CREATE TABLE IF NOT EXISTS crosstally.ledger (run_id VARCHAR(80), loaded BIGINT)"),
    ("drop staging", f"DROP TABLE IF EXISTS {STAGING}; DROP TABLE IF EXISTS {REJECTS}"),
    (
        "create staging",
        f"CREATE TABLE {STAGING} (id VARCHAR(20), amount DECIMAL(18,2), many BIGINT, few INTEGER, good BOOLEAN, day DATE, at TIMESTAMP, local_at TIMESTAMP)",
    ),
    ("create staging of quarantine", f"CREATE TABLE {REJECTS} (rule VARCHAR(80), record VARCHAR(65535))"),
]
FOLD = ("fold into target", f"INSERT INTO analytics.orders SELECT id, amount, many, few, good, day, CAST(at AS TIMESTAMPTZ), local_at FROM {STAGING}")
CLEANUP = [("drop staging", f"DROP TABLE IF EXISTS {STAGING}"), ("drop staging of quarantine", f"DROP TABLE IF EXISTS {REJECTS}")]

SCHEMA = "id string, amount decimal(18,2), many bigint, few int, good boolean, day date, at timestamp, local_at timestamp_ntz"
ROWS = [
    # 02:30 of 10 March 2024 does not exist in New York; 01:30 of 3 November exists twice there.
    ("a", "1234567890123456.78", 2**63 - 1, -(2**31), True, "2024-03-10", "2024-03-10 02:30:00.123456", "2024-03-10 02:30:00.123456"),
    ("b", "-0.01", -(2**63), 2**31 - 1, False, "0001-01-01", "1850-01-02 03:04:05.000001", "0001-01-01 00:00:00"),
    ('naïve, "美咲"\n\\', "9999999999999999.99", 0, 0, None, "9999-12-31", "9999-12-31 23:59:59.999999", "2024-11-03 01:30:00"),
    ("only id", None, None, None, None, None, None, None),
]


def raising(sentence: str, condition: str) -> str:
    """A statement that fails with the sentence while the condition holds, as the sealed manifests do it."""
    return f"SELECT CAST(CASE WHEN {condition} THEN '{sentence}' ELSE '0' END AS INTEGER)"


def guard(house: House) -> tuple[str, str]:
    loaded = f"EXISTS (SELECT 1 FROM crosstally.ledger WHERE run_id = '{house.name}')"
    return ("check ledger", raising(f"AlreadyLoaded: run {house.name} is in the ledger", loaded))


def book(house: House) -> tuple[str, str]:
    return ("insert ledger row", f"INSERT INTO crosstally.ledger SELECT '{house.name}', COUNT(*) FROM {STAGING}")


@cache
def parquet_files(spark: SparkSession) -> dict[str, bytes]:
    """Clean rows in two files, and a quarantine without rows. Written once, since that takes Spark longer than to read them."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    texts = spark.createDataFrame(
        [tuple(None if v is None else str(v) for v in row) for row in ROWS], ", ".join(f"{c.split()[0]} string" for c in SCHEMA.split(", "))
    )
    casts = [f"CAST({c.split()[0]} AS {c.split()[1]}) AS {c.split()[0]}" for c in SCHEMA.split(", ")]
    typed = texts.selectExpr(*casts)
    return {
        "clean/part-00000.parquet": as_parquet(typed.limit(3)),
        "clean/part-00001.parquet": as_parquet(typed.where("id = 'only id'")),
        "quarantine/part-00000.parquet": as_parquet(spark.createDataFrame([], "rule string, record string")),
    }


def stage(house: House) -> list[dict]:
    uris = [house.put_file(path, content) for path, content in parquet_files(house.spark).items()]
    return [{"table": STAGING, "files": uris[:2]}, {"table": REJECTS, "files": uris[2:]}]


def test_every_type_arrives_exactly(house: House) -> None:
    main(house.seal(stage(house), prepare=PREPARE, transaction=[guard(house), FOLD, book(house)], cleanup=CLEANUP))

    assert house.rows("SELECT id, amount, many, few, good, day::text FROM analytics.orders ORDER BY many NULLS LAST") == [
        ("b", Decimal("-0.01"), -(2**63), 2**31 - 1, False, "0001-01-01"),
        ('naïve, "美咲"\n\\', Decimal("9999999999999999.99"), 0, 0, None, "9999-12-31"),
        ("a", Decimal("1234567890123456.78"), 2**63 - 1, -(2**31), True, "2024-03-10"),
        ("only id", None, None, None, None, None),
    ]
    assert house.rows("SELECT at::text, local_at::text FROM analytics.orders ORDER BY many NULLS LAST") == [
        ("1850-01-02 03:04:05.000001+00", "0001-01-01 00:00:00+00"),
        ("9999-12-31 23:59:59.999999+00", "2024-11-03 01:30:00+00"),
        ("2024-03-10 02:30:00.123456+00", "2024-03-10 02:30:00.123456+00"),
        (None, None),
    ]
    assert house.rows("SELECT * FROM crosstally.ledger") == [(house.name, 4)]
    assert house.tables("crosstally") == {"ledger"}


def test_no_files_is_no_rows(house: House) -> None:
    staging = [{"table": STAGING, "files": []}, {"table": REJECTS, "files": []}]
    main(house.seal(staging, prepare=PREPARE, transaction=[guard(house), FOLD, book(house)], cleanup=CLEANUP))
    assert house.rows("SELECT * FROM crosstally.ledger") == [(house.name, 0)]


def test_a_run_in_the_ledger_is_left_alone(house: House, caplog: pytest.LogCaptureFixture) -> None:
    arguments = house.seal(stage(house), prepare=PREPARE, transaction=[guard(house), FOLD, book(house)], cleanup=CLEANUP)
    main(arguments)
    with caplog.at_level(logging.INFO):
        main(arguments)
    assert f"nothing to do: run {house.name} is in the ledger" in caplog.messages
    assert house.rows("SELECT (SELECT COUNT(*) FROM analytics.orders), COUNT(*) FROM crosstally.ledger") == [(4, 1)]
    assert house.tables("crosstally") == {"ledger"}


def test_a_broken_law_changes_nothing(house: House) -> None:
    law = ("check the law", raising("LedgerMismatch: 5 rows read, 4 accounted for", f"(SELECT COUNT(*) FROM {STAGING}) = 4"))
    arguments = house.seal(stage(house), prepare=PREPARE, transaction=[guard(house), FOLD, law, book(house)], cleanup=CLEANUP)
    with pytest.raises(LedgerMismatch, match="^5 rows read, 4 accounted for$"):
        main(arguments)
    assert house.rows("SELECT (SELECT COUNT(*) FROM analytics.orders), COUNT(*) FROM crosstally.ledger") == [(0, 0)]
    assert house.tables("crosstally") == {"ledger"}


def test_a_plan_is_rolled_back_and_reported(house: House) -> None:
    report = ("report_plan", f"SELECT CAST('Planned: {{\"rows_inserted\":' || COUNT(*) || '}}' AS INTEGER) FROM {STAGING}")
    main(house.seal(stage(house), prepare=PREPARE, transaction=[guard(house), FOLD, report], cleanup=CLEANUP))
    assert house.rows("SELECT (SELECT COUNT(*) FROM analytics.orders), COUNT(*) FROM crosstally.ledger") == [(0, 0)]
    plan = boto3.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{house.name}/plan.json")["Body"].read()
    assert json.loads(plan) == {"rows_inserted": 4}
    assert house.tables("crosstally") == {"ledger"}


def test_what_is_done_already_is_left_out(house: House) -> None:
    there = "SELECT 1 FROM information_schema.columns WHERE table_name = 'orders' AND column_name = "
    add = ("add_note", "ALTER TABLE analytics.orders ADD COLUMN note VARCHAR(9)", f"{there}'note'")
    again = ("add_id", "ALTER TABLE analytics.orders ADD COLUMN id VARCHAR(9)", f"{there}'id'")
    columns = FOLD[1].replace("orders SELECT", "orders (id, amount, many, few, good, day, at, local_at) SELECT")
    main(house.seal(stage(house), prepare=PREPARE, transaction=[add, add, again, ("fold", columns), book(house)], cleanup=CLEANUP))
    assert house.rows("SELECT COUNT(*), COUNT(note) FROM analytics.orders") == [(4, 0)]


@pytest.mark.parametrize(("name", "kind"), [("check_law", LedgerMismatch), ("fold", LoadFailed)])
def test_a_failed_law_is_known_by_its_statement_too(house: House, name: str, kind: type) -> None:
    """Redshift's words for a text that is no number, which may leave the text out."""
    words = "DO $$BEGIN RAISE EXCEPTION 'Invalid digit, Value ''L'', Pos 0, Type: Integer'; END$$"
    with pytest.raises(LoadFailed) as failed:
        main(house.seal(stage(house), prepare=PREPARE, transaction=[FOLD, (name, words)], cleanup=CLEANUP))
    assert type(failed.value) is kind
    assert house.rows("SELECT COUNT(*) FROM analytics.orders") == [(0,)]


def test_a_lost_connection_is_no_verdict(house: House) -> None:
    lose = ("fold", "SELECT pg_terminate_backend(pg_backend_pid())")
    arguments = house.seal(stage(house), prepare=PREPARE, transaction=[FOLD, lose, book(house)], cleanup=CLEANUP)
    with pytest.raises(ConnectionLost, match="^fold: "):
        main(arguments)
    assert house.rows("SELECT COUNT(*) FROM analytics.orders") == [(0,)]
    assert house.tables("crosstally") == {"ledger"}


def test_a_server_that_is_not_there_is_no_verdict(house: House) -> None:
    house.connect_glue(JDBC_CONNECTION_URL="jdbc:postgresql://127.0.0.1:9/dev")
    with pytest.raises(ConnectionLost, match="^connect: "):
        main(house.seal([], prepare=PREPARE))


def test_a_failed_statement_is_named_and_rolled_back(house: House) -> None:
    arguments = house.seal(stage(house), prepare=PREPARE, transaction=[FOLD, ("count beans", "SELECT * FROM beans")], cleanup=CLEANUP)
    with pytest.raises(LoadFailed, match='^count beans: ERROR: relation "beans" does not exist$'):
        main(arguments)
    assert house.rows("SELECT COUNT(*) FROM analytics.orders") == [(0,)]
    assert house.tables("crosstally") == {"ledger"}


def test_a_failed_preparation_is_named(house: House) -> None:
    arguments = house.seal([], prepare=[*PREPARE, ("drop beans", "DROP TABLE beans")], transaction=[FOLD], cleanup=CLEANUP)
    with pytest.raises(LoadFailed, match='^drop beans: ERROR: table "beans" does not exist$'):
        main(arguments)
    assert house.tables("crosstally") == {"ledger"}


def test_a_missing_file_fails_the_fill(house: House) -> None:
    gone = [{"table": STAGING, "files": [f"s3://{BUCKET}/runs/{house.name}/clean/gone.parquet"]}]
    with pytest.raises(LoadFailed, match=rf"^fill {STAGING}: .*gone\.parquet"):
        main(house.seal(gone, prepare=PREPARE, transaction=[FOLD], cleanup=CLEANUP))


def conflicting(times: int) -> list[tuple[str, str]]:
    """The first `times` transactions end as on Redshift when another one was in the way; a sequence counts through rollbacks."""
    body = f"IF nextval('crosstally.tries') <= {times} THEN RAISE EXCEPTION '1023' USING DETAIL = 'Serializable isolation violation on table'; END IF"
    return [
        ("sequence", "CREATE SEQUENCE crosstally.tries"),
        ("function", f"CREATE FUNCTION crosstally.meet() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"),
    ]


def test_a_conflict_is_tried_again(house: House) -> None:
    prepare = [*PREPARE, *conflicting(2)]
    main(house.seal(stage(house), prepare=prepare, transaction=[FOLD, ("meet", "SELECT crosstally.meet()"), book(house)], cleanup=CLEANUP))
    assert house.rows("SELECT COUNT(*), (SELECT last_value FROM crosstally.tries) FROM analytics.orders") == [(4, 3)]


def test_a_lasting_conflict_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_to_redshift, "CONFLICT_RETRIES", 1)
    arguments = house.seal([], prepare=[*PREPARE, *conflicting(9)], transaction=[("meet", "SELECT crosstally.meet()")], cleanup=CLEANUP)
    with pytest.raises(LoadFailed, match="^meet: ERROR: 1023; 1 more attempts met the same conflict$"):
        main(arguments)
    assert house.rows("SELECT last_value FROM crosstally.tries") == [(2,)]


def test_a_manifest_that_is_not_the_sealed_one_is_refused(house: House) -> None:
    arguments = house.seal(stage(house), prepare=PREPARE, transaction=[FOLD], cleanup=CLEANUP)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"runs/{house.name}/manifest.json", Body=b"{}")
    with pytest.raises(LoadFailed, match=r"^read manifest: .* has SHA-256 44136fa.*, but the run was sealed with "):
        main(arguments)
    assert house.tables("crosstally") == set()


def test_a_missing_manifest(house: House) -> None:
    arguments = house.seal([])
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"runs/{house.name}/manifest.json")
    with pytest.raises(LoadFailed, match=r"^read manifest: s3://.*/manifest.json cannot be read: .*NoSuchKey"):
        main(arguments)


def test_a_manifest_of_another_run(house: House) -> None:
    with pytest.raises(LoadFailed, match="is no crosstally.manifest/2 of run other"):
        main([*house.seal([]), "--run_id", "other"])


def test_a_missing_connection(house: House) -> None:
    with pytest.raises(ConfigInvalid, match="^the Glue connection nowhere cannot be read: .*EntityNotFoundException"):
        main([*house.seal([]), "--connection_name", "nowhere"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SECRET_ID": ""}, "has no SECRET_ID"),
        ({"JDBC_CONNECTION_URL": "jdbc:mysql://127.0.0.1/x"}, "must begin with jdbc:redshift:// or jdbc:postgresql://"),
    ],
)
def test_an_incomplete_connection(house: House, change: dict[str, str], message: str) -> None:
    house.connect_glue(**change)
    with pytest.raises(ConfigInvalid, match=message):
        main(house.seal([]))


def test_a_missing_secret(house: House) -> None:
    house.connect_glue(SECRET_ID="no-such-secret")
    with pytest.raises(SecretMissing, match="^the warehouse secret no-such-secret cannot be read: .*ResourceNotFoundException"):
        main(house.seal([]))


def test_a_secret_of_another_form_is_not_quoted(house: House) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=house.name, SecretString=f"loader:{house.warehouse.password}")
    with pytest.raises(SecretInvalid) as refused:
        main(house.seal([]))
    assert house.warehouse.password not in str(refused.value)


def test_a_wrong_password(house: House) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=house.name, SecretString='{"username": "loader", "password": "wrong"}')
    with pytest.raises(LoadFailed, match='^connect: FATAL: password authentication failed for user "loader"$'):
        main(house.seal([], prepare=PREPARE))


def test_enforced_ssl_refuses_a_server_without_it(house: House) -> None:
    house.connect_glue(JDBC_ENFORCE_SSL="true")
    with pytest.raises(LoadFailed, match="^connect: The server does not support SSL"):
        main(house.seal([], prepare=PREPARE))


def test_a_process_that_fails_ends_with_the_reason_and_quotes_no_row(house: House) -> None:
    narrow = [*PREPARE, ("narrow", f"ALTER TABLE {STAGING} ALTER COLUMN id TYPE VARCHAR(5)")]
    arguments = house.seal(stage(house), prepare=narrow, transaction=[FOLD], cleanup=CLEANUP)
    ended = subprocess.run([sys.executable, load_to_redshift.__file__, *arguments], capture_output=True, text=True, env=os.environ, timeout=240)
    assert ended.returncode == 1
    assert "create staging of quarantine: " in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"LoadFailed: fill {STAGING}: ERROR: value too long for type character varying(5)"
    assert house.tables("crosstally") == {"ledger"}
    for secret in ("美咲", "1234567890123456.78", house.warehouse.password):
        assert secret not in ended.stderr + ended.stdout
