"""Runs somebody else's program, and tells its failure from its findings."""

import subprocess
from pathlib import Path


def run(*words: str | Path, cwd: Path | None = None, finds: frozenset[int] = frozenset({0})) -> subprocess.CompletedProcess[str]:
    """`finds`: the exit codes with which the program says that it has done its work."""
    ended = subprocess.run([str(word) for word in words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if ended.returncode not in finds:
        said = (ended.stderr or ended.stdout).strip()[-2000:]
        raise RuntimeError(f"{Path(words[0]).name} ended with exit code {ended.returncode} and did not do its work: {said}")
    return ended
