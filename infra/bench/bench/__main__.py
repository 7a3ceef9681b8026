"""`make bench`: makes the data and the programs, shows that all tools give the same result, then times them in turn.

    make bench [SIZES="1000000 10000000"] [FORMS="array ndjson"] [TOOLS="crosstally no_profile duckdb polars pandas parse_only"]
               [THREADS="1 2"] [REPS="3 1"] [LIMIT_GIB=12] [TIMEOUT=1800]

REPS has a number for each of SIZES; the last one goes for the rest. Every run goes to .local/bench/results.tsv, the tables to
.local/bench/table.md and to the screen.
"""

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import STATE

from bench import command, equality, inputs, measure, options, programs, table
from bench.options import LIMIT, Options
from bench.table import Case, Timing

FOLDER = STATE / "bench"
# The bags of rows are compared up to here; beyond it the counts and sums are.
LARGEST_COMPARED = 1_000_000


def main() -> None:
    if sys.platform != "linux":
        raise Failure("NotHere", "make bench needs Linux: it pins processors and reads /proc")
    chosen = options.read(os.environ, len(os.sched_getaffinity(0)))
    programs.ensure(chosen.tools)
    inputs.ensure(chosen.sizes)
    session = Session(chosen)
    for rows in chosen.sizes:
        session.verify(rows)
        session.time(rows)
    shutil.rmtree(session.out)
    text = f"{facts(chosen)}\n\n{table.markdown(table.medians(session.timings))}\n"
    (FOLDER / "table.md").write_text(text)
    print(text)


class Session:
    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen
        self.timings: list[Timing] = []
        self.reports: dict[int, dict] = {}  # what is right, by size
        self.out = FOLDER / "out"
        self.started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        shutil.rmtree(self.out, ignore_errors=True)

    def verify(self, rows: int) -> None:
        """Every tool once in every form; whoever gives another result than the first ends the session. Nothing here is timed."""
        reference: Path | None = None
        for form in self.chosen.forms:
            case = Case(rows, form, max(self.chosen.threads))
            for tool in self._tools():
                folder = self.out / f"{rows}-{form}-{tool}"
                run = self._run(case, tool, folder)
                say(f"check {describe(case, tool)}: {run.outcome}")
                if run.outcome != measure.OK:
                    # It has no figures in this form, with however many threads.
                    for threads in self.chosen.threads:
                        self._keep(Timing(case._replace(threads=threads), tool, run.outcome, 0, 0, 0), repetition=0)
                elif reference is None:
                    reference = folder
                elif rows <= LARGEST_COMPARED:
                    same_files(reference, folder)
                    shutil.rmtree(folder)
        if reference is None and self._tools():
            raise Failure("NoResult", f"no tool could do {rows:,} rows")
        depth = "rows, rules, counts and sums" if rows <= LARGEST_COMPARED else "counts and sums"
        say(f"check {rows:,} rows: all equal in {depth}: {self.reports.get(rows)}")
        shutil.rmtree(self.out, ignore_errors=True)

    def time(self, rows: int) -> None:
        broken = {(timing.case, timing.tool) for timing in self.timings}
        for repetition in range(1, self.chosen.repetitions[rows] + 1):
            # In turn, so that a drift of the machine hits all of them alike.
            for form in self.chosen.forms:
                for threads in self.chosen.threads:
                    case = Case(rows, form, threads)
                    for tool in self.chosen.tools:
                        if (case, tool) in broken or (tool == LIMIT and threads != self.chosen.threads[0]):
                            continue
                        folder = self.out / tool
                        run = self._run(case, tool, folder)
                        shutil.rmtree(folder)
                        self._keep(Timing(case, tool, run.outcome, run.cpu_seconds, run.wall_seconds, run.peak_mib), repetition)

    def _run(self, case: Case, tool: str, folder: Path) -> measure.Run:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = programs.command(tool, inputs.of(case.rows), case.form, folder, case.threads)
        run = measure.run(command, folder, case.threads, self.chosen.limit_gib, self.chosen.timeout_seconds)
        if run.outcome == measure.FAILED:
            raise Failure("ToolFailed", f"{describe(case, tool)} failed:\n{run.log}")
        if run.outcome == measure.OK and tool != LIMIT:
            differences = equality.of_reports(self.reports.setdefault(case.rows, run.report), run.report)
            if differences:
                raise Failure("NotEqual", f"{describe(case, tool)} gives another result than the first tool: " + "; ".join(differences))
        return run

    def _keep(self, timing: Timing, repetition: int) -> None:
        self.timings.append(timing)
        figures = [f"{timing.cpu:.3f}", f"{timing.wall:.3f}", f"{timing.peak:.0f}"]
        say(f"{repetition} {describe(timing.case, timing.tool):50} {timing.outcome}, CPU {figures[0]} s, wall {figures[1]} s, peak {figures[2]} MiB")
        file = FOLDER / "results.tsv"
        if not file.exists():
            file.write_text("session\trows\tform\tthreads\ttool\trepetition\toutcome\tcpu_seconds\twall_seconds\tpeak_mib\n")
        with file.open("a") as out:
            print(self.started, *timing.case, timing.tool, repetition, timing.outcome, *figures, sep="\t", file=out)

    def _tools(self) -> list[str]:
        return [tool for tool in self.chosen.tools if tool != LIMIT]


def same_files(one: Path, other: Path) -> None:
    # In a process of its own, since what this one grows to would show as the peak of the programs it starts.
    environment = {**os.environ, "PYTHONPATH": str(programs.BENCH_FOLDER)}
    compared = subprocess.run([programs.PYTHON, "-m", "bench.equality", one, other], env=environment, capture_output=True, text=True)
    if compared.returncode != 0:
        raise Failure("NotEqual", compared.stdout.strip() or compared.stderr.strip())


def facts(chosen: Options) -> str:
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    given = [f'{name}="{os.environ[name]}"' for name in ("SIZES", "FORMS", "TOOLS", "THREADS", "REPS", "LIMIT_GIB", "TIMEOUT") if os.environ.get(name)]
    runs = ", ".join(f"{count} of {rows:,} rows" for rows, count in chosen.repetitions.items())
    return (
        f"{' '.join(['make bench', *given])}, {datetime.now(UTC):%Y-%m-%d}: {cpu}, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB; "
        f"{', '.join(programs.versions(chosen.tools))}. Medians of interleaved runs ({runs}), input in the page cache; "
        f"N threads are pinned to N processors; out of memory means more than {chosen.limit_gib:g} GiB."
        + f" In brackets: ÷ {options.ENGINE}."
        * (options.ENGINE in chosen.tools)
    )


def describe(case: Case, tool: str) -> str:
    return f"{tool}, {case.rows:,} rows, {case.form}, {case.threads} thread{'s' * (case.threads > 1)}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.carry_out(main)
