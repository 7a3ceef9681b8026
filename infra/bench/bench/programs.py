"""The programs of a session: the engine and the limit, which cargo builds, and the jobs of the peers, which have a Python of their own."""

import subprocess
import sys
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import ROOT, STATE
from laptop.setup import python, stamp

from bench.options import ENGINE, FORMS, LIMIT, PEERS, PLAIN

BENCH_FOLDER = Path(__file__).resolve().parents[1]
PYTHON = STATE / "bench" / "venv" / "bin" / "python"
_LOCK = BENCH_FOLDER / "requirements.lock"
_EXAMPLES = {ENGINE: "merge_files", PLAIN: "merge_files", LIMIT: "parse_only"}


def ensure(tools: list[str]) -> None:
    # Also without peers: DuckDB is who compares the files.
    stamp.ensure(PYTHON, [sys.version, _LOCK], lambda: python.make_environment(PYTHON.parents[1], _LOCK))
    names = dict.fromkeys(_EXAMPLES[tool] for tool in tools if tool in _EXAMPLES)
    examples = [word for name in names for word in ("--example", name)]
    if (
        examples
        and subprocess.run(["cargo", "build", "--release", "--locked", "-p", "merge-and-clean", "--features", "bench", *examples], cwd=ROOT).returncode != 0
    ):
        raise Failure("BuildFailed", "cargo could not build " + " and ".join(examples[1::2]))


def command(tool: str, data: Path, form: str, out: Path, threads: int) -> list[str]:
    transactions = str(data / FORMS[form])
    if tool == LIMIT:
        return [str(_example(LIMIT)), transactions]
    words = ["--customers", str(data / "customers.csv"), "--transactions", transactions, "--out", str(out), "--threads", str(threads)]
    if tool in (ENGINE, PLAIN):
        profile = "yes" if tool == ENGINE else "no"
        return [str(_example(tool)), "--contract", str(ROOT / "contract.odcs.yaml"), "--profile", profile, *words]
    return [str(PYTHON), str(BENCH_FOLDER / "jobs" / f"with_{tool}.py"), "--form", form, *words]


def versions(tools: list[str]) -> list[str]:
    """As people write them; the lock is what is installed."""
    pins = dict(line.split("==") for line in _LOCK.read_text().splitlines() if "==" in line)
    found = [f"{tool} {pins[tool]}" for tool in tools if tool in PEERS]
    if any(tool in _EXAMPLES for tool in tools):
        found = [" ".join(_output("rustc", "--version").split()[:2]), *found]
    if ENGINE in tools:
        changed = " with changes" if _output("git", "status", "--porcelain", "--untracked-files=no") else ""
        found = [f"{ENGINE} {_output('git', 'rev-parse', '--short', 'HEAD') or 'of no commit'}{changed}", *found]
    return found


def _example(tool: str) -> Path:
    return ROOT / "target" / "release" / "examples" / _EXAMPLES[tool]


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""
