"""Runs to medians to Markdown. Pure: it reads and writes nothing."""

from statistics import median
from typing import NamedTuple

from fetch.options import LEGS

OURS, RCLONE = "crosstally", "rclone"
TOOLS = [OURS, RCLONE]
# Of the processors' time: a server that is busy for so much of a run has no room for more.
_BUSY = 0.8


class Copied(NamedTuple):
    """One copy of the blob."""

    leg: str
    tool: str
    size: int  # bytes
    wall: float
    cpu: float
    peak_mib: float
    servers: dict[str, float]  # CPU seconds of each server meanwhile


class Figures(NamedTuple):
    mb_per_second: float
    cpu_per_gb: float
    peak_mib: float
    servers_per_gb: float


ROWS = {
    "mb_per_second": "MB/s",
    "cpu_per_gb": "CPU seconds per GB",
    "peak_mib": "peak resident MiB",
    "servers_per_gb": "CPU seconds per GB of the two servers",
}


def figures(runs: list[Copied]) -> Figures:
    return Figures(
        mb_per_second=median(run.size / 1e6 / run.wall for run in runs),
        cpu_per_gb=median(run.cpu / (run.size / 1e9) for run in runs),
        peak_mib=median(run.peak_mib for run in runs),
        servers_per_gb=median(sum(run.servers.values()) / (run.size / 1e9) for run in runs),
    )


def of(runs: list[Copied], leg: str, tool: str) -> list[Copied]:
    return [run for run in runs if (run.leg, run.tool) == (leg, tool)]


def markdown(runs: list[Copied]) -> str:
    lines = [f"| | | {OURS} | {RCLONE} | {OURS} ÷ {RCLONE} |", "|---|---|---:|---:|---:|"]
    for leg in dict.fromkeys(run.leg for run in runs):
        ours, theirs = (figures(of(runs, leg, tool)) for tool in TOOLS)
        for name, title in ROWS.items():
            mine, other = getattr(ours, name), getattr(theirs, name)
            shown = [f"{value:,.0f}" if name in ("mb_per_second", "peak_mib") else f"{value:.2f}" for value in (mine, other)]
            lines.append(f"| {LEGS[leg]} | {title} | {shown[0]} | {shown[1]} | {f'{mine / other:.2f}' if other else '–'} |")
    return "\n".join(lines)


def limits(runs: list[Copied]) -> list[str]:
    """Where a server had no room for more, and so the tool before it cannot be the limit."""
    notes = []
    for leg in dict.fromkeys(run.leg for run in runs):
        for tool in TOOLS:
            some = of(runs, leg, tool)
            for server in some[0].servers:
                busy = median(run.servers[server] / run.wall for run in some)
                if busy >= _BUSY:
                    notes.append(f"- {LEGS[leg]}, {tool}: the limit is {server}, which was busy for {busy:.0%} of the time of one processor.")
    return notes
