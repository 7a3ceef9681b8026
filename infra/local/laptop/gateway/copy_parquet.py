"""Redshift's COPY of Parquet files that a manifest names: read from S3, checked as strictly as Redshift does, and sent through the statement's session."""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from botocore.exceptions import ClientError
from psycopg import sql

from laptop import clients
from laptop.gateway import parquet_rows
from laptop.gateway.parquet_rows import Column, LoadError
from laptop.gateway.redshift_serverless import ROLES
from laptop.gateway.sql_tokens import Token, tokenize

_COLUMNS = """
SELECT attname, typname, atttypmod, attnotnull FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_SESSION = """
SELECT usesysid, pg_current_xact_id()::text::bigint, pg_backend_pid(), current_database(), to_regclass(%s)::oid, clock_timestamp() AT TIME ZONE 'UTC'
FROM pg_user WHERE usename = user
"""
_ERROR = """
INSERT INTO redshift_system.sys_load_error_detail (query_id, user_id, transaction_id, session_id, database_name, table_id, start_time,
  file_name, line_number, column_name, column_type, column_length, position, error_code, error_message)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s)
"""


@dataclass(frozen=True)
class Copy:
    table: tuple[str, ...]  # its name, after that of its schema, if one is given
    manifest: str
    role: str  # empty: the namespace's default


def parse(statement: str) -> Copy | None:
    """The COPY that a statement is; nothing if it is something else."""
    tokens = [token for token in tokenize(statement) if token.is_code]
    if not tokens or tokens[0].word != "COPY":
        return None
    words = _Words(tokens[1:])
    table = [words.name()]
    while words.skip("."):
        table.append(words.name())
    words.expect("FROM")
    manifest, options = words.string(), set()
    while option := words.next_option():
        if option in options:
            raise psycopg.errors.SyntaxError(f"conflicting or redundant options: {option}")
        options.add(option)
    if options != {"IAM_ROLE", "PARQUET", "MANIFEST"}:
        raise psycopg.errors.FeatureNotSupported("the laptop's COPY needs IAM_ROLE, FORMAT AS PARQUET and MANIFEST, and knows nothing else")
    return Copy(tuple(table), manifest, words.role)


def run(connection: psycopg.Connection, copy: Copy, query: int, open_session: Callable[..., psycopg.Connection]) -> int:
    """Carries a COPY out; returns the number of rows. Why it failed is told in a session of its own, so that it outlives the rollback."""
    if copy.role and copy.role not in ROLES:
        raise psycopg.errors.InternalError_(f"Not authorized to get credentials of role {copy.role}")
    table = sql.Identifier(*copy.table)
    session = connection.execute(_SESSION, [table.as_string(connection)]).fetchone()
    table_id = session[4]
    if table_id is None:
        raise psycopg.errors.UndefinedTable(f"Cannot COPY into nonexistent table {copy.table[-1]}")
    columns = [_column(*row) for row in connection.execute(_COLUMNS, [table_id])]
    try:
        return _load(connection, table, columns, copy.manifest)
    except LoadError as error:
        column = error.column
        about = [column.name, column.kind.replace("bpchar", "char")[:10], column.limit[:10]] if column else ["", "", ""]
        with contextlib.closing(open_session(autocommit=True)) as log:
            log.execute(_ERROR, [query, *session, error.file[:256], error.line, *about, error.code, str(error)[:512]])
        text = f"Load into table '{copy.table[-1]}' failed. Check 'sys_load_error_detail' system table for details."
        raise psycopg.errors.InternalError_(text) from error


def _load(connection: psycopg.Connection, table: sql.Identifier, columns: list[Column], manifest: str) -> int:
    client, found, url = clients.of_emulator("s3"), 0, manifest
    try:
        with connection.cursor() as cursor:
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as target:
                for url, mandatory, length in _entries(client, manifest):
                    with tempfile.TemporaryFile() as file:
                        if _fetch(client, url, file, length, mandatory):
                            found += 1
                            for rows in parquet_rows.read(file, url, columns):
                                target.write(rows)
                if not found:
                    raise LoadError(parquet_rows.NOT_READABLE, f"No file that the manifest names was found: {manifest}", manifest)
            return cursor.rowcount
    except (psycopg.DataError, psycopg.IntegrityError) as error:  # it says so at the end, so this may not be the file
        raise LoadError(parquet_rows.SCAN, error.diag.message_primary or str(error), url) from error


def _entries(client, manifest: str) -> Iterator[tuple[str, bool, int]]:
    with tempfile.TemporaryFile() as file:
        _fetch(client, manifest, file, None, mandatory=True)
        try:
            entries = [(entry["url"], entry.get("mandatory", False), entry.get("meta")) for entry in json.load(file)["entries"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LoadError(parquet_rows.NOT_READABLE, f"Problem reading manifest file - {type(error).__name__}: {error}", manifest) from error
    for url, mandatory, meta in entries:
        if not isinstance(meta, dict) or "content_length" not in meta:
            missing = "content_length" if isinstance(meta, dict) else "meta"
            raise LoadError(parquet_rows.MANIFEST, f"File entry does not have '{missing}' key. File name: {url}", manifest)
        yield url, mandatory, meta["content_length"]


def _fetch(client, url: str, file, length: int | None, mandatory: bool) -> bool:
    """Copies an object to a file, for Parquet is read from its end; says whether it was there."""
    parts = urlsplit(url)
    try:
        answer = client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
    except ClientError as error:
        detail, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404 and not mandatory:
            return False
        text = f"S3ServiceException:{detail['Message']},Status {status},Error {detail['Code']} File name: {url}"
        raise LoadError(parquet_rows.NOT_READABLE, text, url) from error
    if length is not None and answer["ContentLength"] != length:
        raise LoadError(parquet_rows.MANIFEST, f"The manifest gives {url} a content_length of {length}; it has {answer['ContentLength']} bytes.", url)
    shutil.copyfileobj(answer["Body"], file, 1 << 20)
    file.seek(0)
    return True


def _column(name: str, kind: str, modifier: int, not_null: bool) -> Column:
    # Postgres keeps length, precision and scale in one number, 4 too high; -1 says that there are none.
    length = modifier - 4 if kind in ("varchar", "bpchar") and modifier >= 0 else None
    precision, scale = ((modifier - 4) >> 16, (modifier - 4) & 0x7FF) if kind == "numeric" and modifier >= 0 else (None, None)
    return Column(name, kind, length, precision, scale, not_null)


class _Words:
    """Reads a statement's tokens one after the other."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens[:-1] if tokens and tokens[-1].text == ";" else tokens
        self._next = 0
        self.role = ""

    def name(self) -> str:
        token = self._take("word", "name")
        return token.text.lower() if token.kind == "word" else token.text[1:-1].replace('""', '"')

    def string(self) -> str:
        return re.sub(r"\\(.)|'(')", r"\1\2", self._take("string").text[1:-1])

    def skip(self, text: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next].text.upper() == text:
            self._next += 1
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.skip(word):
            self._refuse()

    def next_option(self) -> str:
        """The option that follows; empty at the end."""
        if self._next == len(self._tokens):
            return ""
        if self.skip("IAM_ROLE"):
            if not self.skip("DEFAULT"):
                self.role = self.string()
            return "IAM_ROLE"
        if self.skip("MANIFEST"):
            return "MANIFEST"
        if self.skip("FORMAT"):
            self.skip("AS")
        self.expect("PARQUET")
        return "PARQUET"

    def _take(self, *kinds: str) -> Token:
        if self._next == len(self._tokens) or self._tokens[self._next].kind not in kinds:
            self._refuse()
        self._next += 1
        return self._tokens[self._next - 1]

    def _refuse(self) -> None:
        place = f'or near "{self._tokens[self._next].text}"' if self._next < len(self._tokens) else "end of input"
        raise psycopg.errors.SyntaxError(f"syntax error at {place}")
