"""One session: the start state is made once, and every measurement begins with a copy of it."""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from laptop.failure import Failure
from psycopg import sql

from fold import database, rows, table, ways
from fold.options import Options
from fold.rendered import Rendered, Run, render
from fold.rows import Fates
from fold.table import Seconds
from fold.ways import NAIVE, OURS, WAYS, Outcome

EARLIER = Run("bench-earlier", rows.SOURCE_URI, "0000000000000001", "2026-01-01T00:00:00Z", 0, 0, {}, {})

# Measured, rounded up: the start state, its copy, what a transaction adds to that, and the log.
_BYTES_A_ROW = 700
_SPARE_BYTES = 3 << 30


@dataclass
class Report:
    seconds: dict[str, list[Seconds]]
    fates: Fates
    rows: int
    surplus: int
    table_bytes: int
    server: str
    load_averages: list[float]  # before the session, and after each measurement


def measure(chosen: Options, folder: Path, keep: Callable[[str, int, Seconds], None]) -> Report:
    """`keep` is told of every measurement as soon as there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("Busy", f"another session holds {folder}; wait for its end") from None
        with database.started(folder) as warehouse:
            free, needed = shutil.disk_usage(warehouse.folder).free, room(chosen)
            if free < needed:
                raise Failure("DiskFull", f"{warehouse.folder} has {free >> 20:,} MiB free, and {needed >> 20:,} MiB are needed; give a smaller TARGET")
            return _measure(chosen, warehouse, keep)


def room(chosen: Options) -> int:
    return (chosen.target + chosen.staged) * _BYTES_A_ROW + _SPARE_BYTES


def _measure(chosen: Options, warehouse: database.Warehouse, keep: Callable[[str, int, Seconds], None]) -> Report:
    load_averages = [os.getloadavg()[0]]
    with warehouse.connect() as connection:
        run, rendered = prepare(connection, chosen)
        table_bytes = connection.execute("SELECT pg_table_size(CAST(%s AS REGCLASS))", [ways.target(rendered).as_string()]).fetchone()[0]
    seconds: dict[str, list[Seconds]] = {way: [] for way in WAYS}
    outcomes: dict[str, Outcome] = {}
    for repetition in range(1, chosen.repetitions + 1):
        # In turn, so that a drift of the machine hits both alike.
        for way in WAYS:
            with database.copied(warehouse) as copy, copy.connect() as connection:
                server = connection.info.parameter_status("server_version")
                taken = ways.transact(connection, ways.statements(way, rendered, run.run_id))
                load_averages.append(os.getloadavg()[0])
                keep(way, repetition, taken)
                seconds[way].append(taken)
                if repetition == 1:
                    outcomes[way] = ways.outcome(connection, rendered)
                    if way == OURS:
                        _check_fates(connection, run, rows.fates(chosen.staged))
    if wrong := table.difference(outcomes):
        raise Failure("NotEqual", wrong)
    return Report(seconds, rows.fates(chosen.staged), outcomes[OURS].rows, outcomes[NAIVE].surplus, table_bytes, server, load_averages)


def prepare(connection: psycopg.Connection, chosen: Options) -> tuple[Run, Rendered]:
    """An earlier load with the target's rows, and the staged rows of the load to be measured."""
    say(f"data: {chosen.target:,} rows, and {chosen.staged:,} staged ...")
    # The earlier load makes the tables and its ledger row by itself, and loads nothing; its rows need not come through staging.
    earlier = render(EARLIER)
    _run(connection, earlier, "prepare")
    ways.transact(connection, ways.statements(OURS, earlier, EARLIER.run_id))
    _run(connection, earlier, "cleanup")
    _insert(connection, ways.target(earlier), rows.in_target(chosen.target, EARLIER.run_id))

    # Staging is named by the run alone, so this can be rendered before the run's sums are known.
    run = Run("bench", rows.SOURCE_URI, "0000000000000002", "2026-01-02T00:00:00Z", 0, 0, {}, {})
    rendered = render(run)
    _run(connection, rendered, "prepare")
    quarantined = chosen.staged // 100
    _insert(connection, ways.staging(rendered), rows.staged(chosen.staged, chosen.target))
    _insert(connection, ways.staging(rendered, 1), rows.quarantined(quarantined))
    for filled in (ways.target(rendered), ways.staging(rendered)):
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(filled))
    run = _with_books(connection, run, rendered, quarantined)
    return run, render(run)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _with_books(connection: psycopg.Connection, run: Run, rendered: Rendered, quarantined: int) -> Run:
    sums = sql.SQL(", ").join(sql.SQL("CAST(SUM({}) AS TEXT)").format(sql.Identifier(name)) for name in rendered.summed)
    query = sql.SQL("SELECT COUNT(*), COUNT(*) FILTER (WHERE _matched), {} FROM {}").format(sums, ways.staging(rendered))
    clean, matched, *found = connection.execute(query).fetchone()
    sums_by_column = dict(zip(rendered.summed, found, strict=True))
    return replace(run, rows_clean=clean, rows_matched=matched, quarantined_by_rule={"amount.type": quarantined}, sums=sums_by_column)


def _check_fates(connection: psycopg.Connection, run: Run, expected: Fates) -> None:
    """The books that the load has kept of itself must say what the data were made of."""
    columns = sql.SQL(", ").join(sql.Identifier(f"rows_{fate}") for fate in Fates._fields)
    found = connection.execute(sql.SQL("SELECT {} FROM crosstally.ledger WHERE run_id = {}").format(columns, sql.Literal(run.run_id))).fetchone()
    if found is None or Fates(*found) != expected:
        raise Failure("NotEqual", f"the load should have had {expected}, and the ledger has {found}")


def _run(connection: psycopg.Connection, rendered: Rendered, phase: str) -> None:
    for statement in rendered.load[phase]:
        connection.execute(statement["sql"])


def _insert(connection: psycopg.Connection, into: sql.Identifier, query: str) -> None:
    connection.execute(sql.SQL("INSERT INTO {} ").format(into) + sql.SQL(query))
