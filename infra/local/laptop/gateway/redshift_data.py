"""The Redshift Data API on Postgres: a statement is submitted, runs on its own, is asked about, and its result is fetched."""

import contextlib
import functools
import itertools
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.pq import ExecStatus

from laptop import clients
from laptop.gateway import copy_parquet, faults, redshift_sql
from laptop.gateway.errors import ServiceError
from laptop.gateway.faults import Fault, Faults
from laptop.gateway.redshift_serverless import WORKGROUP
from laptop.gateway.redshift_session import Sessions
from laptop.gateway.sql_parameters import bind

log = logging.getLogger("redshift_data")

# The limits of the real service.
_MAX_SQL_BYTES = 100 * 1024
_MAX_BATCH = 40
_PAGE_ROWS = 1000

_LONG = {"int2", "int4", "int8", "oid"}
_DOUBLE = {"float4", "float8"}
_TYPE_NAMES = {"jsonb": "super"}

_query_ids = itertools.count(1)


@dataclass
class Result:
    rows: int = 0
    columns: list[dict] | None = None  # None: the statement returns no rows
    records: list[list[dict]] = field(default_factory=list)


@dataclass
class Statement:
    id: str
    sql: str
    command: str  # the same for Postgres, with the driver's placeholders
    values: dict[str, str] | None
    created: float
    pid: int = 0
    query_id: int = 0
    status: str = "SUBMITTED"
    error: str | None = None
    started: float | None = None
    updated: float = 0.0
    result: Result | None = None

    def now(self, status: str, error: str | None = None) -> None:
        self.status, self.error, self.updated = status, error, time.time()

    def describe(self) -> dict:
        duration = (self.updated - self.started) if self.started else 0
        answer = {
            "Id": self.id,
            "Status": self.status,
            "QueryString": self.sql,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated,
            "Duration": int(duration * 1e9),
            "RedshiftPid": self.pid,
            "RedshiftQueryId": self.query_id,
            "HasResultSet": bool(self.result and self.result.columns is not None),
            "ResultRows": self.result.rows if self.result else -1,
            "ResultSize": len(json.dumps(self.result.records)) if self.result else -1,
        }
        return answer | ({"Error": self.error} if self.error else {})


@dataclass
class Submission:
    """What one call submitted: one statement, or a batch that is one transaction."""

    id: str
    request: dict
    batch: bool
    statements: list[Statement]
    connection: psycopg.Connection | None = None
    error: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    over: bool = False

    @property
    def status(self) -> str:
        statuses = [statement.status for statement in self.statements]
        for status in ("FAILED", "ABORTED", "STARTED", "PICKED"):
            if status in statuses:
                return status
        return "SUBMITTED" if "SUBMITTED" in statuses else "FINISHED"


