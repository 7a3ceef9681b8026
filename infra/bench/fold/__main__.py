"""`make bench-fold`: fills a target and a staging table, and times the load's transaction and the naive one in turn, each from the same start.

    make bench-fold [STAGED=1000000] [TARGET=10000000] [REPS=3]

Every measurement goes to .local/bench/fold.tsv, the table to .local/bench/fold.md and to the screen.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import command
from laptop.failure import Failure
from laptop.paths import STATE

from fold import options, session, table
from fold.options import Options
from fold.session import Report

FOLDER = STATE / "bench"


def main() -> None:
    if sys.platform != "linux":
        raise Failure("NotHere", "make bench-fold needs Linux: it reads /proc")
    chosen = options.read(os.environ)
    FOLDER.mkdir(parents=True, exist_ok=True)
    report = session.measure(chosen, FOLDER / "fold", keep)
    text = f"{facts(chosen, report)}\n\n{table.markdown(report.seconds)}\n\n{findings(report)}\n"
    (FOLDER / "fold.md").write_text(text)
    print(text)


def keep(way: str, repetition: int, seconds: dict[str, float]) -> None:
    file = FOLDER / "fold.tsv"
    if not file.exists():
        file.write_text("time\tway\trepetition\tload_average\tstatement\tseconds\n")
    with file.open("a") as out:
        for name, taken in seconds.items():
            print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", way, repetition, f"{os.getloadavg()[0]:.2f}", name, f"{taken:.3f}", sep="\t", file=out)
    print(f"{repetition} {way:10} {sum(seconds.values()):.2f} s, load average {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)


def facts(chosen: Options, report: Report) -> str:
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    before, *after = report.load_averages
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"make bench-fold STAGED={chosen.staged} TARGET={chosen.target} REPS={chosen.repetitions}, {datetime.now(UTC):%Y-%m-%d}: {cpu}, "
        f"{len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB, load average {before:.1f} before and {min(after):.1f} to {max(after):.1f} in it; "
        f"PostgreSQL {report.server} with the laptop's settings. Medians of {chosen.repetitions} interleaved runs, "
        f"{chosen.staged:,} staged rows onto {chosen.target:,}. In brackets: ÷ naive."
    )


def findings(report: Report) -> str:
    return "\n".join(
        [
            f"- The table has {report.table_bytes / 2**20:,.0f} MiB before.",
            f"- The load: {', '.join(f'{count:,} {fate}' for fate, count in report.fates._asdict().items())}.",
            f"- Both ways leave the same row of each of the {report.rows:,} keys. The naive way leaves {report.surplus:,} rows more, "
            "earlier ones of keys that were staged twice.",
        ]
    )


if __name__ == "__main__":
    command.carry_out(main)
