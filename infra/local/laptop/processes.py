"""A component: one server process with its log file, in a process group of its own, so that it ends with all it has started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from laptop import ports
from laptop.failure import Failure

READY_SECONDS = 60.0
_STOP_SECONDS = 8.0
_PORTS_TRIED = 5


class Component:
    def __init__(self, name: str, log: Path, command: list[str | Path], stop_signal: int = signal.SIGTERM, **options) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def runs(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            # Asked first: another program may answer on a port that we were too late for.
            if not self.runs():
                raise Failure("StackFailed", f"{self.name} ended with exit code {self._process.returncode} while starting: {self.last_words()}", [self.log])
            if ready() and self.runs():
                return
            if time.monotonic() > deadline:
                raise Failure("StackFailed", f"{self.name} was not ready within {seconds:.0f} s", [self.log])
            time.sleep(0.05)

    def wait(self) -> int:
        return self._process.wait()

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """Asks the whole group, then insists. A leader that has ended may leave members behind, so the group is signalled in any case."""
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, self._stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def start_on_a_free_port(start: Callable[[int], Component], ready: Callable[[int], bool]) -> tuple[Component, int]:
    """Free ports are not reserved: a component that comes too late for its own exits, and gets another one."""
    for attempt in range(1, _PORTS_TRIED + 1):
        port = ports.find()
        component = start(port)
        try:
            component.wait_until(lambda port=port: ready(port), READY_SECONDS)
            return component, port
        except BaseException as failure:
            lost_the_port = isinstance(failure, Failure) and not component.runs()
            component.stop()
            if not lost_the_port or attempt == _PORTS_TRIED:
                raise
    raise AssertionError("unreachable")