class RedshiftData:
    PASSES_ON = False

    def __init__(self, host: str, port: int, faults: Faults) -> None:
        self._sessions, self._faults = Sessions(host, port), faults
        self._submissions: dict[str, Submission] = {}
        self._by_token: dict[str, Submission] = {}
        self._lock = threading.Lock()

    def execute_statement(self, request: dict) -> dict:
        return self._submit(request, [request.get("Sql", "")], batch=False)

    def batch_execute_statement(self, request: dict) -> dict:
        sqls = request.get("Sqls") or []
        if not 1 <= len(sqls) <= _MAX_BATCH:
            raise ServiceError("ValidationException", f"Sqls must hold between 1 and {_MAX_BATCH} statements")
        return self._submit(request, sqls, batch=True)

    def describe_statement(self, request: dict) -> dict:
        submission, statement = self._find(request, "DescribeStatement")
        identity = {key: submission.request[key] for key in ("Database", "SecretArn", "WorkgroupName") if key in submission.request}
        if statement:
            return statement.describe() | identity
        subs = submission.statements
        answer = subs[-1].describe() if not submission.batch else _describe_batch(submission)
        return answer | identity | {"Id": submission.id, "Status": submission.status}

    def get_statement_result(self, request: dict) -> dict:
        submission, statement = self._find(request, "GetStatementResult")
        statement = statement or submission.statements[-1]
        if statement.status != "FINISHED":
            raise ServiceError("ValidationException", f"Query is not in FINISHED state but in {statement.status}; it has no result.")
        if statement.result is None or statement.result.columns is None:
            raise ServiceError(
                "ResourceNotFoundException", "Query does not have result. Please check query status with DescribeStatement.", ResourceId=statement.id
            )
        try:
            start = int(request.get("NextToken") or 0)
        except ValueError:
            raise ServiceError("ValidationException", "NextToken is not one of ours.") from None
        end = start + _PAGE_ROWS
        answer = {
            "Records": statement.result.records[start:end],
            "ColumnMetadata": statement.result.columns,
            "TotalNumRows": len(statement.result.records),
        }
        return answer | ({"NextToken": str(end)} if end < len(statement.result.records) else {})

    def cancel_statement(self, request: dict) -> dict:
        submission, _ = self._find(request, "CancelStatement")
        with self._lock:
            if submission.over:
                raise ServiceError("ValidationException", f"Could not cancel a query that is already in {submission.status} state.")
            submission.cancelled.set()
            if submission.connection:
                submission.connection.cancel()
        return {"Status": True}

    OPERATIONS = {
        "ExecuteStatement": execute_statement,
        "BatchExecuteStatement": batch_execute_statement,
        "DescribeStatement": describe_statement,
        "GetStatementResult": get_statement_result,
        "CancelStatement": cancel_statement,
    }

    def _submit(self, request: dict, sqls: list[str], batch: bool) -> dict:
        for key in ("Database", "WorkgroupName", "SecretArn"):
            if not request.get(key):
                raise ServiceError("ValidationException", f"The laptop needs {key}: it has one workgroup and logs in with a secret.")
        if request["WorkgroupName"] != WORKGROUP:
            raise ServiceError("ValidationException", f"Redshift endpoint doesn't exist in this region: {request['WorkgroupName']}")
        for sql in sqls:
            if not 1 <= len(sql.encode()) <= _MAX_SQL_BYTES:
                raise ServiceError("ValidationException", f"A statement must have between 1 and {_MAX_SQL_BYTES} bytes; this one has {len(sql.encode())}.")

        token = request.get("ClientToken")
        with self._lock:
            submission = self._by_token.get(token) if token else None
            if submission and {**submission.request, "ClientToken": token} != request:
                raise ServiceError("ValidationException", "The ClientToken was used before, with another request.")
            if submission is None:
                submission = _make(request, sqls, batch)
                self._submissions[submission.id] = submission
                if token:
                    self._by_token[token] = submission
                fault = self._faults.take("BatchExecuteStatement" if batch else "ExecuteStatement", faults.OF_A_STATEMENT)
                threading.Thread(target=self._run, args=(submission, fault), daemon=True).start()
        answer = {"Id": submission.id, "CreatedAt": submission.statements[0].created}
        return answer | {key: request[key] for key in ("Database", "SecretArn", "WorkgroupName")}

    def _find(self, request: dict, operation: str) -> tuple[Submission, Statement | None]:
        name = request.get("Id", "")
        # A batch's statements are numbered from one: `<id>:1`.
        whole, _, number = name.partition(":")
        submission = self._submissions.get(whole)
        if submission is None or (number and not (number.isdigit() and 1 <= int(number) <= len(submission.statements))):
            raise ServiceError("ResourceNotFoundException", f"Query {name!r} does not exist.", ResourceId=name)
        if self._faults.take(operation, faults.OF_AN_ANSWER):
            self._forget(submission)
            return self._find(request, operation)
        return submission, submission.statements[int(number) - 1] if number else None

    def _forget(self, submission: Submission) -> None:
        with self._lock:
            self._submissions.pop(submission.id, None)
            self._by_token = {token: other for token, other in self._by_token.items() if other is not submission}

    def _run(self, submission: Submission, fault: Fault | None) -> None:
        current = submission.statements[0]
        try:
            if fault and fault.do == "end_statement":
                self._end_badly(submission, current, fault["status"], fault["error"])
                return
            if fault:
                _hold(submission, fault)
            login = _read_login(submission.request["SecretArn"])
            open_session = functools.partial(self._sessions.open, submission.request["Database"], login)
            connection = open_session(autocommit=not submission.batch)
            with contextlib.closing(connection):
                submission.connection = connection
                for statement in submission.statements:
                    statement.pid = connection.info.backend_pid
                for current in submission.statements:
                    if submission.cancelled.is_set():
                        raise psycopg.errors.QueryCanceled("Query cancelled on user's request")
                    current.started, current.query_id = time.time(), next(_query_ids)
                    current.now("STARTED")
                    if submission.batch:
                        redshift_sql.refuse_in_transaction(current.sql)
                    if copy := copy_parquet.parse(current.sql):
                        current.result = Result(copy_parquet.run(connection, copy, current.query_id, open_session))
                    else:
                        current.result = _execute(connection, current)
                    if not submission.batch:
                        current.now("FINISHED")
                if submission.batch:
                    connection.commit()
                    for statement in submission.statements:
                        statement.now("FINISHED")
        except Exception as error:
            self._end_badly(submission, current, "ABORTED" if submission.cancelled.is_set() else "FAILED", _text_of(error))
        finally:
            with self._lock:
                submission.over, submission.connection = True, None

    def _end_badly(self, submission: Submission, current: Statement, status: str, text: str) -> None:
        log.info("%s: %s", current.id, text)
        submission.error = text
        current.now(status, text)
        for statement in submission.statements:
            statement.result = None
            if statement is not current:
                statement.now("ABORTED", "Its transaction was rolled back, because another statement of the batch failed.")


