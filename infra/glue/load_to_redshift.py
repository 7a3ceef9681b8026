"""The Glue job: brings one run's clean rows and quarantine into the warehouse over the Glue JDBC connection.

The run's manifest is sealed: it names the files, the staging tables and every SQL statement, and its SHA-256 comes as a job argument. This script
checks that hash and carries the statements out; it knows no column and no rule. Order: prepare, fill the staging tables by Spark where the warehouse
cannot COPY them itself, run all statements of the load in one transaction, clean up. The transaction of a plan ends with an error that says what it would
have done; that goes to `plan.json` beside the manifest.

A failure leaves the script as an exception whose class and message are what Glue reports, e.g. `LoadFailed: fold into target: <database text>`.
"""

import argparse
import hashlib
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.functions import col
from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

MANIFEST_FORMAT = "crosstally.manifest/2"
CONFLICT_RETRIES = 5
WRITERS = 4  # JDBC connections that fill one staging table
BATCH_ROWS = 5_000

# A Glue job in a subnet without the endpoints it needs should fail in a minute, not in ten.
AWS = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})

log = logging.getLogger("load_to_redshift")
log.setLevel(logging.INFO)


class LoadFailed(Exception):
    """The load stopped; the target table is as it was."""


class LedgerMismatch(LoadFailed):
    """The warehouse's own check of the law failed inside the transaction."""


class ConfigInvalid(LoadFailed):
    """The Glue connection is missing or incomplete."""


class SecretMissing(LoadFailed):
    """The secret named by the Glue connection cannot be read."""


class SecretInvalid(LoadFailed):
    """The secret was read, but is not what a warehouse login looks like."""


class Conflict(LoadFailed):
    """Another transaction was in the way, as in Redshift's error 1023: the same statements may pass a moment later."""


class ConnectionLost(Exception):
    """The connection broke, so nobody knows whether the commit was done. No LoadFailed: another attempt finds out."""


class AlreadyLoaded(Exception):
    """The ledger already holds this run: nothing to do."""


class Planned(Exception):
    """The transaction of a plan was carried out up to its end; the message is a JSON object, what it would have done."""


@dataclass(frozen=True)
class Warehouse:
    url: str
    dialect: str
    properties: dict[str, str] = field(repr=False)  # holds the password


