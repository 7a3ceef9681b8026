"""The laptop's Postgres with one more right for its user: to copy a database, which brings a start state back."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
from laptop import postgres
from laptop.postgres import Warehouse
from psycopg import sql

MEASURED = "measured"


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Warehouse]:
    folder.mkdir(parents=True, exist_ok=True)
    left_over = folder / "warehouse-folder"
    if left_over.exists():  # of a session that was killed
        shutil.rmtree(left_over.read_text(), ignore_errors=True)
    component, warehouse = postgres.start(folder, folder / "postgres")
    try:
        _allow_copies(warehouse)
        yield warehouse
    finally:
        component.stop()
        shutil.rmtree(warehouse.folder)
        left_over.unlink()


@contextlib.contextmanager
def copied(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A database with what is in the warehouse now, for as long as it is needed. Nobody may be connected to the warehouse meanwhile."""
    # As files: the other way there is since 15 writes every page to the log. It ends with a checkpoint, so nothing of it is left to be written later.
    strategy = "" if _version(warehouse) < 150000 else " STRATEGY file_copy"
    copy = replace(warehouse, database=MEASURED)
    _outside(warehouse, f"CREATE DATABASE {MEASURED} TEMPLATE {warehouse.database}{strategy}")
    try:
        yield copy
    finally:
        _outside(warehouse, f"DROP DATABASE {MEASURED}")


def _outside(warehouse: Warehouse, statement: str) -> None:
    with replace(warehouse, database="postgres").connect() as connection:
        connection.execute(statement)


def _version(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        return connection.info.server_version


def _allow_copies(warehouse: Warehouse) -> None:
    """Nobody knows the admin's password any more, so this throwaway server lets it in without one, for this one statement."""
    data = warehouse.folder / "data"
    access = data / "pg_hba.conf"
    usual = access.read_text()
    server = int((data / "postmaster.pid").read_text().split("\n")[0])
    access.write_text("host postgres admin 127.0.0.1/32 trust\n" + usual)
    try:
        os.kill(server, signal.SIGHUP)
        with _admitted(warehouse) as connection:
            connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(warehouse.user)))
    finally:
        access.write_text(usual)
        os.kill(server, signal.SIGHUP)


def _admitted(warehouse: Warehouse) -> psycopg.Connection:
    """It reads its file of rules some time after it was told to."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return psycopg.connect(host="127.0.0.1", port=warehouse.port, dbname="postgres", user="admin", autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