def _make(request: dict, sqls: list[str], batch: bool) -> Submission:
    identity, now = str(uuid.uuid4()), time.time()
    parameters = request.get("Parameters") or []
    # A batch's parameters belong to all of its statements; each takes those it names.
    bound = [bind(redshift_sql.translate(sql), [p for p in parameters if not batch or f":{p['name']}" in sql]) for sql in sqls]
    statements = [
        Statement(f"{identity}:{n}" if batch else identity, sql, command, values, now, updated=now)
        for n, (sql, (command, values)) in enumerate(zip(sqls, bound, strict=True), 1)
    ]
    return Submission(identity, request, batch, statements)


def _hold(submission: Submission, fault: Fault) -> None:
    for statement in submission.statements:
        statement.now(fault["status"])
    submission.cancelled.wait(fault["seconds"])  # what follows sees that it was cancelled


def _describe_batch(submission: Submission) -> dict:
    subs = submission.statements
    answer = subs[-1].describe()
    answer.pop("QueryString")
    answer["RedshiftQueryId"] = 0  # each of its statements has one
    if submission.error:
        answer["Error"] = submission.error
    return answer | {"SubStatements": [statement.describe() for statement in subs], "Duration": sum(s.describe()["Duration"] for s in subs)}


def _read_login(secret: str) -> dict[str, str]:
    try:
        text = clients.of_emulator("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise RuntimeError(f"The secret {secret} cannot be read: {error}") from error
    try:
        login = json.loads(text)
        return {"user": login["username"], "password": login["password"]}
    except (ValueError, KeyError, TypeError):
        raise RuntimeError(f"The secret {secret} must be JSON with username and password.") from None


def _execute(connection: psycopg.Connection, statement: Statement) -> Result:
    with connection.cursor() as cursor:
        cursor.execute(statement.command, statement.values)
        answer = cursor.pgresult
        if answer is None or answer.status != ExecStatus.TUPLES_OK:
            return Result(rows=max(cursor.rowcount, 0))
        columns = [_column(connection, column) for column in cursor.description]
        kinds = [column["typeName"] for column in columns]
        # The database's own text, not what Python would make of it.
        records = [[_field(answer.get_value(row, i), kind) for i, kind in enumerate(kinds)] for row in range(answer.ntuples)]
        return Result(len(records), columns, records)


def _column(connection: psycopg.Connection, column: psycopg.Column) -> dict:
    known = connection.adapters.types.get(column.type_code)
    kind = known.name if known else str(column.type_code)
    size = column.display_size or column.internal_size or 0
    return {
        "name": column.name,
        "label": column.name,
        "typeName": _TYPE_NAMES.get(kind, kind),
        "precision": column.precision or size,
        "scale": column.scale or 0,
        "length": size,
        "nullable": 1,
        "isSigned": kind in _LONG | _DOUBLE | {"numeric"},
        "isCaseSensitive": kind in {"varchar", "bpchar", "text"},
        "isCurrency": False,
        "schemaName": "",
        "tableName": "",
    }


def _field(value: bytes | None, kind: str) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    text = value.decode()
    if kind in _LONG:
        return {"longValue": int(text)}
    if kind in _DOUBLE:
        return {"doubleValue": float(text)}
    if kind == "bool":
        return {"booleanValue": text == "t"}
    return {"stringValue": text}


def _text_of(error: Exception) -> str:
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        detail = f"\n  Detail: {error.diag.message_detail}" if error.diag.message_detail else ""
        return f"{error.diag.severity or 'ERROR'}: {error.diag.message_primary}{detail}"
    return f"ERROR: {error}".strip() if not str(error).startswith("ERROR") else str(error)
