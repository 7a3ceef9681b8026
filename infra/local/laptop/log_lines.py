"""What a log says."""

from pathlib import Path


def of(log: Path) -> list[str]:
    """Its lines as a terminal would show them: what a carriage return has overwritten is gone."""
    return [line.rstrip("\r").rpartition("\r")[2] for line in log.read_bytes().decode(errors="replace").rstrip().split("\n")]


def tidy(log: Path) -> None:
    """Leaves of it what a terminal would show. cargo's progress is thousands of lines that nobody reads afterwards."""
    log.write_text("\n".join(of(log)) + "\n")


def most_telling(lines: list[str]) -> str:
    """The line that says why it failed: the first error of a compiler, else the last one of another program, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    of_compiler = [line for line in said if line.startswith(("error:", "error["))]
    of_others = [line for line in said if line.lower().startswith(("error", "failed", "build failed"))]
    return next(iter([*of_compiler[:1], *of_others[-1:], *said[-1:]]), "it said nothing")