def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    manifest = read_manifest(arguments.manifest, arguments.manifest_sha256, arguments.run_id)
    warehouse = find_warehouse(arguments.connection_name)
    report = load(start_spark(), warehouse, manifest["load"])
    if report is not None:
        write_plan(arguments.manifest, report)


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("run_id", "manifest", "manifest_sha256", "connection_name"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_known_args(argv)[0]  # Glue adds arguments of its own


def read_manifest(uri: str, sha256: str, run_id: str) -> dict[str, Any]:
    location = urlsplit(uri)
    try:
        body = boto3.client("s3", config=AWS).get_object(Bucket=location.netloc, Key=location.path.lstrip("/"))["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise LoadFailed(f"read manifest: {uri} cannot be read: {error}") from error
    found = hashlib.sha256(body).hexdigest()
    if found != sha256.lower():
        raise LoadFailed(f"read manifest: {uri} has SHA-256 {found}, but the run was sealed with {sha256}; start a new run")
    manifest = json.loads(body)
    if manifest.get("format") != MANIFEST_FORMAT or manifest.get("run_id") != run_id:
        raise LoadFailed(f"read manifest: {uri} is no {MANIFEST_FORMAT} of run {run_id}; deploy functions and job script together")
    return manifest


def find_warehouse(connection_name: str) -> Warehouse:
    """The login comes from the connection's secret: Glue's other way, USERNAME and PASSWORD in the connection, is not used."""
    try:
        answer = boto3.client("glue", config=AWS).get_connection(Name=connection_name, HidePassword=True)
    except (BotoCoreError, ClientError) as error:
        raise ConfigInvalid(f"the Glue connection {connection_name} cannot be read: {error}") from error
    connection = answer["Connection"].get("ConnectionProperties", {})
    for key in ("JDBC_CONNECTION_URL", "SECRET_ID"):
        if not connection.get(key):
            raise ConfigInvalid(f"the Glue connection {connection_name} has no {key}; set it in its connection properties")
    url, secret_id = connection["JDBC_CONNECTION_URL"], connection["SECRET_ID"]
    dialect = {"jdbc:redshift:": "redshift", "jdbc:postgresql:": "postgres"}.get(url[: url.find("/")])
    if dialect is None:
        raise ConfigInvalid(f"the JDBC URL of the Glue connection {connection_name} must begin with jdbc:redshift:// or jdbc:postgresql://")

    properties = read_login(secret_id)
    if connection.get("JDBC_ENFORCE_SSL", "").lower() == "true":
        properties |= {"ssl": "true"} if dialect == "redshift" else {"sslmode": "require"}
    return Warehouse(url, dialect, properties)


def read_login(secret_id: str) -> dict[str, str]:
    try:
        secret = boto3.client("secretsmanager", config=AWS).get_secret_value(SecretId=secret_id)
    except (BotoCoreError, ClientError) as error:
        raise SecretMissing(f"the warehouse secret {secret_id} cannot be read: {error}") from error
    # Nothing of the secret's text may reach a message, so the parser's own error is dropped.
    try:
        login = json.loads(secret.get("SecretString", ""))
        return {"user": str(login["username"]), "password": str(login["password"])}
    except (ValueError, KeyError, TypeError):
        raise SecretInvalid(f'the warehouse secret {secret_id} must be JSON of the form {{"username": …, "password": …}}') from None


def start_spark() -> SparkSession:
    spark = SparkSession.builder.appName("crosstally-load").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # The files come from no Spark, so Spark would refuse their dates before 1582 and timestamps before 1900 as ambiguous. They are Gregorian.
    spark.conf.set("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED")
    spark.conf.set("spark.sql.parquet.int96RebaseModeInRead", "CORRECTED")
    return spark


def load(spark: SparkSession, warehouse: Warehouse, plan: dict[str, Any]) -> str | None:
    """Returns what a plan would have done, as JSON."""
    statements = plan["dialects"][warehouse.dialect]
    try:
        with connected(spark, warehouse) as connection:
            again_after_conflict(lambda: run_all(connection, statements["prepare"]))
        if warehouse.dialect != "redshift":
            for staging in plan["staging"]:
                with step(f"fill {staging['table']}"):
                    write_staging(spark, warehouse, staging)
        with connected(spark, warehouse) as connection:
            connection.setAutoCommit(False)
            again_after_conflict(lambda: run_transaction(connection, statements["transaction"]))
    except AlreadyLoaded as already:
        log.info("nothing to do: %s", already)
    except Planned as planned:
        log.info("planned, and rolled back: %s", planned)
        return str(planned)
    finally:
        clean_up(spark, warehouse, statements["cleanup"])
    return None


def write_plan(manifest: str, report: str) -> None:
    location = urlsplit(manifest)
    key = location.path.lstrip("/").rpartition("/")[0] + "/plan.json"
    try:
        boto3.client("s3", config=AWS).put_object(Bucket=location.netloc, Key=key, Body=report.encode())
    except (BotoCoreError, ClientError) as error:
        raise LoadFailed(f"write plan: s3://{location.netloc}/{key} cannot be written: {error}") from error


def write_staging(spark: SparkSession, warehouse: Warehouse, staging: dict[str, Any]) -> None:
    if not staging["files"]:
        return
    frame = spark.read.parquet(*staging["files"])
    # Dates and times go as UTC text, which the database reads (stringtype): as JDBC objects they would pass through the zone and calendar of
    # each executor's JVM, where an hour of every spring may not exist.
    temporal = [f.name for f in frame.schema.fields if isinstance(f.dataType, DateType | TimestampType | TimestampNTZType)]
    frame = frame.withColumns({name: col(f"`{name}`").cast("string") for name in temporal})
    # Should Spark run a task twice, its rows may be there twice: then the law, which the transaction checks, does not hold, and nothing is loaded.
    frame.repartition(WRITERS).write.format("jdbc").mode("append").options(
        url=warehouse.url,
        dbtable=staging["table"],
        batchsize=BATCH_ROWS,
        stringtype="unspecified",
        reWriteBatchedInserts="true",
        logServerErrorDetail="false",  # else the driver's error, which Spark logs, quotes whole rows
        **warehouse.properties,
    ).save()


def run_transaction(connection: Any, statements: list[dict[str, Any]]) -> None:
    try:
        run_all(connection, statements)
        with step("commit"):
            connection.commit()
    except LoadFailed as failure:
        roll_back(connection)
        if str(failure).startswith("copy_"):
            raise LoadFailed(f"{failure}{copy_error(connection)}") from None
        raise
    except BaseException:
        roll_back(connection)
        raise


def again_after_conflict(work: Callable[[], None]) -> None:
    for attempt in range(CONFLICT_RETRIES + 1):
        try:
            work()
            return
        except Conflict as conflict:
            if attempt == CONFLICT_RETRIES:
                raise LoadFailed(f"{conflict}; {CONFLICT_RETRIES} more attempts met the same conflict") from None
            wait = 0.5 * 2**attempt
            log.warning("%s; it is tried again in %.1f s", conflict, wait)
            time.sleep(wait)


def copy_error(connection: Any) -> str:
    """COPY itself may say no more than "failed"; Redshift keeps the reason in a view."""
    why = (
        "SELECT TRIM(file_name) || ', line ' || line_number || ', column ' || TRIM(column_name) || ' (' || TRIM(column_type) || '): ' || TRIM(error_message)"
        " FROM sys_load_error_detail WHERE session_id = pg_backend_pid() ORDER BY start_time DESC LIMIT 1"
    )
    try:
        rows = connection.createStatement().executeQuery(why)
        return f" ({rows.getString(1)})" if rows.next() else ""
    except Py4JError:
        return ""


def roll_back(connection: Any) -> None:
    try:
        connection.rollback()
    except Py4JError:
        log.warning("rollback failed: the connection is gone, and with it its transaction")


def clean_up(spark: SparkSession, warehouse: Warehouse, statements: list[dict[str, Any]]) -> None:
    """Best effort: staging is scratch, and trouble with it must not hide how the load ended."""
    if not statements:
        return
    try:
        with connected(spark, warehouse) as connection:
            run_all(connection, statements)
    except (LoadFailed, ConnectionLost, Py4JError) as failure:
        log.warning("staging tables may be left over: %s", failure)


@contextmanager
def connected(spark: SparkSession, warehouse: Warehouse) -> Iterator[Any]:
    java = spark.sparkContext._gateway.jvm.java
    properties = java.util.Properties()
    for key, value in warehouse.properties.items():
        properties.setProperty(key, value)
    with step("connect"):
        connection = java.sql.DriverManager.getConnection(warehouse.url, properties)
    try:
        # The driver makes the JVM's zone the session's, and a cast from TIMESTAMP to TIMESTAMPTZ follows the session.
        run_all(connection, [{"name": "set time zone", "sql": "SET timezone TO 'UTC'"}])
        yield connection
    finally:
        with suppress(Py4JError):  # a lost connection must not hide why it was lost
            connection.close()


def run_all(connection: Any, statements: list[dict[str, Any]]) -> None:
    for statement in statements:
        with step(statement["name"]):
            handle = connection.createStatement()
            try:
                handle.setEscapeProcessing(False)  # sealed SQL runs as it is, without JDBC's {…} rewriting
                unless = statement.get("unless")
                if unless and handle.executeQuery(unless).next():
                    log.info("%s: done already", statement["name"])
                    continue
                handle.execute(statement["sql"])
            finally:
                with suppress(Py4JError):
                    handle.close()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Logs how long the step took; a Java error inside becomes one sentence, without the stack and the row values that Java would print."""
    started = time.monotonic()
    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise failure_of(name, error) from None
    log.info("%s: %.2f s", name, time.monotonic() - started)


def failure_of(name: str, error: Py4JError | PySparkException) -> Exception:
    text, state = database_error(error)
    # The warehouse has no RAISE in plain SQL, so its checks fail a cast of their sentence, and the database quotes it somewhere in its error.
    if verdict := re.search(r"(AlreadyLoaded|LedgerMismatch|Planned): (.+)", text):
        kind = {"AlreadyLoaded": AlreadyLoaded, "LedgerMismatch": LedgerMismatch, "Planned": Planned}[verdict[1]]
        return kind(verdict[2].strip().removesuffix('"'))
    # Redshift may name no more than the text's first character.
    if "Invalid digit" in text and name in ("refuse_second_load", "check_law"):
        return AlreadyLoaded("the run stands in the ledger") if name == "refuse_second_load" else LedgerMismatch(f"the law does not hold: {text.strip()}")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    # Redshift puts the telling part into its details; those of Postgres quote rows and stay out.
    context = [line.removeprefix("context:").strip() for line in lines if line.startswith("context:")]
    sentence = f"{name}: {lines[0]}" + "".join(f" ({part})" for part in context)
    if is_conflict(name, state, text):
        return Conflict(sentence)
    return ConnectionLost(sentence) if is_connection_lost(state) else LoadFailed(sentence)


def is_conflict(name: str, state: str, text: str) -> bool:
    # Two loads that make the same schema or table at once meet as one that is there, or as one name twice in the catalog.
    both_made_it = name.startswith("create_") and state in ("23505", "42P06", "42P07")
    return state in ("40001", "40P01") or both_made_it or bool(re.search(r"ERROR: 1023\b|conflict with concurrent transaction", text))


def is_connection_lost(state: str) -> bool:
    """08: connection exceptions, of which 08004 is the server's refusal. 57P01 to 57P03: it goes down, crashed, or starts."""
    return (state.startswith("08") and state != "08004") or state in ("57P01", "57P02", "57P03")


def database_error(error: Py4JError | PySparkException) -> tuple[str, str]:
    """The message and SQLSTATE of the database's own error, which JDBC and Spark wrap several times; else the innermost message."""
    link = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    text = str(error)
    while link is not None:
        following = link.getCause()
        if is_instance_of(SparkContext._gateway, link, "java.sql.SQLException"):
            following = link.getNextException() or following
            if not is_instance_of(SparkContext._gateway, link, "java.sql.BatchUpdateException"):
                return link.getMessage() or "", link.getSQLState() or ""
        text = link.getMessage() or link.getClass().getName()
        link = following
    return text, ""


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    main(sys.argv[1:])
