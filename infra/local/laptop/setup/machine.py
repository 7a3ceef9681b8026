"""Which of the machine's own tools are used, remembered so that looking costs nothing the next time."""

import hashlib
import json
import os
import sys
import threading
from pathlib import Path

from laptop.paths import LOCAL_FOLDER, STATE

# PINNED=1 ignores the machine's own Node, Java, Postgres and JDBC driver: everybody then runs the same ones.
PINNED_ONLY = os.environ.get("PINNED") == "1"

_FILE = STATE / "machine.json"
_writing = threading.Lock()


def recall() -> dict[str, str]:
    """What the set-up chose: the node program, the Java home, the folder of Postgres' programs, the JDBC driver's jar."""
    return json.loads(_FILE.read_text())["tools"]


def recall_if_unchanged() -> dict[str, str]:
    """For the set-up: the tools chosen before, as far as the machine looks the same and they still exist."""
    try:
        known = json.loads(_FILE.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if known.get("looks") != _looks():
        return {}
    return {name: path for name, path in known.get("tools", {}).items() if Path(path).exists()}


def remember(name: str, path: str) -> None:
    with _writing:
        tools = recall_if_unchanged() | {name: path}
        scratch = _FILE.with_suffix(".new")
        scratch.write_text(json.dumps({"looks": _looks(), "tools": tools}, indent=2))
        scratch.replace(_FILE)


def _looks() -> list[str]:
    """What the choice depends on: the machine, the user's wishes, and the pins of what stands in for what the machine lacks."""
    pins = hashlib.sha256((LOCAL_FOLDER / "requirements-fallback.lock").read_bytes()).hexdigest()
    return [sys.version, os.environ.get("PATH", ""), os.environ.get("JAVA_HOME", ""), str(PINNED_ONLY), pins]
