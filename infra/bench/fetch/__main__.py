"""`make bench-fetch`: copies one blob to S3 with the function and with rclone in turn, between emulators and between servers that cost nothing.

    make bench-fetch [SIZE_MIB=1024] [REPS=3] [LEGS="emulated static scan"]

Every measurement goes to .local/bench/fetch.tsv, the table to .local/bench/fetch.md and to the screen.
"""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import command, measure
from laptop.failure import Failure
from laptop.paths import ROOT, STATE

from fetch import function, options, rclone, source, table
from fetch.options import LEGS, SCAN, Options
from fetch.stores import Stores
from fetch.table import OURS, RCLONE, Copied

FOLDER = STATE / "bench"
_LIMIT_GIB, _TIMEOUT_SECONDS = 4.0, 1800.0


def main() -> None:
    if sys.platform != "linux":
        raise Failure("NotHere", "make bench-fetch needs Linux: it reads /proc")
    chosen = options.read(os.environ)
    binary, program = function.ensure(), rclone.ensure()
    file = source.ensure(chosen.size_bytes)
    before = os.getloadavg()[0]
    runs = [run for leg in chosen.legs if leg != SCAN for run in _leg(leg, chosen, file, binary, program)]
    parts = [_facts(chosen, before, program)]
    if runs:
        parts += [table.markdown(runs), "\n".join(table.limits(runs))]
    if SCAN in chosen.legs:
        parts.append(_scan(chosen, file))
    text = "\n\n".join(part for part in parts if part) + "\n"
    (FOLDER / "fetch.md").write_text(text)
    print(text)


def _leg(leg: str, chosen: Options, file: Path, binary: str, program: str) -> list[Copied]:
    folder, runs = FOLDER / "fetch", []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stores = Stores(leg, file, folder)
    try:
        for repetition in range(1, chosen.repetitions + 1):
            # In turn, so that a drift of the machine hits both alike; and each begins as often.
            for tool in [OURS, RCLONE] if repetition % 2 else [RCLONE, OURS]:
                _touch(file)
                run = _copy(leg, tool, stores, folder, chosen.size_bytes, binary, program)
                _keep(run, repetition)
                runs.append(run)
    finally:
        stores.close()
    return runs


def _copy(leg: str, tool: str, stores: Stores, folder: Path, size: int, binary: str, program: str) -> Copied:
    before, place = stores.cpu_seconds(), stores.place
    processors = len(os.sched_getaffinity(0))
    if tool == OURS:
        with function.Invocation() as invocation:
            environment = invocation.environment(place)
            run = measure.run([binary], folder, processors, _LIMIT_GIB, _TIMEOUT_SECONDS, environment, function.ENDS_WITH, reports=False)
        said = (invocation.answer or {}).get("errorMessage") or (None if invocation.answer else "it gave no answer")
    else:
        environment = rclone.environment(place, folder)
        run = measure.run(rclone.command(program, place, "rclone/copy"), folder, processors, _LIMIT_GIB, _TIMEOUT_SECONDS, environment, reports=False)
        said = None
    servers = {name: seconds - before[name] for name, seconds in stores.cpu_seconds().items()}
    if run.outcome != measure.OK or said:
        raise Failure("ToolFailed", f"{tool}, {LEGS[leg]}: {said or run.outcome}\n{run.log}")
    kept = stores.kept()
    if list(kept.values()) != [size]:
        raise Failure("NotCopied", f"{tool}, {LEGS[leg]}: {kept} was to be one object of {size:,} bytes")
    stores.forget()
    return Copied(leg, tool, size, run.wall_seconds, run.cpu_seconds, run.peak_mib, servers)


def _keep(run: Copied, repetition: int) -> None:
    file = FOLDER / "fetch.tsv"
    if not file.exists():
        file.write_text("time\tleg\ttool\trepetition\tbytes\tload_average\twall_seconds\tcpu_seconds\tpeak_mib\tservers_cpu_seconds\n")
    servers = sum(run.servers.values())
    figures = [f"{os.getloadavg()[0]:.2f}", f"{run.wall:.3f}", f"{run.cpu:.3f}", f"{run.peak_mib:.0f}", f"{servers:.3f}"]
    with file.open("a") as out:
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", run.leg, run.tool, repetition, run.size, *figures, sep="\t", file=out)
    shown = f"wall {figures[1]} s, CPU {figures[2]} s, peak {figures[3]} MiB, servers' CPU {figures[4]} s, load average {figures[0]}"
    print(f"{repetition} {LEGS[run.leg]}, {run.tool:10}: {shown}", file=sys.stderr, flush=True)


def _scan(chosen: Options, file: Path) -> str:
    """In as many runs of a program that does nothing else; the file is in its memory before its clock starts."""
    build = ["cargo", "build", "--release", "--locked", "-q", "-p", "pipeline", "--example", "split_only"]
    if subprocess.run(build, cwd=ROOT).returncode != 0:
        raise Failure("BuildFailed", "cargo could not build split_only")
    folder, speeds = FOLDER / "fetch", []
    folder.mkdir(parents=True, exist_ok=True)
    program = str(ROOT / "target" / "release" / "examples" / "split_only")
    for _ in range(chosen.repetitions):
        run = measure.run([program, str(file)], folder, 1, _LIMIT_GIB + chosen.size_mib / 1024, _TIMEOUT_SECONDS)
        if run.outcome != measure.OK:
            raise Failure("ToolFailed", f"split_only: {run.outcome}\n{run.log}")
        speeds.append(run.report["bytes"] / 1e9 / run.report["cpu_seconds"])
    return f"{LEGS[SCAN].capitalize()}: {median(speeds):.2f} GB/s on one processor."


def _touch(file: Path) -> None:
    with file.open("rb") as content:
        while content.read(1 << 22):
            pass


def _facts(chosen: Options, before: float, program: str) -> str:
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip() or "of no commit"
    return (
        f"make bench-fetch SIZE_MIB={chosen.size_mib} REPS={chosen.repetitions}, {datetime.now(UTC):%Y-%m-%d}: {cpu}, "
        f"{len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB, load average {before:.1f} before; crosstally {commit}, {rclone.version(program)}. "
        f"Medians of {chosen.repetitions} interleaved runs of {chosen.size_bytes / 1e9:.2f} GB, input in the page cache; "
        "tools and servers share the processors, and a run's time is its process's, from start to end."
    )


if __name__ == "__main__":
    command.carry_out(main)
