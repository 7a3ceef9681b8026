"""The Python environments of the checkout: the stack's, that of sam, whose pins differ, and those that only lint and tests need."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE, DATACONTRACT_VENV, LINT_VENV, LOCAL_FOLDER, PAGES_VENV, SAM_VENV, STATE, VENV
from laptop.setup import stamp

FALLBACKS = LOCAL_FOLDER / "requirements-fallback.txt"


def ensure() -> None:
    _ensure_venv(VENV, "pytest", "requirements")
    _ensure_venv(SAM_VENV, "sam", "requirements-sam")


def ensure_for_tests() -> None:
    _ensure_venv(DATACONTRACT_VENV, "datacontract", "requirements-datacontract")
    _ensure_venv(LINT_VENV, "checkov", "requirements-lint")
    _ensure_venv(PAGES_VENV, "playwright", "requirements-pages")


def install_fallback(name: str, package: str, product: str) -> str:
    """Installs one of the parts that stand in for what the machine lacks, in a folder of its own; returns the path of `product` in there."""
    requirement = next(line for line in FALLBACKS.read_text().splitlines() if line.startswith(f"{package}=="))
    folder = STATE / name

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        _pip(VENV, "install", "--no-deps", "--target", folder, requirement)

    stamp.ensure(folder / product, [sys.version, requirement], make)
    return str(folder / product)


def make_environment(venv: Path, requirements: Path, lock: Path) -> None:
    """A new virtual environment with what `requirements` names, in the versions of `lock`."""
    if importlib.util.find_spec("ensurepip") is None:
        raise Failure("SetupFailed", f"{sys.executable} cannot make virtual environments; install its venv package (Debian: apt install python3-venv)")
    shutil.rmtree(venv, ignore_errors=True)
    stamp.command(sys.executable, "-m", "venv", venv)
    # What comes as source is built with the pinned tools, not with the newest of the day.
    build_tools = [line for line in lock.read_text().splitlines() if line.startswith(("setuptools==", "wheel=="))]
    if build_tools:
        _pip(venv, "install", *build_tools)
    _pip(venv, "install", "--no-build-isolation", "--requirement", requirements, "--constraint", lock)


def _ensure_venv(venv: Path, program: str, name: str) -> None:
    requirements, lock = LOCAL_FOLDER / f"{name}.txt", LOCAL_FOLDER / f"{name}.lock"
    stamp.ensure(venv / "bin" / program, [sys.version, requirements, lock], lambda: make_environment(venv, requirements, lock))


def _pip(venv: Path, *words: Path | str) -> None:
    environment = dict(os.environ, PIP_CACHE_DIR=str(CACHE / "pip"), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.pop("PYTHONPATH", None)
    stamp.command(venv / "bin" / "python", "-m", "pip", "--quiet", *words, env=environment)
