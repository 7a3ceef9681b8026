"""Nothing outlives us: a small parent process that ends every descendant when the real one ends, however it ends.

Components put their children into process groups of their own (Lambdas, Spark's JVM, its Python workers), and a killed supervisor can stop nobody. So
the command runs as the child of this guard. On Linux the guard is the "child subreaper": an orphan of any depth becomes its child, where it is found
and ended. Guard and child watch each other: should the guard be killed, the kernel tells the child, which then stops the stack in good order.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 5.0
_MARK = "CROSSTALLY_GUARD"  # a command that continues in another interpreter has its guard already


def run(main: Callable[[], int]) -> int:
    # A polite request to stop is the same as Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if not sys.platform.startswith("linux") or os.environ.get(_MARK) == str(os.getppid()):
        return main()
    guard, child = os.getpid(), os.fork()
    if child == 0:
        os.environ[_MARK] = str(guard)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != guard:  # it died before the line above
            return 1
        return main()

    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Ctrl-C reaches the child by itself, since it is in the same process group; other requests to stop are passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    status = _wait_for(child)
    _end_descendants()
    return 128 - status if status < 0 else status


def _wait_for(child: int) -> int:
    while True:
        pid, status = os.wait()  # orphans that end by themselves pass here, too
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _end_descendants() -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while descendants := _descendants():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in descendants:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.1)
        _reap()


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field is the program's name in brackets and may hold anything; state and parent follow it.
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.parent.name))
    found, parents = [], [os.getpid()]
    while parents:
        parents = [child for parent in parents for child in children.get(parent, [])]
        found += parents
    return found


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
