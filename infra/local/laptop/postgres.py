"""Postgres in Redshift's place: started from nothing, thrown away at the end."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from laptop.failure import Failure
from laptop.processes import Component, start_on_a_free_port
from laptop.setup import machine


@dataclass
class Warehouse:
    """Postgres in Redshift's place, with a database owned by an ordinary user: a superuser would be allowed what Redshift forbids."""

    folder: Path
    port: int = 0
    database: str = "dev"
    user: str = "loader"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=self.database, user=self.user, password=self.password, autocommit=True)

    @property
    def jdbc_url(self) -> str:
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{self.database}"


def start(logs: Path, folder: Path) -> tuple[Component, Warehouse]:
    programs = Path(machine.recall()["postgres"])
    account = _account_for_postgres()
    log = logs / "postgres.log"
    warehouse = Warehouse(folder)
    if account:
        warehouse.folder = _reachable_folder(account)
        programs = _reachable_programs(programs, account, warehouse.folder)
    # The stack notes where its data are, so that the next one can remove what a killed one left behind.
    (folder.parent / "warehouse-folder").write_text(str(warehouse.folder))
    data, password_file = warehouse.folder / "data", warehouse.folder / "password"
    data.mkdir(parents=True)
    admin = secrets.token_urlsafe(18)
    password_file.write_text(admin)
    options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"} if account else {}
    if account:
        for path in (data, password_file):
            os.chown(path, account.pw_uid, account.pw_gid)
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "admin", "--pwfile", password_file, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"],
        capture_output=True,
        text=True,
        **options,
    )
    password_file.unlink()
    log.write_text(made.stdout + made.stderr)
    if made.returncode != 0:
        raise Failure("StackFailed", f"initdb ended with exit code {made.returncode}: {made.stderr.strip()}", [log])

    def serve(port: int) -> Component:
        # It is thrown away at the end, so nothing needs to survive a crash.
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off", "timezone=UTC"]
        return Component(
            "postgres",
            log,
            [programs / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))],
            stop_signal=signal.SIGINT,  # "fast": it does not wait for clients
            **options,
        )

    def ready(port: int) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            with psycopg.connect(host="127.0.0.1", port=port, dbname="postgres", user="admin", password=admin, autocommit=True) as connection:
                names = {"user": sql.Identifier(warehouse.user), "database": sql.Identifier(warehouse.database)}
                connection.execute(sql.SQL("CREATE ROLE {user} LOGIN PASSWORD {password}").format(password=sql.Literal(warehouse.password), **names))
                connection.execute(sql.SQL("CREATE DATABASE {database} OWNER {user}").format(**names))
            return True
        return False

    component, warehouse.port = start_on_a_free_port(serve, ready)
    return component, warehouse


def _account_for_postgres() -> pwd.struct_passwd | None:
    """Postgres refuses to run as root, so root lends it another account."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Failure("StackFailed", "Postgres does not run as root, and this machine has neither a user postgres nor nobody; run as an ordinary user")


def _reachable_folder(account: pwd.struct_passwd) -> Path:
    """A root's checkout, and even its TMPDIR, may be closed to others; then the data lie in the system's folder for temporary files."""
    for parent in dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"]):
        if _may(account, "-x", Path(parent)):
            folder = Path(tempfile.mkdtemp(prefix="crosstally-postgres-", dir=parent))
            os.chown(folder, account.pw_uid, account.pw_gid)
            return folder
    raise Failure("StackFailed", f"the user {account.pw_name} can reach no folder for temporary files")


def _reachable_programs(programs: Path, account: pwd.struct_passwd, folder: Path) -> Path:
    if _may(account, "-x", programs / "initdb"):
        return programs
    # They find their libraries and templates relative to themselves, also one folder further up (the wheel's `.libs`).
    install, top = programs.parent, programs.parents[2]
    copy = folder / "programs"
    for part in [install, *top.glob("*.libs")]:
        shutil.copytree(part, copy / part.relative_to(top), symlinks=True, ignore=shutil.ignore_patterns("include"))
    return copy / programs.relative_to(top)


def _may(account: pwd.struct_passwd, test: str, path: Path) -> bool:
    command = ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]  # not through a PATH that the account may be unable to read
    return subprocess.run(command, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/").returncode == 0
