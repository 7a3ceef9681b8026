"""The two ways to bring staging into the target, timed statement by statement, and what each leaves in the table."""

import time
from typing import NamedTuple

import psycopg
from psycopg import sql

from fold.rendered import Rendered

OURS, NAIVE = "crosstally", "naive"
WAYS = [OURS, NAIVE]


class Statement(NamedTuple):
    name: str
    sql: str | sql.Composable


class Outcome(NamedTuple):
    rows: int  # one a key: that of the latest source
    digest: int  # of the keys and contents of those, in whatever order
    surplus: int  # rows beside them, which nobody should meet


def statements(way: str, run: Rendered, run_id: str) -> list[Statement]:
    return [Statement(s["name"], s["sql"]) for s in run.load["transaction"]] if way == OURS else _naive(run, run_id)


def transact(connection: psycopg.Connection, statements: list[Statement]) -> dict[str, float]:
    """Seconds of each statement of one transaction, its end included."""
    seconds = {}
    for name, statement in [Statement("begin", "BEGIN"), *statements, Statement("commit", "COMMIT")]:
        started = time.perf_counter()
        connection.execute(statement)
        seconds[name] = time.perf_counter() - started
    return seconds


def outcome(connection: psycopg.Connection, run: Rendered) -> Outcome:
    query = sql.SQL("""
        SELECT COUNT(*) FILTER (WHERE rank = 1), SUM(hash) FILTER (WHERE rank = 1), COUNT(*) FILTER (WHERE rank > 1)
        FROM (
          SELECT CAST(hashtextextended(CAST(ROW({columns}) AS TEXT), 0) AS NUMERIC) AS hash,
            ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {source}) AS rank
          FROM {target}
        ) ranked""")
    latest = sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name in run.source)
    return Outcome(*connection.execute(query.format(columns=names(run.columns), key=names(run.key), source=latest, target=target(run))).fetchone())


def names(columns: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def target(run: Rendered) -> sql.Identifier:
    return sql.Identifier(run.schema, run.table)


def staging(run: Rendered, which: int = 0) -> sql.Identifier:
    return sql.Identifier(*run.staging[which].split("."))


def _naive(run: Rendered, run_id: str) -> list[Statement]:
    same_key = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in run.key)
    delete = sql.SQL("DELETE FROM {} t USING {} s WHERE {}").format(target(run), staging(run), same_key)
    insert = sql.SQL("INSERT INTO {} SELECT {}, {}, {}, CURRENT_TIMESTAMP FROM {}").format(
        target(run), names(run.columns), sql.Literal(run_id), names(run.source), staging(run)
    )
    return [Statement("delete", delete), Statement("insert", insert)]
