"""Runs one program once, pinned to its processors, and takes what the operating system says about it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS = 0.05

OK, OUT_OF_MEMORY, TOO_LONG, FAILED = "ok", "out of memory", "too long", "failed"


class Run(NamedTuple):
    outcome: str
    wall_seconds: float
    cpu_seconds: float  # user and system, of all threads
    peak_mib: float
    report: dict[str, Any]  # the line the program ended with
    log: str


def run(
    command: list[str],
    out: Path,
    threads: int,
    limit_gib: float,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    good_code: int = 0,
    reports: bool = True,
) -> Run:
    """`good_code` is what the program ends with when all is well; one that `reports` ends with a line of JSON."""
    # The last ones: the first gets most of the machine's interrupts.
    processors = sorted(os.sched_getaffinity(0))[-threads:]
    with (out / "log").open("w+") as log:
        started = time.monotonic()
        # The peak that the kernel tells begins with that of the process that forks: this one must stay small.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, processors)
        )
        guard = _Guard(process.pid, limit_gib * 2**30, timeout_seconds)
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
        guard.join()
        log.seek(0)
        text = log.read()
    lines = text.strip().splitlines()
    report = {}
    outcome = guard.verdict or (OK if process.returncode == good_code else _reason(process.returncode, text))
    if outcome == OK and reports:
        try:
            report = json.loads(lines[-1])
        except (IndexError, ValueError):
            outcome = FAILED
    # The limit program counts its parse alone, not the reading of the file.
    cpu = report.get("cpu_seconds", usage.ru_utime + usage.ru_stime)
    return Run(outcome, wall, cpu, usage.ru_maxrss / 1024, report, "\n".join(lines[-12:]))


def _reason(code: int, text: str) -> str:
    said = any(words in text for words in ("MemoryError", "OutOfMemory", "Out of Memory", "memory allocation of", "bad_alloc"))
    return OUT_OF_MEMORY if said or code == -signal.SIGKILL else FAILED


class _Guard(threading.Thread):
    """Ends a process that takes more memory or time than it may. By its descriptor: a number could by then be another's."""

    def __init__(self, pid: int, limit_bytes: float, timeout_seconds: float) -> None:
        super().__init__(daemon=True)
        self.verdict = None
        self._limit_bytes, self._end = limit_bytes, time.monotonic() + timeout_seconds
        self._statm, self._descriptor = Path(f"/proc/{pid}/statm"), os.pidfd_open(pid)

    def run(self) -> None:
        ended = select.poll()
        ended.register(self._descriptor, select.POLLIN)
        while not ended.poll(_LOOK_SECONDS * 1000):
            if self._resident_bytes() > self._limit_bytes:
                self._kill(OUT_OF_MEMORY)
            elif time.monotonic() > self._end:
                self._kill(TOO_LONG)
        os.close(self._descriptor)

    def _kill(self, verdict: str) -> None:
        self.verdict = self.verdict or verdict
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _resident_bytes(self) -> int:
        try:
            return int(self._statm.read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0  # it has just ended
